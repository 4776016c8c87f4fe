import type { Tensor } from '../tensor/index.ts';
import { ErrorTally } from './outputError.ts';
import type { QuantizedConstant } from './qdqStructure.ts';
import type { LayerReport } from './report.ts';
import { significant } from './significant.ts';
import {
  channelRangesOf,
  channelSpread,
  channelSqnrDb,
  forEachRun,
  powerDistribution,
  type ChannelledWeights,
} from './weightRanges.ts';

export interface WeightFiguresOptions {
  /** Counts output channels. */
  readonly channelAxis: number;
  readonly bits: number;
  /** The same weights in the file, where they are known. */
  readonly original: Tensor | undefined;
}

/** What folding and quantization did to the weights of one layer. */
export function weightFigures(
  weights: Tensor,
  quantized: QuantizedConstant,
  { channelAxis, bits, original }: WeightFiguresOptions,
): NonNullable<LayerReport['weights']> {
  const folded: ChannelledWeights = { data: floatsOf(weights), shape: weights.shape, axis: channelAxis };
  const tally = new ErrorTally();
  const approximate = dequantized(quantized);
  tally.addFloats(folded.data, approximate);
  const before = changedFrom(original, folded);
  const spread = channelSpread(folded);
  return {
    shape: [...weights.shape],
    bits,
    scales: quantized.scales.length,
    sqnrDb: tally.figures().sqnrDb,
    channelSqnrDb: channelSqnrDb(folded, approximate),
    min: folded.data.reduce((a, b) => Math.min(a, b), Infinity),
    max: folded.data.reduce((a, b) => Math.max(a, b), -Infinity),
    channelSpread: spread,
    ...(before === undefined ? {} : { foldSpread: significant(spread / channelSpread(before)) }),
    channels: channelRangesOf(folded, before),
    power: {
      folded: powerDistribution(folded.data),
      ...(before === undefined ? {} : { original: powerDistribution(before.data) }),
    },
  };
}

function floatsOf({ data }: Tensor): Float32Array {
  return data instanceof Float32Array ? data : Float32Array.from<number | bigint>(data, Number);
}

/** The weights of the file, where folding changed them in place. */
function changedFrom(original: Tensor | undefined, folded: ChannelledWeights): ChannelledWeights | undefined {
  if (original?.dtype !== 'float32' || original.shape.join() !== folded.shape.join()) return undefined;
  if (original.data.every((w, i) => w === folded.data[i])) return undefined;
  return { ...folded, data: original.data };
}

function dequantized({ data, scales, zeroPoints, axis }: QuantizedConstant): Float32Array {
  const real = new Float32Array(data.data.length);
  // Without an axis all of it is one run of one channel.
  const { shape } = axis === undefined ? { shape: [1, real.length] } : data;
  forEachRun({ data: real, shape, axis: axis ?? 0 }, (channel, start, end) => {
    const scale = scales[channel] ?? 1;
    const zeroPoint = Number(zeroPoints?.[channel] ?? 0);
    for (let i = start; i < end; i++) real[i] = (Number(data.data[i]) - zeroPoint) * scale;
  });
  return real;
}
