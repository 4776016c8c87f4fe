import type { Report } from '../lab/index.ts';

/** A report as one page without scripts: the verdict in words, the figures, the layers. */
export function reportPage(report: Report): string {
  const { verdict, model } = report;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${text(model.name)}: quantization report</title>
<style>${style}</style>
<main>
<h1>${text(model.name)}</h1>
<p class="${verdict.outcome}"><strong>${text(verdict.headline)}</strong></p>
<ul>${verdict.reasons.map((reason) => `<li>${text(reason)}</li>`).join('')}</ul>
${figures(report)}
<h2>Layers</h2>
${table(['Layer', 'Operator', 'Form', 'Local SQNR, dB', 'Accumulated SQNR, dB', 'Kernel'], report.layers.map(layerRow))}
${report.worstLayers.length === 0 ? '' : `<h2>Worst layers</h2>${report.worstLayers.map(advice).join('')}`}
${report.warnings.length === 0 ? '' : `<h2>Warnings</h2><ul>${report.warnings.map((warning) => `<li>${text(warning)}</li>`).join('')}</ul>`}
<h2>Recipe</h2>
<pre>${text(JSON.stringify(report.recipe, null, 2))}</pre>
</main>
`;
}

const style = `:root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;margin:0}main{max-width:60rem;margin:auto;padding:1rem}
table{border-collapse:collapse;display:block;overflow-x:auto}th,td{padding:.2rem .6rem;text-align:left;border-bottom:1px solid #8884}
td.number{text-align:right;font-variant-numeric:tabular-nums}.fail{color:#c33}.pass{color:#183}pre{overflow-x:auto}
@media(prefers-color-scheme:dark){.pass{color:#6d8}.fail{color:#f77}}`;

function figures({ accuracy, size, latency, paired }: Report): string {
  const rows: Cell[][] = [['Size, bytes', size.fp32Bytes, size.int8Bytes]];
  if (accuracy !== undefined) {
    rows.push(['Top-1, %', percent(accuracy.fp32.top1?.share), percent(accuracy.int8.top1?.share)]);
    rows.push(['Top-5, %', percent(accuracy.fp32.top5?.share), percent(accuracy.int8.top5?.share)]);
  }
  rows.push(['Latency p50, ms', latency.fp32?.p50Ms, latency.int8?.p50Ms]);
  const agreement =
    paired === undefined ? '' : `<p>Agreement on ${paired.samples} samples: ${percent(paired.agreement) ?? ''} %.</p>`;
  return table(['', 'fp32', 'int8'], rows) + agreement;
}

function layerRow(layer: Report['layers'][number]): Cell[] {
  return [
    layer.name,
    layer.opType,
    layer.form,
    decibels(layer.activation?.localSqnrDb),
    decibels(layer.accumulatedSqnrDb),
    layer.kernel,
  ];
}

const advice = ({ name, diagnosis, advice: fix }: Report['worstLayers'][number]): string =>
  `<p><strong>${text(name)}</strong>: ${text(diagnosis)} ${text(fix)}</p>`;

type Cell = string | number | null | undefined;

const percent = (share: number | undefined): string | undefined =>
  share === undefined ? undefined : (share * 100).toFixed(2);
const decibels = (value: number | null | undefined): string | undefined => value?.toFixed(1);

function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const cell = (value: Cell): string =>
    `<td${typeof value === 'number' ? ' class="number"' : ''}>${value === undefined || value === null ? '' : text(String(value))}</td>`;
  const body = rows.map((row) => `<tr>${row.map(cell).join('')}</tr>`).join('');
  return `<table><tr>${head.map((title) => `<th>${text(title)}</th>`).join('')}</tr>${body}</table>`;
}

/** Names come from uploaded files: they are shown as text and never as markup. */
function text(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
