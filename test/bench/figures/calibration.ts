import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { present } from '../../../src/base/index.ts';
import { randomFeeds } from '../../../src/cli/bench/randomFeeds.ts';
import { digitsModelPath, digitsPreprocessing, readDigits, zipDigits } from '../../../src/cli/sample/digits.ts';
import { formatBytes, formatMs } from '../../../src/cli/text.ts';
import type { Graph } from '../../../src/graph/index.ts';
import { readModel } from '../../../src/onnx/index.ts';
import { loadOnnxruntime, openOnnxFile, type OnnxFileSession } from '../../../src/onnxruntime/index.ts';
import { calibrate, prepareGraph, recipeSchema } from '../../../src/quant/index.ts';
import { importModel, simplify } from '../../../src/transform/index.ts';
import { networks } from '../generators/networks.ts';
import { toOnnx } from '../generators/toOnnx.ts';
import { runQuantize } from './runOctet.ts';

export interface CalibrationFigure {
  readonly row: readonly string[];
  readonly reached: boolean;
}

interface SampleCounts {
  readonly few: number;
  readonly many: number;
}

export const calibrationHeader = ['figure', 'of', 'measured', 'ratio or growth', 'allowed', 'reached'] as const;

const MOST_TIMES = 4;
const MOST_GROWTH = 64 * 2 ** 20;
const timedSamples = 512;
const sampleCounts = { few: 100, many: 10_000 };
const residentMemory = fileURLToPath(new URL('residentMemory.ts', import.meta.url));
const entropy = { activations: { calibrator: 'entropy' } } as const;

/** Time with one thread and with one a core, and memory; all with the KL calibrator. */
export async function measureCalibration(
  folder: string,
  onFigure: (figure: CalibrationFigure) => void,
): Promise<readonly CalibrationFigure[]> {
  const figures: CalibrationFigure[] = [];
  const threadCounts = [...new Set([1, availableParallelism()])];
  const measurements = [
    ...threadCounts.map((threads) => () => measureTime(threads)),
    () => measureResident(sampleCounts),
    () => measureJobPeak(folder, sampleCounts),
  ];
  for (const measure of measurements) {
    const figure = await measure();
    figures.push(figure);
    onFigure(figure);
  }
  return figures;
}

/**
 * Time of `calibrate`, its session included, over that of onnxruntime's runs of the same samples on the file as it is.
 * The two take turns, sample by sample, so that other load falls on both; making the samples belongs to neither.
 */
async function measureTime(threads: number): Promise<CalibrationFigure> {
  const model = toOnnx(networks.mobilenet_v2(1));
  const recipe = recipeSchema.parse(entropy);
  const graph = prepareGraph(simplify(importModel(readModel(model))), recipe);
  const plain = await openOnnxFile(model, { threads });
  const executor = present(await loadOnnxruntime({ threads }), 'onnxruntime-node');
  const elsewhere = { totalMs: 0, plainMs: 0 };
  try {
    await plain.run(randomFeeds(graph, { batch: 1 }));
    const began = performance.now();
    await calibrate({ graph, recipe, executor, batches: alternatingSamples(graph, plain, elsewhere) });
    const calibrationMs = performance.now() - began - elsewhere.totalMs;
    const ratio = calibrationMs / elsewhere.plainMs;
    return figure(ratio <= MOST_TIMES, [
      'time of calibration over one run',
      `MobileNetV2 at 224, ${timedSamples} samples, ${threads === 1 ? '1 thread' : `${threads} threads`}`,
      `${formatMs(calibrationMs)} / ${formatMs(elsewhere.plainMs)}`,
      ratio.toFixed(2),
      `at most ${MOST_TIMES}`,
    ]);
  } finally {
    await plain.close();
  }
}

/** Seeded samples, each run on `plain` before it is handed over; adds up the time that this takes. */
async function* alternatingSamples(
  graph: Graph,
  plain: OnnxFileSession,
  elsewhere: { totalMs: number; plainMs: number },
) {
  for (let index = 0; index < timedSamples; index++) {
    const asked = performance.now();
    const feeds = randomFeeds(graph, { batch: 1, seed: index + 1 });
    const made = performance.now();
    await plain.run(feeds);
    const ended = performance.now();
    elsewhere.plainMs += ended - made;
    elsewhere.totalMs += ended - asked;
    yield { feeds };
  }
}

/** Resident memory of a process that calibrates on drawn samples, after few and after many of them. */
async function measureResident({ few, many }: SampleCounts): Promise<CalibrationFigure> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', residentMemory, `${few}`, `${many}`]);
  const bytes = JSON.parse(stdout) as { few: number; many: number; peak: number };
  return growthFigure('memory of calibration', { few, many }, bytes, `, peak ${formatBytes(bytes.peak)}`);
}

/** Peak memory of the whole of `octet quantize`, images decoded and all, with few and with many samples. */
async function measureJobPeak(folder: string, counts: SampleCounts): Promise<CalibrationFigure> {
  const bytes = { few: await peakOf(folder, counts.few), many: await peakOf(folder, counts.many) };
  return growthFigure('peak memory of the whole job', counts, bytes);
}

function growthFigure(name: string, counts: SampleCounts, bytes: SampleCounts, remark = ''): CalibrationFigure {
  const growth = bytes.many - bytes.few;
  return figure(growth < MOST_GROWTH, [
    name,
    `digits, ${counts.few} and ${counts.many} samples`,
    `${formatBytes(bytes.few)}, ${formatBytes(bytes.many)}${remark}`,
    `${(growth / 2 ** 20).toFixed(1)} MiB`,
    `below ${formatBytes(MOST_GROWTH)}`,
  ]);
}

/** Peak resident memory of a process that quantizes with so many digits. */
async function peakOf(folder: string, count: number): Promise<number> {
  const path = (name: string): string => join(folder, name);
  await writeFile(path('recipe.json'), JSON.stringify(entropy));
  await writeFile(path('preprocessing.json'), JSON.stringify(digitsPreprocessing));
  await writeFile(path('calibration.zip'), zipDigits(await readDigits('training', { first: 0, count })));
  await writeFile(path('evaluation.zip'), zipDigits(await readDigits('test', { first: 0, count: 100 })));
  const { peakRssBytes } = await runQuantize([
    ...[digitsModelPath, path('calibration.zip'), '--evaluation', path('evaluation.zip')],
    ...['--recipe', path('recipe.json'), '--preprocessing', path('preprocessing.json')],
    ...['-o', path('calibration.int8.onnx')],
  ]);
  return peakRssBytes;
}

function figure(reached: boolean, row: readonly string[]): CalibrationFigure {
  return { reached, row: [...row, reached ? 'yes' : 'no'] };
}
