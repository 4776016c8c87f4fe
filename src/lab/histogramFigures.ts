import { histogramBins, type Histogram, type Range } from '../quant/index.ts';
import { HISTOGRAM_BINS } from './layerSchema.ts';
import type { LayerReport } from './report.ts';
import { significant } from './significant.ts';

type HistogramReport = NonNullable<NonNullable<LayerReport['activation']>['histogram']>;

/** A histogram in few bins for a report; undefined where nothing but zeros was counted. */
export function condense(histogram: Histogram): HistogramReport | undefined {
  const { counts, width, total, zeros, min, max } = histogram;
  const others = total - zeros;
  if (width === 0 || others === 0) return undefined;
  const first = Math.floor(min / width);
  const fine = Math.min(Math.floor(max / width), histogramBins - 1) - first + 1;
  const merged = Math.ceil(fine / HISTOGRAM_BINS);
  const shares = new Array<number>(Math.ceil(fine / merged)).fill(0);
  for (let i = 0; i < fine; i++) {
    const bin = first + i;
    // Exact zeros are told apart: a network of Relu has so many that nothing else would be seen.
    const count = (counts[bin + histogramBins] ?? 0) - (bin === 0 ? zeros : 0);
    const place = Math.floor(i / merged);
    shares[place] = (shares[place] ?? 0) + count / others;
  }
  return {
    start: significant(first * width),
    width: significant(merged * width),
    shares: shares.map((share) => significant(Math.min(share, 1), 3)),
    zeros: significant(zeros / total, 3),
  };
}

/**
 * Signal over the noise, in dB, that a quantizer of `steps` steps over `range` adds to the values of a histogram, each
 * taken at its bin's centre: clipped beyond the range, 0 within half a step of 0, else step² / 12.
 */
export function predictedSqnrDb(histogram: Histogram, range: Range, steps: number): number {
  const { counts, width, zeros } = histogram;
  const step = (range.max - range.min) / steps;
  let [signal, noise] = [0, 0];
  for (let bin = -histogramBins; bin < histogramBins; bin++) {
    const count = (counts[bin + histogramBins] ?? 0) - (bin === 0 ? zeros : 0);
    if (count === 0) continue;
    const value = (bin + 0.5) * width;
    const beyond = Math.max(value - range.max, range.min - value, 0);
    signal += count * value * value;
    noise += count * (beyond > 0 ? beyond * beyond : Math.min(value * value, (step * step) / 12));
  }
  return noise === 0 || signal === 0 ? Infinity : 10 * Math.log10(signal / noise);
}

/** Thresholds that are tried between a 32nd of the largest magnitude and all of it. */
const THRESHOLDS = 128;

/** The range, cut at one magnitude on both sides, that keeps the most signal over noise. */
export function bestRange(histogram: Histogram, steps: number): { readonly range: Range; readonly db: number } {
  const { min, max } = histogram;
  const top = Math.max(max, -min);
  let best = { range: { min, max } as Range, db: predictedSqnrDb(histogram, { min, max }, steps) };
  for (let i = THRESHOLDS / 32; i < THRESHOLDS; i++) {
    const threshold = (top * i) / THRESHOLDS;
    const range = { min: Math.max(min, -threshold), max: Math.min(max, threshold) };
    const db = predictedSqnrDb(histogram, range, steps);
    if (db > best.db) best = { range, db };
  }
  return best;
}
