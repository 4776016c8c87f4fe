import { elementCount } from '../tensor/index.ts';
import { affineTable, batches, type Batch, type Dataset, type Preprocessing } from '../data/index.ts';
import { compile, tierReport, type Executable, type Tier } from '../engine/index.ts';
import type { FloatExecutor, Graph } from '../graph/index.ts';
import { readModel, writeModel } from '../onnx/index.ts';
import {
  calibrate,
  correctBias,
  correctBiasAnalytically,
  dataFreeRanges,
  quantizeGraph,
  type Ranges,
  type Recipe,
} from '../quant/index.ts';
import { runQuantized } from '../reference/index.ts';
import { exportModel, importModel, lowerQdq, summarize } from '../transform/index.ts';
import { buildReport } from './buildReport.ts';
import { compareRunners, type Comparison } from './evaluate.ts';
import { goldenHash } from './golden.ts';
import { analyzeLayers } from './layers.ts';
import { galleryOf } from './gallery.ts';
import { latencyFigures, measureLatency, measureNodes } from './latency.ts';
import { withMetadata } from './metadata.ts';
import { checkDataset, openNetwork, type Network } from './network.ts';
import { StageClock, type QuantizeProgress } from './progress.ts';
import { checkRecipe } from './recipe.ts';
import type { Disagreement, LayerReport, Report } from './report.ts';
import { executableRunner, floatRunner, singleThreadRunner } from './runner.ts';
import { planSamples, selectionHash, type SamplePlan, type Selection } from './samples.ts';

export interface QuantizeModelOptions {
  /** For the report. */
  readonly name?: string | undefined;
  readonly modelBytes: Uint8Array;
  readonly externalData?: ReadonlyMap<string, Uint8Array> | undefined;
  /** Absent for weight-only recipes. */
  readonly calibration?: Dataset | undefined;
  /** Absent: 20 % of the calibration set are held out by content. */
  readonly evaluation?: Dataset | undefined;
  readonly preprocessing: Preprocessing;
  /** Class names, written into the file; absent: the data sets' own, where they name every class. */
  readonly labels?: readonly string[] | undefined;
  readonly recipe: Recipe;
  readonly executor: FloatExecutor;
  /** Absent: the fastest that this machine has. */
  readonly tier?: Tier | undefined;
  readonly onProgress?: ((progress: QuantizeProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface QuantizedModel {
  /** QDQ ONNX. */
  readonly onnx: Uint8Array;
  readonly report: Report;
  /** Hash of the reference kernels' outputs for the golden input. */
  readonly golden: string;
  readonly verdict: Report['verdict']['outcome'];
  readonly summary: ReturnType<typeof summarize>;
  /** The class names in the file. */
  readonly labels: readonly string[] | undefined;
}

/** What a job carries from step to step. */
interface Job {
  readonly options: QuantizeModelOptions;
  readonly network: Network;
  readonly plan: SamplePlan;
  readonly clock: StageClock;
}

/**
 * The whole job: float ONNX in, int8 QDQ ONNX with its proof out. What is evaluated is what was written: the file's bytes
 * are read back, lowered and run on the engine.
 *
 * @throws AppError of the model, data set and quantization groups; CANCELLED once the signal fires
 */
export async function quantizeModel(options: QuantizeModelOptions): Promise<QuantizedModel> {
  const clock = new StageClock(options.onProgress, options.signal);
  clock.enter('prepare', 1);
  const { calibration, evaluation, preprocessing, recipe } = options;
  checkRecipe(recipe, calibration);
  const network = openNetwork(options.modelBytes, { externalData: options.externalData ?? new Map(), recipe });
  for (const dataset of [calibration, evaluation]) if (dataset) checkDataset(dataset, network, preprocessing);
  const job: Job = { options, network, clock, plan: planSamples({ calibration, evaluation }, recipe) };

  const ranges = await findRanges(job);
  clock.enter('correct', 1);
  const float = await correct(job, ranges);
  clock.enter('quantize', 1);
  const quantized = quantizeGraph(float, ranges, recipe);
  const onnx = writeFile(job, quantized);
  const written = importModel(readModel(onnx));
  const lowered = lowerQdq(written);
  const executable = compile(lowered, options.tier === undefined ? {} : { tier: options.tier });
  try {
    const comparison = await compare(job, executable);
    clock.enter('measure', 3);
    const layers = await layerReports(job, { quantized, executable });
    clock.at(1, 3);
    const latency = await latencies(job, executable);
    clock.at(2, 3);
    const golden = goldenHash(lowered, (feeds) => runQuantized(lowered, feeds));
    clock.at(3, 3);
    const engine = { tier: executable.tier, reason: tierReport().reason };
    const disagreements = await gallery(job, comparison);
    const stages = clock.times();
    const report = buildReport({ ...job, comparison, disagreements, layers, latency, onnx, golden, engine, stages });
    return {
      onnx,
      report,
      golden,
      verdict: report.verdict.outcome,
      summary: summarize(written),
      labels: labelsOf(job),
    };
  } finally {
    executable.close();
  }
}

async function findRanges({ options, network, plan, clock }: Job): Promise<Ranges> {
  const { recipe, executor, signal } = options;
  if (recipe.activations === 'none') return new Map();
  if (plan.calibration === undefined) {
    clock.enter('calibrate', 1);
    return dataFreeRanges(network.prepared, recipe, network.statistics, pixelRanges(network, options));
  }
  const total = plan.calibration.indices.length;
  clock.enter('calibrate', total);
  const { ranges } = await calibrate({
    graph: network.prepared,
    recipe,
    executor,
    batches: batchesOf(plan.calibration, network, options),
    onProgress: (done) => clock.at(done, total),
    signal,
  });
  if (plan.calibration.dataset.kind !== 'images') return ranges;
  return new Map([...ranges, ...[...pixelRanges(network, options)].filter(([name]) => ranges.has(name))]);
}

/**
 * Ranges of image inputs are known: what preprocessing makes of 0 and 255. Images that happen to be dark would give a
 * narrower one, whose steps lie between the pixel values.
 */
function pixelRanges({ inputs }: Network, { preprocessing }: QuantizeModelOptions): Ranges {
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

async function correct({ options, network, plan, clock }: Job, ranges: Ranges): Promise<Graph> {
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
    batches: batchesOf({ dataset, indices: spread(indices, CORRECTION_SAMPLES[executor.name]) }, network, options),
    onProgress: (done, total) => clock.at(done, total),
    signal,
  });
}

/** `count` of the items, evenly over their whole length: a set sorted by class is sampled from every class. */
function spread(items: readonly number[], count: number): readonly number[] {
  if (items.length <= count) return items;
  return Array.from({ length: count }, (_, i) => items[Math.floor((i * items.length) / count)] ?? 0);
}

/** Input values in one batch: enough that small networks are not slowed by calls, few enough for any memory. */
const BATCH_ELEMENTS = 150_528;
const MAX_BATCH = 32;

function batchSizeOf({ inputs }: Network): number {
  const elements = inputs.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  return Math.max(1, Math.min(MAX_BATCH, Math.floor(BATCH_ELEMENTS / Math.max(1, elements))));
}

function batchesOf(
  { dataset, indices }: Selection,
  network: Network,
  { preprocessing, signal }: QuantizeModelOptions,
): AsyncGenerator<Batch, void, undefined> {
  return batches(dataset, network.inputs, preprocessing, { batchSize: batchSizeOf(network), indices, signal });
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

/** Class names as they were given, else as folders or tables of a labelled set name every class of the network. */
function labelsOf({ options, network }: Pick<Job, 'options' | 'network'>): readonly string[] | undefined {
  const { labels, calibration, evaluation } = options;
  if (labels !== undefined) return labels;
  const sets = [evaluation?.classNames, calibration?.classNames];
  return sets.find((names) => names?.length === network.classOutput?.classCount);
}

async function compare(
  { options, network, plan, clock }: Job,
  executable: Executable,
): Promise<Comparison | undefined> {
  if (plan.evaluation === undefined) return undefined;
  clock.enter('evaluate', plan.evaluation.indices.length);
  const fp32 = await floatRunner(network.imported, options.executor);
  try {
    return await compareRunners([fp32, executableRunner(executable)], plan.evaluation.dataset, {
      inputs: network.inputs,
      preprocessing: options.preprocessing,
      classOutput: network.classOutput,
      indices: plan.evaluation.indices,
      batchSize: batchSizeOf(network),
      signal: options.signal,
      onProgress: (done, total) => clock.at(done, total),
    });
  } finally {
    await fp32.close();
  }
}

async function gallery(job: Job, comparison: Comparison | undefined): Promise<readonly Disagreement[]> {
  const { options, network, plan } = job;
  if (plan.evaluation === undefined || comparison === undefined) return [];
  const { dataset } = plan.evaluation;
  const { preprocessing } = options;
  return galleryOf(comparison.disagreements, {
    dataset,
    inputs: network.inputs,
    preprocessing,
    classNames: labelsOf(job),
  });
}

/** The samples that are looked at layer by layer and timed: any will do, those that were not calibrated on do best. */
function specimens({ plan }: Job): Selection | undefined {
  return plan.evaluation ?? plan.calibration;
}

async function layerReports(
  job: Job,
  { quantized, executable }: { readonly quantized: Graph; readonly executable: Executable },
): Promise<LayerReport[]> {
  const { options, network } = job;
  const { preprocessing, recipe, executor, signal } = options;
  const selection = specimens(job);
  const samples = selection
    ? batches(selection.dataset, network.inputs, preprocessing, {
        batchSize: 1,
        indices: spread(selection.indices, 8),
        signal,
      })
    : emptySamples();
  const float = network.prepared;
  return analyzeLayers({ float, quantized, recipe, executor, samples, kernels: executable.kernels, signal });
}

async function* emptySamples(): AsyncGenerator<Batch, void, undefined> {
  yield* [];
}

async function latencies(job: Job, executable: Executable): Promise<Report['latency']> {
  const { options, network } = job;
  const { preprocessing, executor, signal } = options;
  const selection = specimens(job);
  if (selection === undefined) return {};
  const one = batches(selection.dataset, network.inputs, preprocessing, {
    batchSize: 1,
    indices: selection.indices.slice(0, 1),
    signal,
  });
  const fp32 = await singleThreadRunner(network.imported, executor);
  try {
    for await (const { feeds } of one) {
      const both = await measureLatency([fp32, executableRunner(executable)], feeds, { threads: 1, signal });
      return latencyFigures(both, measureNodes(executable, feeds));
    }
    return {};
  } finally {
    await fp32.close();
  }
}
