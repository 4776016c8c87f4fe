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

interface ChannelBounds {
  readonly min: Float32Array;
  readonly max: Float32Array;
}

function boundsOf({ data, shape, axis }: ChannelledWeights): ChannelBounds {
  const inner = rowMajorStrides(shape)[axis] ?? 1;
  const count = shape[axis] ?? 1;
  const min = new Float32Array(count).fill(Infinity);
  const max = new Float32Array(count).fill(-Infinity);
  for (let i = 0; i < data.length; i++) {
    const channel = Math.floor(i / inner) % count;
    min[channel] = Math.min(min[channel] ?? 0, data[i] ?? 0);
    max[channel] = Math.max(max[channel] ?? 0, data[i] ?? 0);
  }
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
export function channelSqnrDb({ data, shape, axis }: ChannelledWeights, approximate: Float32Array): number | null {
  const inner = rowMajorStrides(shape)[axis] ?? 1;
  const count = shape[axis] ?? 1;
  const signal = new Float64Array(count);
  const noise = new Float64Array(count);
  for (let i = 0; i < data.length; i++) {
    const channel = Math.floor(i / inner) % count;
    const w = data[i] ?? 0;
    const difference = w - (approximate[i] ?? 0);
    signal[channel] = (signal[channel] ?? 0) + w * w;
    noise[channel] = (noise[channel] ?? 0) + difference * difference;
  }
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

/** Shares of the weights by w² / E[w²], in octaves (arXiv:1806.08342, appendix A). */
export function powerDistribution(data: Float32Array): number[] {
  const mean = data.reduce((sum, w) => sum + w * w, 0) / Math.max(1, data.length);
  const counts = new Array<number>(OCTAVES).fill(0);
  for (const w of data) {
    const octave = mean > 0 && w !== 0 ? Math.floor(Math.log2((w * w) / mean)) : -Infinity;
    const bin = Math.min(Math.max(octave - FIRST_OCTAVE, 0), OCTAVES - 1);
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  return counts.map((count) => significant(count / Math.max(1, data.length), 3));
}
