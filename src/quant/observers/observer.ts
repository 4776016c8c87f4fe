import type { Range } from '../quantizer.ts';
import type { Extremes } from './extremes.ts';

/** Collects statistics of one tensor over many samples in fixed memory, and proposes the range to quantize. */
export interface Observer {
  /** Whether the extremes of each sample are all it looks at: a runtime can compute those by itself. */
  readonly needs: 'extremes' | 'values';
  /**
   * One sample. `extremes` are computed where the caller does not know them; where they are all it `needs`, `values`
   * may be empty.
   */
  observe(values: Float32Array, extremes?: Extremes): void;
  /** Holds 0. Not finite once a value was not. */
  range(): Range;
}

export const unusableRange: Range = { min: NaN, max: NaN };

/** Values of a sample that a histogram counts at most: the others add no knowledge and take most of the time. */
export const countedPerSample = 2 ** 15;

/**
 * The step that leaves at most `countedPerSample` of `length` values. It is prime to the length, hence to every
 * dimension: a stride of the width would look at a few columns only.
 */
export function sparseStride(length: number): number {
  let stride = Math.ceil(length / countedPerSample);
  while (commonDivisor(stride, length) > 1) stride++;
  return stride;
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}
