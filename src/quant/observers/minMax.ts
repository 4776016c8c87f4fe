import type { Range } from '../quantizer.ts';
import { extremesOf } from './extremes.ts';
import type { ExtremesObserver } from './observer.ts';

/** The smallest and largest value that ever came. */
export class MinMaxObserver implements ExtremesObserver {
  #min = 0;
  #max = 0;

  observe(values: Float32Array): void {
    const { min, max, finite } = extremesOf(values);
    if (finite) this.observeExtremes(min, max);
    else this.observeExtremes(NaN, NaN);
  }

  observeExtremes(min: number, max: number): void {
    // Math.min and Math.max keep a NaN.
    this.#min = Math.min(this.#min, min);
    this.#max = Math.max(this.#max, max);
  }

  range(): Range {
    return { min: this.#min, max: this.#max };
  }
}

/** Samples of one mini-batch: their common extremes are one observation. */
export const samplesPerMiniBatch = 8;
/** Weight of a new mini-batch once 1 / momentum of them have come; until then all weigh the same. */
export const momentum = 0.01;

/**
 * Moving average of the extremes of mini-batches (arXiv:1806.08342 section 2.5): after mini-batch t,
 *   r ← r + max(1 / t, momentum) · (extremes − r).
 * Mini-batches are of `samplesPerMiniBatch` samples in the order of observation, whatever batch the executor ran; each
 * call of `observe` is one sample.
 */
export class MovingMinMaxObserver implements ExtremesObserver {
  #range: Range = { min: 0, max: 0 };
  #batch: Range = { min: 0, max: 0 };
  #inBatch = 0;
  #batches = 0;

  observe(values: Float32Array): void {
    const { min, max, finite } = extremesOf(values);
    if (finite) this.observeExtremes(min, max);
    else this.observeExtremes(NaN, NaN);
  }

  observeExtremes(min: number, max: number): void {
    this.#batch = { min: Math.min(this.#batch.min, min), max: Math.max(this.#batch.max, max) };
    if (++this.#inBatch < samplesPerMiniBatch) return;
    this.#range = this.#moved();
    this.#batches++;
    this.#inBatch = 0;
    this.#batch = { min: 0, max: 0 };
  }

  #moved(): Range {
    const weight = Math.max(1 / (this.#batches + 1), momentum);
    const { min, max } = this.#range;
    return { min: min + weight * (this.#batch.min - min), max: max + weight * (this.#batch.max - max) };
  }

  /** A mini-batch that is not full counts only while there is no full one: fewer samples have smaller extremes. */
  range(): Range {
    return this.#batches === 0 ? this.#batch : this.#range;
  }
}
