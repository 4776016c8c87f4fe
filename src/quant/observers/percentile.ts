import type { Range } from '../quantizer.ts';
import type { Extremes } from './extremes.ts';
import { edgeAbove, Histogram } from './histogram.ts';
import { unusableRange, type Observer } from './observer.ts';

/**
 * Range that keeps a share of the values: what is left out is cut evenly from both ends, or all from the far end of a
 * one-sided tensor. Bounds are edges of histogram bins, never inside the true percentile.
 */
export class PercentileObserver implements Observer {
  readonly needs = 'values';
  readonly histogram = new Histogram();
  readonly #cut: number;
  readonly #stride: (length: number) => number;

  /** @param percentile  per cent of values kept, 90..100 */
  constructor(percentile: number, stride: (length: number) => number = () => 1) {
    this.#cut = 1 - percentile / 100;
    this.#stride = stride;
  }

  observe(values: Float32Array, extremes?: Extremes): void {
    this.histogram.add(values, this.#stride(values.length), extremes);
  }

  range(): Range {
    const { width, total, min, max, finite } = this.histogram;
    if (!finite) return unusableRange;
    const cut = total * (min < 0 && max > 0 ? this.#cut / 2 : this.#cut);
    return {
      min: Math.max(min, -edgeAbove(this.histogram.negative(), cut) * width),
      max: Math.min(max, edgeAbove(this.histogram.positive(), cut) * width),
    };
  }
}
