import { AppError } from '../base/index.ts';
import type { FloatExecutor, Graph } from '../graph/index.ts';
import type { TensorMap } from '../tensor/index.ts';
import { createObserver } from './observers/createObserver.ts';
import type { Observer } from './observers/observer.ts';
import { planQuantization } from './plan.ts';
import { openProbe } from './probe.ts';
import type { Ranges } from './quantizeGraph.ts';
import type { Recipe } from './recipe.ts';

/** Samples in their order, some at a time. */
export type Batches = AsyncIterable<{ readonly feeds: TensorMap }>;

export interface CalibrationOptions {
  /** As `prepareGraph` returns it. */
  readonly graph: Graph;
  readonly recipe: Recipe;
  readonly executor: FloatExecutor;
  readonly batches: Batches;
  /** Samples observed so far. */
  readonly onProgress?: (done: number) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface Calibration {
  /** By observed value. */
  readonly ranges: Ranges;
  readonly samples: number;
  /** What the ranges would have been after 1, 2, 4, … samples, as far as batches end there; without the last. */
  readonly earlier: readonly EarlierRanges[];
  /** The observers themselves, for reports (histograms). */
  readonly observers: ReadonlyMap<string, Observer>;
}

export interface EarlierRanges {
  readonly samples: number;
  readonly ranges: Ranges;
}

/**
 * Runs samples through the float network and observes every value that will be quantized. Memory depends on the batch,
 * never on the number of samples.
 *
 * @throws CALIBRATION_REQUIRED without samples, CALIBRATION_RANGE for a value that is not finite, CANCELLED
 */
export async function calibrate(options: CalibrationOptions): Promise<Calibration> {
  const { graph, recipe, executor, batches, onProgress, signal } = options;
  const values = planQuantization(graph, recipe).groups.flatMap(({ observed }) => observed);
  const observers = new Map(
    values.map((value) => [value, createObserver(recipe, graph.inputs.includes(value) ? 'input' : 'inside')]),
  );
  const probe = await openProbe(graph, executor, observers);
  const earlier: EarlierRanges[] = [];
  let samples = 0;
  let due = 1;
  try {
    for await (const { feeds } of batches) {
      throwIfAborted(signal);
      if (samples >= due) {
        earlier.push({ samples, ranges: proposedBy(observers) });
        due = 2 ** (Math.floor(Math.log2(samples)) + 1);
      }
      await probe.observe(feeds);
      samples += batchSize(feeds);
      onProgress?.(samples);
    }
  } finally {
    await probe.close();
  }
  throwIfAborted(signal);
  if (samples === 0)
    throw new AppError(
      'CALIBRATION_REQUIRED',
      'The recipe quantizes activations and needs at least one calibration sample.',
    );
  return { ranges: rangesOf(observers), samples, earlier, observers };
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new AppError('CANCELLED', 'The work was cancelled.');
}

export function batchSize(feeds: TensorMap): number {
  const [first] = feeds.values();
  return first?.shape[0] ?? 1;
}

function proposedBy(observers: ReadonlyMap<string, Observer>): Ranges {
  return new Map([...observers].map(([value, observer]) => [value, observer.range()]));
}

function rangesOf(observers: ReadonlyMap<string, Observer>): Ranges {
  const ranges = proposedBy(observers);
  for (const [value, range] of ranges) {
    if (!Number.isFinite(range.max - range.min))
      throw new AppError('CALIBRATION_RANGE', `Value '${value}' is not finite on the calibration samples.`, {
        tensor: value,
      });
  }
  return ranges;
}
