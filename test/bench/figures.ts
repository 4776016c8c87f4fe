import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createTerminal } from '../../src/cli/terminal.ts';
import { formatTable } from '../../src/cli/text.ts';
import { accuracyHeader, measureAccuracy } from './figures/accuracy.ts';
import { calibrationHeader, measureCalibration } from './figures/calibration.ts';
import { figureCases, type FigureCase } from './figures/cases.ts';
import { jobHeader, measureJob } from './figures/job.ts';
import { measureRecovery, recoveryHeader } from './figures/recovery.ts';
import { measureSearch, searchHeader } from './figures/search.ts';

const help = `Usage: npm run figures -- [accuracy] [recovery] [calibration] [search] [job] [--only network]
                            [--seconds n]

accuracy     the default recipe on labelled sets: loss of top-1 with its paired bound, agreement with fp32, and how
             often our engine and onnxruntime differ on the exported file, beside onnxruntime with and without
             optimizations
recovery     MobileNetV1 0.25 with one scale a layer, the same bias-corrected and equalized, and one scale a channel with
             and without correction: top-1 with its paired bound
calibration  KL calibration: its time over that of onnxruntime's runs of the same 512 samples (MobileNetV2 at 224), and
             how much more memory 10,000 samples take than 100, itself and in the whole of octet quantize (digits)
search       the recipe search on the same sets, within 0.2 points of fp32 (1 on ImageNet): loss on the samples that
             prove, the given recipe beside it, and the recipe that was found; --seconds is its time (120)
job          MobileNetV2 at 224 with KL calibration: time and peak memory with 128 and 1,000 images, with and without
             onnxruntime

All when none is named. The sample is always measured; OCTET_TEST_MODELS and OCTET_TEST_DATA add networks and sets.
The exit code is 1 when a figure is not reached.`;

const { values, positionals } = parseArgs({
  options: {
    only: { type: 'string' },
    seconds: { type: 'string', default: '120' },
    help: { type: 'boolean', short: 'h', default: false },
  },
  allowPositionals: true,
});
const terminal = createTerminal(process.stdout, process.stderr);
const wants = (part: string): boolean => positionals.length === 0 || positionals.includes(part);

async function selectedCases(folder: string): Promise<FigureCase[]> {
  const cases = await figureCases(folder, process.env);
  return cases.filter(({ name }) => values.only === undefined || name.includes(values.only));
}

async function printAccuracy(folder: string): Promise<boolean> {
  const cases = await selectedCases(folder);
  const rows: (readonly string[])[] = [];
  let allReached = true;
  for (const [index, figureCase] of cases.entries()) {
    terminal.progress(figureCase.name, index, cases.length);
    const { row, reached } = await measureAccuracy(figureCase, folder);
    rows.push(row);
    terminal.note(row.join('  '));
    allReached &&= reached;
  }
  terminal.print('Points of top-1 on the evaluation sets, default recipe; bound = 1.64 * sqrt(lost + gained) / n.');
  terminal.print(
    'The last shares are samples answered differently: ours against onnxruntime, onnxruntime against itself.\n',
  );
  terminal.print(`${formatTable([accuracyHeader, ...rows])}\n`);
  return allReached;
}

async function printRecovery(folder: string): Promise<boolean> {
  const cases = await figureCases(folder, process.env);
  const network = cases.find(({ name }) => name.startsWith('mobilenet_v1'));
  if (!network) {
    terminal.note('recovery: needs MobileNetV1 0.25, see OCTET_TEST_MODELS and OCTET_TEST_DATA');
    return true;
  }
  const { rows, reached } = await measureRecovery(network, folder, (row) => terminal.note(row.join('  ')));
  terminal.print(`${network.name}, asymmetric weights where one scale serves a layer, symmetric ones otherwise.`);
  terminal.print('Points of top-1 on the evaluation set; bound = 1.64 * sqrt(lost + gained) / n.\n');
  terminal.print(`${formatTable([recoveryHeader, ...rows])}\n`);
  return reached;
}

async function printCalibration(folder: string): Promise<boolean> {
  const figures = await measureCalibration(folder, ({ row }) => terminal.note(row.join('  ')));
  terminal.print(
    'KL calibration: time without decoding, the two taking turns; memory after collecting garbage, and at its peak.\n',
  );
  terminal.print(`${formatTable([calibrationHeader, ...figures.map(({ row }) => row)])}\n`);
  return figures.every(({ reached }) => reached);
}

async function printSearch(folder: string): Promise<boolean> {
  const rows: (readonly string[])[] = [];
  const prevented: string[] = [];
  let allReached = true;
  const cases = await selectedCases(folder);
  for (const [index, figureCase] of cases.entries()) {
    terminal.progress(figureCase.name, index, cases.length);
    const figure = await measureSearch(figureCase, { folder, seconds: Number(values.seconds) });
    rows.push(figure.row);
    terminal.note(figure.row.join('  '));
    if (figure.prevented !== undefined) prevented.push(`${figureCase.name}: ${figure.prevented}`);
    allReached &&= figure.reached;
  }
  terminal.print('Points of top-1 on samples that did not choose; bound = 1.64 * sqrt(lost + gained) / n.\n');
  terminal.print([formatTable([searchHeader, ...rows]), ...prevented, ''].join('\n'));
  return allReached;
}

async function printJob(folder: string): Promise<void> {
  const runs = [
    { executor: 'onnxruntime', images: 128 },
    { executor: 'onnxruntime', images: 1_000 },
    { executor: 'reference', images: 128 },
  ] as const;
  const rows: (readonly string[])[] = [];
  for (const [index, run] of runs.entries()) {
    terminal.progress('job', index, runs.length);
    rows.push(await measureJob(folder, run));
  }
  terminal.print('MobileNetV2 1.0 at 224 (generated), KL calibration, the whole of octet quantize.\n');
  terminal.print(formatTable([jobHeader, ...rows]));
}

if (values.help) terminal.print(help);
else {
  const folder = await mkdtemp(join(tmpdir(), 'octet-figures-'));
  try {
    if (wants('accuracy') && !(await printAccuracy(folder))) process.exitCode = 1;
    if (wants('recovery') && !(await printRecovery(folder))) process.exitCode = 1;
    if (wants('calibration') && !(await printCalibration(folder))) process.exitCode = 1;
    if (wants('search') && !(await printSearch(folder))) process.exitCode = 1;
    if (wants('job')) await printJob(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
