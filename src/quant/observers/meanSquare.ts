import type { Range } from '../quantizer.ts';
import { binCount, Histogram } from './histogram.ts';
import { clipped } from './entropy.ts';
import { unusableRange, type Observer } from './observer.ts';

/**
 * Range with the least expected squared error: a value inside errs by scale² / 12 on average, one beyond by its
 * distance to the bound squared. Thresholds are tried as for the divergence, from an eighth of the histogram upward.
 */
export class MeanSquareObserver implements Observer {
  readonly histogram = new Histogram();
  readonly #steps: number;
  readonly #stride: (length: number) => number;

  constructor(bits: number, stride: (length: number) => number = () => 1) {
    this.#steps = 2 ** bits - 1;
    this.#stride = stride;
  }

  observe(values: Float32Array): void {
    this.histogram.add(values, this.#stride(values.length));
  }

  range(): Range {
    const { histogram } = this;
    if (!histogram.finite) return unusableRange;
    if (histogram.width === 0) return { min: 0, max: 0 };
    let best = clipped(histogram, histogram.width * binCount);
    let least = Infinity;
    for (let bins = binCount; bins >= binCount / 32; bins -= 4) {
      const candidate = clipped(histogram, bins * histogram.width);
      const error = this.#error(candidate);
      if (error < least) [least, best] = [error, candidate];
    }
    return best;
  }

  #error({ min, max }: Range): number {
    const { positive, negative, width, total } = this.histogram;
    const scale = (max - min) / this.#steps;
    const beyond = squaresBeyond(positive, max, width) + squaresBeyond(negative, -min, width);
    return beyond + (total * scale * scale) / 12;
  }
}

/** Σ count · (centre − bound)² over the bins whose centre lies beyond the bound. */
function squaresBeyond(counts: Float64Array, bound: number, width: number): number {
  let sum = 0;
  for (let bin = counts.length - 1; bin >= 0; bin--) {
    const distance = (bin + 0.5) * width - bound;
    if (distance <= 0) break;
    sum += counts[bin]! * distance * distance;
  }
  return sum;
}
