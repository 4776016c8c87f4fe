import { extremesOf, type Extremes } from './extremes.ts';

/** Bins of one sign (Migacz 2017 uses 2,048 for |x|). */
export const binCount = 2048;

/**
 * Counts of values in one pass and fixed memory: bin i, from −2,048 to 2,047, holds x with floor(x / width) = i; the
 * count of bin i is `counts[i + binCount]`. When a larger value arrives, the width doubles and neighbours merge. Widths
 * are powers of two, so bins nest exactly and the counts are those of a histogram that had known the final width.
 * (A negative x nearer to 0 than 2⁻⁴² widths counts as 0.)
 */
export class Histogram {
  /** Below 2⁵³: float64 holds them exactly. */
  readonly counts = new Float64Array(2 * binCount);
  /** Counted values that are exactly 0; they are in bin 0 too. */
  zeros = 0;
  /** Extremes of all values and 0. */
  min = 0;
  max = 0;
  finite = true;
  #width = 0;
  #total = 0;
  readonly #scratch = new Uint32Array(8 * binCount);

  /** 0 until a value other than 0 came. */
  get width(): number {
    return this.#width;
  }

  get total(): number {
    return this.#total;
  }

  /**
   * Adds values; a `stride` above 1 counts every stride-th only.
   *
   * @param extremes  of all values, where they are known already
   */
  add(values: Float32Array, stride = 1, extremes: Extremes = extremesOf(values)): void {
    if (!extremes.finite) {
      this.finite = false;
      return;
    }
    this.min = Math.min(this.min, extremes.min);
    this.max = Math.max(this.max, extremes.max);
    const counted = Math.ceil(values.length / stride);
    this.#total += counted;
    const magnitude = Math.max(-extremes.min, extremes.max);
    if (magnitude > 0) this.#cover(magnitude);
    if (this.#width > 0) this.#count(values, stride);
    else {
      this.counts[binCount]! += counted;
      this.zeros += counted;
    }
  }

  #cover(magnitude: number): void {
    if (this.#width === 0) this.#width = firstWidth(magnitude);
    while (magnitude >= this.#width * binCount) {
      mergePairs(this.counts);
      this.#width *= 2;
    }
  }

  /**
   * Neighbouring values often share a bin (zeros after Relu), and an increment must wait for the one before it at the
   * same address: four tables in turn take that wait away. They are added up at the end.
   */
  #count(values: Float32Array, stride: number): void {
    const tables = this.#scratch;
    const inverse = 1 / this.#width;
    const last = 2 * binCount - 1;
    let zeros = 0;
    for (let at = 0; at < values.length; at += stride) zeros += values[at] === 0 ? 1 : 0;
    this.zeros += zeros;
    let i = 0;
    for (; i + 3 * stride < values.length; i += 4 * stride) {
      const a = (values[i]! * inverse + binCount) | 0;
      const b = (values[i + stride]! * inverse + binCount) | 0;
      const c = (values[i + 2 * stride]! * inverse + binCount) | 0;
      const d = (values[i + 3 * stride]! * inverse + binCount) | 0;
      tables[a & last]!++;
      tables[(b & last) + 2 * binCount]!++;
      tables[(c & last) + 4 * binCount]!++;
      tables[(d & last) + 6 * binCount]!++;
    }
    for (; i < values.length; i += stride) tables[((values[i]! * inverse + binCount) | 0) & last]!++;
    for (let bin = 0; bin < 2 * binCount; bin++) {
      const sum = tables[bin]! + tables[bin + 2 * binCount]!;
      this.counts[bin]! += sum + tables[bin + 4 * binCount]! + tables[bin + 6 * binCount]!;
    }
    tables.fill(0);
  }

  /** Counts by distance from 0: bin i holds i · width to (i + 1) · width of both signs. */
  magnitudes(): Float64Array {
    return this.positive().map((count, bin) => count + this.counts[binCount - 1 - bin]!);
  }

  /** Counts from 0 upward. */
  positive(): Float64Array {
    return this.counts.subarray(binCount);
  }

  /** Counts from 0 downward. */
  negative(): Float64Array {
    return this.counts.slice(0, binCount).reverse();
  }
}

/** The power of two with which the first magnitude falls into the upper half. */
function firstWidth(magnitude: number): number {
  let width = 2 ** (Math.floor(Math.log2(magnitude)) + 1) / binCount;
  while (magnitude >= width * binCount) width *= 2;
  return width;
}

function mergePairs(counts: Float64Array): void {
  const merged = new Float64Array(counts.length);
  for (let bin = 0; bin < counts.length; bin++) merged[(bin >> 1) + binCount / 2]! += counts[bin]!;
  counts.set(merged);
}

/** The least number of bins beyond which no more than `allowed` counts lie. */
export function edgeAbove(counts: Float64Array, allowed: number): number {
  let beyond = 0;
  for (let bin = counts.length - 1; bin >= 0; bin--) {
    beyond += counts[bin]!;
    if (beyond > allowed) return bin + 1;
  }
  return 0;
}
