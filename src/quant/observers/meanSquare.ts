import type { Range } from '../quantizer.ts';
import type { Extremes } from './extremes.ts';
import { binCount, Histogram } from './histogram.ts';
import { clipped } from './entropy.ts';
import { unusableRange, type Observer } from './observer.ts';

/**
 * Range with the least squared error, each bin of the histogram taken at its centre: rounded within the range, clipped
 * beyond. Thresholds are tried as for the divergence, from a 32nd of the histogram upward in steps of 8 bins.
 */
export class MeanSquareObserver implements Observer {
  readonly needs = 'values';
  readonly histogram = new Histogram();
  readonly #steps: number;
  readonly #stride: (length: number) => number;

  constructor(bits: number, stride: (length: number) => number = () => 1) {
    this.#steps = 2 ** bits - 1;
    this.#stride = stride;
  }

  observe(values: Float32Array, extremes?: Extremes): void {
    this.histogram.add(values, this.#stride(values.length), extremes);
  }

  range(): Range {
    const { histogram } = this;
    if (!histogram.finite) return unusableRange;
    if (histogram.width === 0) return { min: 0, max: 0 };
    let best = clipped(histogram, histogram.width * binCount);
    let least = Infinity;
    for (let bins = binCount; bins >= binCount / 32; bins -= 8) {
      const candidate = clipped(histogram, bins * histogram.width);
      const error = this.#error(candidate);
      if (error < least) [least, best] = [error, candidate];
    }
    return best;
  }

  #error({ min, max }: Range): number {
    const { histogram } = this;
    const { width } = histogram;
    const scale = (max - min) / this.#steps / width;
    return (
      squaredError(histogram.positive(), max / width, scale) + squaredError(histogram.negative(), -min / width, scale)
    );
  }
}

/** Σ count · (centre − quantized centre)², in bins. */
function squaredError(counts: Float64Array, bound: number, scale: number): number {
  let sum = 0;
  for (let bin = 0; bin < counts.length; bin++) {
    const centre = bin + 0.5;
    const nearest = centre < bound ? Math.min(Math.round(centre / scale) * scale, bound) : bound;
    sum += counts[bin]! * (centre - nearest) ** 2;
  }
  return sum;
}
