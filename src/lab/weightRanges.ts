import { sparseStride } from '../quant/index.ts';
import { rowMajorStrides } from '../tensor/index.ts';
import { FIRST_OCTAVE, LISTED_CHANNELS, OCTAVES } from './layerSchema.ts';
import type { LayerReport } from './report.ts';
import { significant } from './significant.ts';

type WeightReport = NonNullable<LayerReport['weights']>;

/** Weights of one layer with the axis that counts output channels. */
export interface ChannelledWeights {
  readonly data: Float32Array;
  readonly shape: readonly number[];
  readonly axis: number;
}

/** Calls `visit` with each run of neighbours of one channel, the end not included. */
export function forEachRun(
  {
    data,
    shape,
    axis,
  }: { readonly data: { readonly length: number }; readonly shape: readonly number[]; readonly axis: number },
  visit: (channel: number, start: number, end: number) => void,
): void {
  const inner = rowMajorStrides(shape)[axis] ?? 1;
  const count = shape[axis] ?? 1;
  let channel = 0;
  for (let start = 0; start < data.length; start += inner) {
    visit(channel, start, start + inner);
    channel = channel + 1 === count ? 0 : channel + 1;
  }
}

interface ChannelBounds {
  readonly min: Float32Array;
  readonly max: Float32Array;
}

function boundsOf(weights: ChannelledWeights): ChannelBounds {
  const { data, shape, axis } = weights;
  const min = new Float32Array(shape[axis] ?? 1).fill(Infinity);
  const max = new Float32Array(shape[axis] ?? 1).fill(-Infinity);
  forEachRun(weights, (channel, start, end) => {
    let [low, high] = [min[channel] ?? 0, max[channel] ?? 0];
    for (let i = start; i < end; i++) {
      const w = data[i] ?? 0;
      if (w < low) low = w;
      if (w > high) high = w;
    }
    min[channel] = low;
    max[channel] = high;
  });
  return { min, max };
}

/** Channels this much smaller than the largest are dead: whatever scale they get, they add nothing. */
const DEAD = 2 ** -24;

/** Largest over smallest of the channels' largest magnitudes, dead channels aside. */
export function channelSpread(weights: ChannelledWeights): number {
  const magnitudes = magnitudesOf(boundsOf(weights));
  const top = magnitudes.reduce((a, b) => Math.max(a, b), 0);
  const smallest = magnitudes.reduce((low, size) => (size > top * DEAD ? Math.min(low, size) : low), top);
  return smallest === 0 ? 1 : top / smallest;
}

/**
 * Signal over noise of the channels, each measured against itself: −10 · log10(mean of Σ(w − w')² / Σw²) in dB, null
 * where nothing is lost. Batch normalization and the next layer make up for the sizes of channels, so that what happens
 * to a small one matters as much.
 *
 * @param approximate  the weights after quantization
 */
export function channelSqnrDb(weights: ChannelledWeights, approximate: Float32Array): number | null {
  const { data, shape, axis } = weights;
  const signal = new Float64Array(shape[axis] ?? 1);
  const noise = new Float64Array(shape[axis] ?? 1);
  forEachRun(weights, (channel, start, end) => {
    let [ownSignal, ownNoise] = [signal[channel] ?? 0, noise[channel] ?? 0];
    for (let i = start; i < end; i++) {
      const w = data[i] ?? 0;
      const difference = w - (approximate[i] ?? 0);
      ownSignal += w * w;
      ownNoise += difference * difference;
    }
    signal[channel] = ownSignal;
    noise[channel] = ownNoise;
  });
  const dead = signal.reduce((a, b) => Math.max(a, b), 0) * DEAD * DEAD;
  const alive = [...signal.keys()].filter((channel) => (signal[channel] ?? 0) > dead);
  const ratio = alive.reduce((sum, channel) => sum + (noise[channel] ?? 0) / (signal[channel] ?? 1), 0) / alive.length;
  return ratio > 0 ? -10 * Math.log10(ratio) : null;
}

function magnitudesOf({ min, max }: ChannelBounds): Float32Array {
  return max.map((high, channel) => Math.max(high, -(min[channel] ?? 0)));
}

/** Ranges of the channels before and after folding, the widest first; of many channels, ranks evenly apart. */
export function channelRangesOf(
  folded: ChannelledWeights,
  original: ChannelledWeights | undefined,
): NonNullable<WeightReport['channels']> {
  const bounds = boundsOf(folded);
  const magnitudes = magnitudesOf(bounds);
  const ranked = [...magnitudes.keys()].sort((a, b) => (magnitudes[b] ?? 0) - (magnitudes[a] ?? 0) || a - b);
  const listed = Math.min(ranked.length, LISTED_CHANNELS);
  const last = Math.max(1, listed - 1);
  const index = Array.from({ length: listed }, (_, i) => ranked[Math.round((i * (ranked.length - 1)) / last)] ?? 0);
  const pick = ({ min, max }: ChannelBounds): { min: number[]; max: number[] } => ({
    min: index.map((channel) => significant(min[channel] ?? 0, 3)),
    max: index.map((channel) => significant(max[channel] ?? 0, 3)),
  });
  return {
    count: ranked.length,
    index,
    folded: pick(bounds),
    ...(original === undefined ? {} : { original: pick(boundsOf(original)) }),
  };
}

/** Shares of the weights by w² / E[w²], in octaves (arXiv:1806.08342, appendix A); of many weights, a sample. */
export function powerDistribution(data: Float32Array): number[] {
  const mean = data.reduce((sum, w) => sum + w * w, 0) / Math.max(1, data.length);
  const counts = new Array<number>(OCTAVES).fill(0);
  const stride = sparseStride(data.length);
  for (let i = 0; i < data.length; i += stride) {
    const w = data[i] ?? 0;
    const octave = mean > 0 && w !== 0 ? Math.floor(Math.log2((w * w) / mean)) : -Infinity;
    const bin = Math.min(Math.max(octave - FIRST_OCTAVE, 0), OCTAVES - 1);
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  const counted = Math.max(1, Math.ceil(data.length / stride));
  return counts.map((count) => significant(count / counted, 3));
}
