import { AppError, invariant, present } from '../base/index.ts';
import { elementCount, tensor, type Tensor, type TensorMap } from '../tensor/index.ts';
import type { Dataset, InputSpec } from './dataset.ts';
import { loadSample } from './loadSample.ts';
import type { Preprocessing } from './preprocessing.ts';

export interface Batch {
  /** Sample indices, in the order of the batch. */
  readonly indices: readonly number[];
  readonly feeds: TensorMap;
}

export interface BatchOptions {
  /** The last batch may be smaller. */
  readonly batchSize: number;
  /** Which samples, in this order; all if absent. */
  readonly indices?: readonly number[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Samples decoded at one time, on libuv's threads, while the caller computes. */
const CONCURRENT_LOADS = 4;

/**
 * The samples as batches, decoded ahead of the caller: at most one batch and `CONCURRENT_LOADS` samples are in memory
 * beside the batch that the caller holds.
 *
 * @throws AppError as `loadSample`; CANCELLED once the signal fires
 */
export async function* batches(
  dataset: Dataset,
  inputs: readonly InputSpec[],
  preprocessing: Preprocessing,
  { batchSize, indices = dataset.samples.map((_, index) => index), signal }: BatchOptions,
): AsyncGenerator<Batch, void, undefined> {
  invariant(Number.isInteger(batchSize) && batchSize > 0, `batch size ${batchSize}`);
  const window = Math.max(batchSize, CONCURRENT_LOADS) + CONCURRENT_LOADS;
  const loads: Promise<TensorMap>[] = [];
  const limiter = new Limiter(CONCURRENT_LOADS);
  let next = 0;
  const fill = (): void => {
    while (loads.length < window && next < indices.length) {
      const index = present(indices[next++], 'sample index');
      const load = limiter.run(() => loadSample(dataset, index, inputs, preprocessing));
      // A load behind one that failed, or behind the caller's return, has no one else to catch it.
      load.catch(() => undefined);
      loads.push(load);
    }
  };
  try {
    for (let start = 0; start < indices.length; start += batchSize) {
      const members = indices.slice(start, start + batchSize);
      const samples: TensorMap[] = [];
      for (let i = 0; i < members.length; i++) {
        if (signal?.aborted === true) throw new AppError('CANCELLED', 'Reading samples was cancelled.');
        fill();
        samples.push(await present(loads.shift(), 'load in flight'));
      }
      fill();
      yield { indices: members, feeds: stack(samples, inputs) };
    }
  } finally {
    limiter.stop();
    await Promise.allSettled(loads);
  }
}

/** Samples of batch 1 as one batch. */
function stack(samples: readonly TensorMap[], inputs: readonly InputSpec[]): TensorMap {
  const [first] = samples;
  if (samples.length === 1 && first !== undefined) return first;
  const feeds = new Map<string, Tensor>();
  for (const { name, shape, dtype } of inputs) {
    const stacked = tensor(dtype, [samples.length, ...shape.slice(1)]);
    const count = elementCount(shape);
    for (const [i, sample] of samples.entries()) {
      const { data } = present(sample.get(name), `input '${name}'`);
      stacked.data.set(data as Float32Array & Uint8Array, i * count);
    }
    feeds.set(name, stacked as Tensor);
  }
  return feeds;
}

/** Runs at most `limit` tasks at one time, first come, first served. */
class Limiter {
  readonly #waiting: (() => void)[] = [];
  #free: number;
  #stopped = false;

  constructor(limit: number) {
    this.#free = limit;
  }

  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      if (this.#stopped) throw new AppError('CANCELLED', 'Reading samples has ended.');
      return await task();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }

  /** Tasks that have not begun are refused. */
  stop(): void {
    this.#stopped = true;
  }
}
