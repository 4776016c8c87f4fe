import type { Range } from '../quantizer.ts';
import type { Extremes } from './extremes.ts';
import { binCount, edgeAbove, Histogram } from './histogram.ts';
import { unusableRange, type Observer } from './observer.ts';

/** The least threshold tried, in bins. */
const firstCandidate = 128;
/** Q's probability where it has none but P has, times the total count. */
const epsilonCount = 1e-4;

/**
 * The number of bins i in 128..2048 that minimizes KL(P ‖ Q): P is the first i bins with all mass beyond added to bin
 * i − 1; Q is those bins without that mass, merged into `levels` (bin j into level floor(j · levels / i)) and spread
 * back evenly over the bins that were not empty; both normalized. Where P > 0 and Q = 0, Q counts as 1e-4 / total.
 *
 * KL = Σ P log P − Σ P log Q; the first sum has prefix sums, and Q is constant within a level, so a candidate costs
 * `levels` steps instead of i.
 *
 * Source: S. Migacz, 8-bit inference with TensorRT, GTC 2017.
 *
 * @param counts  histogram of |x|, `binCount` bins
 */
export function entropyThresholdBins(counts: Float64Array, levels: number): number {
  const mass = prefixSums(counts, (count) => count);
  const filled = prefixSums(counts, (count) => (count > 0 ? 1 : 0));
  const logMass = prefixSums(counts, (count) => (count > 0 ? count * Math.log(count) : 0));
  const total = mass[binCount]!;
  let best = binCount;
  let least = Infinity;
  for (let bins = firstCandidate; bins <= binCount; bins++) {
    const divergence = divergenceOf(bins, { counts, mass, filled, logMass, total, levels });
    if (divergence < least) [least, best] = [divergence, bins];
  }
  return best;
}

interface Sums {
  readonly counts: Float64Array;
  readonly mass: Float64Array;
  readonly filled: Float64Array;
  readonly logMass: Float64Array;
  readonly total: number;
  readonly levels: number;
}

function divergenceOf(bins: number, { counts, mass, filled, logMass, total, levels }: Sums): number {
  const kept = mass[bins]!;
  const last = counts[bins - 1]!;
  const lastWithOutliers = last + total - kept;
  let sum = logMass[bins - 1]! + (lastWithOutliers > 0 ? lastWithOutliers * Math.log(lastWithOutliers) : 0);
  sum -= total * Math.log(total);
  let level = 0;
  for (let start = 0; start < bins; level++) {
    // The first bin of the next level: the least j with floor(j · levels / bins) > level.
    const end = levels >= bins ? start + 1 : Math.min(Math.ceil(((level + 1) * bins) / levels), bins);
    const inLevel = mass[end]! - mass[start]!;
    if (inLevel > 0) {
      const q = inLevel / (filled[end]! - filled[start]!) / kept;
      const p = end === bins && last > 0 ? inLevel - last + lastWithOutliers : inLevel;
      sum -= p * Math.log(q);
    }
    start = end;
  }
  if (last === 0 && lastWithOutliers > 0) sum -= lastWithOutliers * Math.log(epsilonCount / total);
  return sum / total;
}

function prefixSums(counts: Float64Array, of: (count: number) => number): Float64Array {
  const sums = new Float64Array(counts.length + 1);
  for (let i = 0; i < counts.length; i++) sums[i + 1] = sums[i]! + of(counts[i]!);
  return sums;
}

/** Share of the values other than 0 that clipping may cost. */
const clippedShare = 0.01;

/**
 * Range by least divergence of the clipped and quantized distribution from the true one, with two guards. Exact zeros
 * do not count: every quantizer represents them, but as a spike of half of all values (Relu) they would make any
 * merging of bins look worse than any clipping. And at most 1 % of the others is clipped: a spike elsewhere (an even
 * background) has the same effect.
 */
export class EntropyObserver implements Observer {
  readonly needs = 'values';
  readonly histogram = new Histogram();
  readonly #bits: number;
  readonly #stride: (length: number) => number;

  constructor(bits: number, stride: (length: number) => number = () => 1) {
    this.#bits = bits;
    this.#stride = stride;
  }

  observe(values: Float32Array, extremes?: Extremes): void {
    this.histogram.add(values, this.#stride(values.length), extremes);
  }

  range(): Range {
    const { histogram } = this;
    if (!histogram.finite) return unusableRange;
    const oneSided = histogram.min >= 0 || histogram.max <= 0;
    const levels = oneSided ? 2 ** this.#bits - 1 : 2 ** (this.#bits - 1) - 1;
    if (histogram.width === 0) return { min: 0, max: 0 };
    const counts = histogram.magnitudes();
    counts[0]! -= histogram.zeros;
    const bins = Math.max(
      entropyThresholdBins(counts, levels),
      edgeAbove(counts, clippedShare * (histogram.total - histogram.zeros)),
    );
    return clipped(histogram, bins * histogram.width);
  }
}

/** [max(min, −T), min(max, T)]. */
export function clipped({ min, max }: Range, threshold: number): Range {
  return { min: Math.max(min, -threshold), max: Math.min(max, threshold) };
}
