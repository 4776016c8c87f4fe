import { invariant } from '../../base/index.ts';
import { extremesOf } from './extremes.ts';

/** Bins of one sign (Migacz 2017 uses 2,048 for |x|). */
export const binCount = 2048;

/**
 * Counts of values by magnitude and sign, in one pass and fixed memory: bin i of a sign holds |x| in
 * [i · width, (i + 1) · width). When a larger value arrives, the width doubles and neighbours merge; bins nest exactly,
 * so the counts are those of a histogram that had known the final width from the start.
 */
export class Histogram {
  /** Counts below 2⁵³: float64 holds them exactly. */
  readonly positive = new Float64Array(binCount);
  readonly negative = new Float64Array(binCount);
  /** Extremes of all values and 0. */
  min = 0;
  max = 0;
  finite = true;
  #width = 0;
  #total = 0;
  readonly #scratch = Array.from({ length: 4 }, () => new Uint32Array(2 * binCount));

  /** 0 until a value other than 0 came. */
  get width(): number {
    return this.#width;
  }

  get total(): number {
    return this.#total;
  }

  /** Adds values; `stride` > 1 counts every stride-th only, while the extremes still see all. */
  add(values: Float32Array, stride = 1): void {
    const extremes = extremesOf(values);
    if (!extremes.finite) {
      this.finite = false;
      return;
    }
    if (values.length === 0) return;
    this.min = Math.min(this.min, extremes.min);
    this.max = Math.max(this.max, extremes.max);
    this.#total += Math.ceil(values.length / stride);
    const magnitude = Math.max(-extremes.min, extremes.max);
    if (magnitude > 0) this.#cover(magnitude);
    if (this.#width === 0) this.positive[0]! += Math.ceil(values.length / stride);
    else this.#count(values, stride);
  }

  #cover(magnitude: number): void {
    if (this.#width === 0) this.#width = firstWidth(magnitude);
    while (magnitude >= this.#width * binCount) {
      mergePairs(this.positive);
      mergePairs(this.negative);
      this.#width *= 2;
    }
  }

  /**
   * Neighbouring values often share a bin (zeros after Relu), and an increment must wait for the one before it at the
   * same address: four tables in turn take that wait away. They fit the first-level cache and are added up at the end.
   */
  #count(values: Float32Array, stride: number): void {
    const [a, b, c, d] = this.#scratch as [Uint32Array, Uint32Array, Uint32Array, Uint32Array];
    invariant(values.length < 2 ** 32, 'a tensor has fewer than 2³² elements');
    const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
    const inverse = 1 / this.#width;
    const step = 4 * stride;
    let i = 0;
    for (; i + 3 * stride < values.length; i += step) {
      const [j, k, l] = [i + stride, i + 2 * stride, i + 3 * stride];
      a[((Math.abs(values[i]!) * inverse) | 0) + ((bits[i]! >>> 31) << 11)]!++;
      b[((Math.abs(values[j]!) * inverse) | 0) + ((bits[j]! >>> 31) << 11)]!++;
      c[((Math.abs(values[k]!) * inverse) | 0) + ((bits[k]! >>> 31) << 11)]!++;
      d[((Math.abs(values[l]!) * inverse) | 0) + ((bits[l]! >>> 31) << 11)]!++;
    }
    for (; i < values.length; i += stride) a[((Math.abs(values[i]!) * inverse) | 0) + ((bits[i]! >>> 31) << 11)]!++;
    for (let bin = 0; bin < binCount; bin++) {
      this.positive[bin]! += a[bin]! + b[bin]! + c[bin]! + d[bin]!;
      const mirrored = bin + binCount;
      this.negative[bin]! += a[mirrored]! + b[mirrored]! + c[mirrored]! + d[mirrored]!;
    }
    for (const table of this.#scratch) table.fill(0);
  }

  /** Counts of |x|. */
  magnitudes(): Float64Array {
    return this.positive.map((count, bin) => count + this.negative[bin]!);
  }
}

/** A power of two, so that x / width is exact and doubling nests bins, with the first magnitude in the upper half. */
function firstWidth(magnitude: number): number {
  let width = 2 ** (Math.floor(Math.log2(magnitude)) + 1) / binCount;
  while (magnitude >= width * binCount) width *= 2;
  return Math.max(width, 2 ** -1000);
}

function mergePairs(counts: Float64Array): void {
  for (let bin = 0; bin < binCount / 2; bin++) counts[bin] = counts[2 * bin]! + counts[2 * bin + 1]!;
  counts.fill(0, binCount / 2);
}
