import { AppError, present } from '../base/index.ts';
import type { FloatExecutor, FloatSession, Graph, Node, ValueType } from '../graph/index.ts';
import { tensor, type Tensor, type TensorMap } from '../tensor/index.ts';
import { GraphBuilder } from './graphBuilder.ts';
import type { Extremes } from './observers/extremes.ts';
import { createObserver } from './observers/createObserver.ts';
import type { Observer } from './observers/observer.ts';
import { planQuantization } from './plan.ts';
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

interface Probe {
  observe(feeds: TensorMap): Promise<void>;
  close(): Promise<void>;
}

/**
 * How the observed values leave the executor. A native runtime computes the extremes itself, many values at a time, and
 * hands only those over where they are enough; the plain executor's values are at hand anyway.
 */
async function openProbe(
  graph: Graph,
  executor: FloatExecutor,
  observers: ReadonlyMap<string, Observer>,
): Promise<Probe> {
  const computed = new Set(graph.nodes.flatMap(({ outputs }) => outputs));
  const reduced = [...observers.keys()].filter(
    (value) => executor.name !== 'reference' && computed.has(value) && (graph.types.get(value)?.shape.length ?? 0) > 1,
  );
  const { graph: extended, names } = withExtremes(graph, reduced);
  const whole = [...observers].filter(([value, { needs }]) => needs === 'values' || !names.has(value));
  const fetched = new Set(whole.map(([value]) => value));
  const session: FloatSession = await executor.load(extended, [...fetched, ...[...names.values()].flat()]);
  return {
    observe: async (feeds) => {
      const results = await session.run(feeds);
      const value = (name: string): Tensor => present(results.get(name), name);
      for (const [name, observer] of observers) {
        const pair = names.get(name);
        const extremes = pair && extremesOfSamples(value(pair[0]), value(pair[1]));
        observeSamples(observer, fetched.has(name) ? value(name) : undefined, extremes);
      }
    },
    close: () => session.close(),
  };
}

function observeSamples(
  observer: Observer,
  value: Tensor | undefined,
  extremes: readonly Extremes[] | undefined,
): void {
  const data = value ? floatsOf(value) : new Float32Array();
  const samples = extremes?.length ?? value?.shape[0] ?? 1;
  const length = data.length / samples;
  for (let sample = 0; sample < samples; sample++)
    observer.observe(data.subarray(sample * length, (sample + 1) * length), extremes?.[sample]);
}

function floatsOf(value: Tensor): Float32Array {
  if (value.dtype === 'float32') return value.data;
  return Float32Array.from<number | bigint>(value.data, Number);
}

function extremesOfSamples(lowest: Tensor, highest: Tensor): Extremes[] {
  return Array.from(floatsOf(lowest), (low, sample) => {
    const high = floatsOf(highest)[sample] ?? NaN;
    return { min: Math.min(low, 0), max: Math.max(high, 0), finite: Number.isFinite(high - low) };
  });
}

/** Adds the smallest and largest element of each sample of `values` to a graph: [N] each. */
function withExtremes(
  graph: Graph,
  values: readonly string[],
): { graph: Graph; names: ReadonlyMap<string, readonly [string, string]> } {
  const builder = new GraphBuilder(graph);
  const names = new Map<string, readonly [string, string]>();
  const nodes: Node[] = [...graph.nodes];
  builder.nodes.push(...nodes);
  const axesOf = (rank: number): string => {
    const name = `octet/axes/${rank}`;
    const axes = BigInt64Array.from({ length: rank - 1 }, (_, i) => BigInt(i + 1));
    return builder.addConstant(name, tensor('int64', [rank - 1], axes));
  };
  for (const value of values) {
    const { shape } = present(graph.types.get(value), `type of '${value}'`);
    const type: ValueType = { dtype: 'float32', shape: shape.slice(0, 1) };
    const pair = [builder.fresh(`${value}/lowest`), builder.fresh(`${value}/highest`)] as const;
    const axes = axesOf(shape.length);
    for (const [opType, output] of [
      ['ReduceMin', pair[0]],
      ['ReduceMax', pair[1]],
    ] as const)
      builder.addNode(opType, { name: output, inputs: [value, axes], output, type, attributes: [['keepdims', 0]] });
    names.set(value, pair);
  }
  return { graph: builder.build(), names };
}
