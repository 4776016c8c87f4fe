import { affineTable } from '../data/index.ts';
import type { Graph } from '../graph/index.ts';
import { writeModel } from '../onnx/index.ts';
import {
  calibrate,
  correctBias,
  correctBiasAnalytically,
  dataFreeRanges,
  quantizeGraph,
  type Ranges,
} from '../quant/index.ts';
import { exportModel } from '../transform/index.ts';
import { convergenceOf, type Convergence } from './lint/index.ts';
import { batchesOf, labelsOf, spread, type Job } from './job.ts';
import { withMetadata } from './metadata.ts';
import { selectionHash } from './samples.ts';

/** A network as the job's recipe makes it. */
export interface QuantizedNetwork {
  readonly quantized: Graph;
  /** QDQ ONNX. */
  readonly onnx: Uint8Array;
  /** Empty where no ranges were observed. */
  readonly convergence: Convergence;
}

/** Ranges, and how they came about. */
export interface FoundRanges {
  readonly ranges: Ranges;
  readonly convergence: Convergence;
}

/**
 * Calibrates, corrects and quantizes: equal network, samples, recipe and executor give equal bytes.
 *
 * @param known  ranges, where they were found before
 */
export async function quantizeNetwork(job: Job, known?: FoundRanges): Promise<QuantizedNetwork> {
  const { clock, options } = job;
  const found = known ?? (await findRanges(job));
  clock.enter('correct', 1);
  const float = await correct(job, found.ranges);
  clock.enter('quantize', 1);
  const quantized = quantizeGraph(float, found.ranges, options.recipe);
  return { quantized, onnx: writeFile(job, quantized), convergence: found.convergence };
}

/** Ranges of the values that the recipe quantizes. */
export async function findRanges(job: Job): Promise<FoundRanges> {
  const { options, network, plan, clock } = job;
  const { recipe, executor, signal } = options;
  if (recipe.activations === 'none') return { ranges: new Map(), convergence: [] };
  if (plan.calibration === undefined) {
    clock.enter('calibrate', 1);
    const ranges = dataFreeRanges(network.prepared, recipe, network.statistics, pixelRanges(job));
    return { ranges, convergence: [] };
  }
  const total = plan.calibration.indices.length;
  clock.enter('calibrate', total);
  const calibrated = await calibrate({
    graph: network.prepared,
    recipe,
    executor,
    batches: batchesOf(job, plan.calibration),
    onProgress: (done) => clock.at(done, total),
    signal,
  });
  const { ranges } = calibrated;
  const convergence = convergenceOf(calibrated);
  if (plan.calibration.dataset.kind !== 'images') return { ranges, convergence };
  const pixels = [...pixelRanges(job)].filter(([name]) => ranges.has(name));
  return { ranges: new Map([...ranges, ...pixels]), convergence };
}

/**
 * Ranges of image inputs are known: what preprocessing makes of 0 and 255. Images that happen to be dark would give a
 * narrower one, whose steps lie between the pixel values.
 */
function pixelRanges({ network: { inputs }, options: { preprocessing } }: Job): Ranges {
  const ranges = new Map<string, { min: number; max: number }>();
  for (const { name, shape, layout } of inputs) {
    if (shape.length !== 4) continue;
    const values = affineTable(preprocessing, (layout === 'NCHW' ? shape[1] : shape[3]) ?? 1);
    const range = { min: Math.min(0, ...values), max: Math.max(0, ...values) };
    if (Number.isFinite(range.max - range.min)) ranges.set(name, range);
  }
  return ranges;
}

/**
 * Samples of the calibration set that bias correction averages over: more change the means by less than a step. The plain
 * kernels take as many as they can in a few minutes.
 */
const CORRECTION_SAMPLES = { onnxruntime: 100, reference: 32 } as const;

async function correct(job: Job, ranges: Ranges): Promise<Graph> {
  const { options, network, plan, clock } = job;
  const { recipe, executor, signal } = options;
  if (recipe.biasCorrection === 'none' || recipe.weights === 'none') return network.prepared;
  if (recipe.biasCorrection === 'analytic')
    return correctBiasAnalytically(network.prepared, recipe, network.statistics);
  if (plan.calibration === undefined) return network.prepared;
  const { dataset, indices } = plan.calibration;
  return correctBias({
    graph: network.prepared,
    ranges,
    recipe,
    executor,
    batches: batchesOf(job, { dataset, indices: spread(indices, CORRECTION_SAMPLES[executor.name]) }),
    onProgress: (done, total) => clock.at(done, total),
    signal,
  });
}

function writeFile({ options, network, plan }: Job, quantized: Graph): Uint8Array {
  const { preprocessing, recipe, executor } = options;
  const facts = {
    preprocessing,
    labels: labelsOf({ options, network }),
    recipe,
    source: network.sha256,
    calibration: plan.calibration && selectionHash(plan.calibration),
    executor: executor.name,
  };
  return writeModel(exportModel(withMetadata(quantized, facts)));
}
