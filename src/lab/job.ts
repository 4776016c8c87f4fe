import { elementCount } from '../tensor/index.ts';
import { batches, type Batch, type Dataset, type Preprocessing } from '../data/index.ts';
import type { Tier } from '../engine/index.ts';
import type { FloatExecutor } from '../graph/index.ts';
import { prepareGraph, type Recipe } from '../quant/index.ts';
import type { Network } from './network.ts';
import type { QuantizeProgress, StageClock } from './progress.ts';
import type { SamplePlan, Selection } from './samples.ts';

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
  /** Ends the job without a result. */
  readonly signal?: AbortSignal | undefined;
  /** Ends a search with the best that it has found. */
  readonly finish?: AbortSignal | undefined;
}

/** What a job carries from step to step. */
export interface Job {
  readonly options: QuantizeModelOptions;
  readonly network: Network;
  readonly plan: SamplePlan;
  readonly clock: StageClock;
}

/** The same job with another recipe. */
export function jobWith({ options, network, ...rest }: Job, recipe: Recipe): Job {
  const prepared = prepareGraph(network.simplified, recipe, network.statistics);
  return { ...rest, options: { ...options, recipe }, network: { ...network, prepared } };
}

/** Class names as they were given, else as folders or tables of a labelled set name every class of the network. */
export function labelsOf({ options, network }: Pick<Job, 'options' | 'network'>): readonly string[] | undefined {
  const { labels, calibration, evaluation } = options;
  if (labels !== undefined) return labels;
  const sets = [evaluation?.classNames, calibration?.classNames];
  return sets.find((names) => names?.length === network.classOutput?.classCount);
}

/** `count` of the items, evenly over their whole length: a set sorted by class is sampled from every class. */
export function spread(items: readonly number[], count: number): readonly number[] {
  if (items.length <= count) return items;
  return Array.from({ length: count }, (_, i) => items[Math.floor((i * items.length) / count)] ?? 0);
}

/** Input values in one batch: enough that small networks are not slowed by calls, few enough for any memory. */
const BATCH_ELEMENTS = 150_528;
const MAX_BATCH = 32;

export function batchSizeOf({ inputs }: Network): number {
  const elements = inputs.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  return Math.max(1, Math.min(MAX_BATCH, Math.floor(BATCH_ELEMENTS / Math.max(1, elements))));
}

export function batchesOf(
  { options: { preprocessing, signal }, network }: Pick<Job, 'options' | 'network'>,
  { dataset, indices }: Selection,
): AsyncGenerator<Batch, void, undefined> {
  return batches(dataset, network.inputs, preprocessing, { batchSize: batchSizeOf(network), indices, signal });
}
