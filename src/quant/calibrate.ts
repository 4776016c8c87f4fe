import { AppError } from '../base/index.ts';
import type { FloatExecutor, Graph } from '../graph/index.ts';
import type { TensorMap } from '../tensor/index.ts';
import { createObserver } from './observers/createObserver.ts';
import type { Observer } from './observers/observer.ts';
import { planQuantization } from './plan.ts';
import { openProbe } from './probe.ts';
import type { Range } from './quantizer.ts';
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
  /** The observers themselves, for reports (histograms). */
  readonly observers: ReadonlyMap<string, Observer>;
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
  let samples = 0;
  try {
    for await (const { feeds } of batches) {
      throwIfAborted(signal);
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
  return { ranges: rangesOf(observers), samples, observers };
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new AppError('CANCELLED', 'The work was cancelled.');
}

export function batchSize(feeds: TensorMap): number {
  const [first] = feeds.values();
  return first?.shape[0] ?? 1;
}

function rangesOf(observers: ReadonlyMap<string, Observer>): Ranges {
  const ranges = new Map<string, Range>();
  for (const [value, observer] of observers) {
    const range = observer.range();
    if (!Number.isFinite(range.max - range.min))
      throw new AppError('CALIBRATION_RANGE', `Value '${value}' is not finite on the calibration samples.`, {
        tensor: value,
      });
    ranges.set(value, range);
  }
  return ranges;
}
