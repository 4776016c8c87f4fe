import type { Range } from '../quantizer.ts';
import { extremesOf, type Extremes } from './extremes.ts';
import { unusableRange, type Observer } from './observer.ts';

/** The smallest and largest value that ever came. */
export class MinMaxObserver implements Observer {
  readonly needs = 'extremes';
  #range: Range = { min: 0, max: 0 };

  observe(values: Float32Array, extremes: Extremes = extremesOf(values)): void {
    this.#range = hull(this.#range, extremes);
  }

  range(): Range {
    return this.#range;
  }
}

/** Samples of one mini-batch: their common extremes are one observation. */
export const samplesPerMiniBatch = 16;
/** Weight of a new mini-batch once 1 / momentum of them have come; until then all weigh the same. */
export const momentum = 0.01;

/**
 * Moving average of the extremes of mini-batches (arXiv:1806.08342 section 2.5): after mini-batch t,
 *   r ← r + max(1 / t, momentum) · (extremes − r).
 * Mini-batches are of `samplesPerMiniBatch` samples in the order of observation, whatever batch the executor ran.
 */
export class MovingMinMaxObserver implements Observer {
  readonly needs = 'extremes';
  #range: Range = { min: 0, max: 0 };
  #batch: Range = { min: 0, max: 0 };
  #inBatch = 0;
  #batches = 0;

  observe(values: Float32Array, extremes: Extremes = extremesOf(values)): void {
    this.#batch = hull(this.#batch, extremes);
    if (++this.#inBatch < samplesPerMiniBatch) return;
    const weight = Math.max(1 / (this.#batches + 1), momentum);
    const { min, max } = this.#range;
    this.#range = { min: min + weight * (this.#batch.min - min), max: max + weight * (this.#batch.max - max) };
    this.#batches++;
    this.#inBatch = 0;
    this.#batch = { min: 0, max: 0 };
  }

  /** A mini-batch that is not full counts only while there is no full one: fewer samples have smaller extremes. */
  range(): Range {
    return this.#batches === 0 ? this.#batch : this.#range;
  }
}

/** Math.min and Math.max keep a NaN. */
function hull(range: Range, { min, max, finite }: Extremes): Range {
  return finite ? { min: Math.min(range.min, min), max: Math.max(range.max, max) } : unusableRange;
}
