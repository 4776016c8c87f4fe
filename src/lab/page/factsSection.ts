import type { Report } from '../report.ts';
import { grouped, ms } from './format.ts';
import { html, table, type Markup } from './markup.ts';

export function factsSection(report: Report): Markup {
  const { data, model, engine, executor, golden, versions, stages } = report;
  const { calibration, evaluation } = data;
  const source = evaluation?.source === 'heldOut' ? 'held out of the calibration set' : 'evaluation set';
  const rows: (readonly [string, string])[] = [
    ['Network', `${grouped(model.parameters)} parameters, ${grouped(model.macs)} multiply-accumulates a sample`],
    [
      'Calibration',
      calibration === undefined ? 'none' : `${grouped(calibration.samples)} samples, sha-256 ${calibration.sha256}`,
    ],
    [
      'Evaluation',
      evaluation === undefined
        ? 'none'
        : `${grouped(evaluation.samples)} samples, ${source}, sha-256 ${evaluation.sha256}`,
    ],
    ['Engine', `${engine.tier}: ${engine.reason}`],
    ['Float executor', executor],
    ['Float file, sha-256', model.sha256],
    ['Int8 file, sha-256', model.quantizedSha256],
    ['Golden output, sha-256', golden],
    [
      'Versions',
      Object.entries(versions)
        .map(([name, version]) => `${name} ${version}`)
        .join(', '),
    ],
    ['Time', stages.map((stage) => `${stage.stage} ${ms(stage.ms)}`).join(', ')],
  ];
  return html`<section id="reproduce">
    <h2>How to make it again</h2>
    <p>
      With the same files, recipe, executor and versions, the same bytes come out. Save the recipe and the preprocessing
      below as files beside the model.
    </p>
    <pre>${commandOf(report)}</pre>
    ${table(
      ['', ''],
      rows.map(([name, value]) => [name, html`<code>${value}</code>`]),
    )}
    <details open>
      <summary>recipe.json</summary>
      <pre>${JSON.stringify(report.recipe, null, 2)}</pre>
    </details>
    <details>
      <summary>preprocessing.json</summary>
      <pre>${JSON.stringify(report.preprocessing, null, 2)}</pre>
    </details>
  </section>`;
}

/** The command line that makes the same file. */
function commandOf({ data, executor }: Report): string {
  return [
    'npx octet quantize model.onnx',
    ...(data.calibration === undefined ? [] : ['calibration.zip']),
    ...(data.evaluation?.source === 'evaluationSet' ? ['--evaluation evaluation.zip'] : []),
    '--recipe recipe.json',
    '--preprocessing preprocessing.json',
    `--executor ${executor}`,
    '--report report.html',
  ].join(' \\\n  ');
}
