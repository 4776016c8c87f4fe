import { numbersAttribute, stringAttribute } from '../graph/index.ts';
import { tensor, type Tensor } from '../tensor/index.ts';
import type { ChannelStatistics } from './batchNormStatistics.ts';
import { dataOf, forEachInputChannel, type Pair } from './convPair.ts';

/** A normal value lies above mean − 3 deviations in all but one of 740 cases. */
const DEVIATIONS = 3;

/**
 * High-bias absorption (arXiv:1906.04721 section 4.1.3): what channel i of the first layer practically never falls below
 * moves into the bias of the second,
 *
 *   c_i = max(0, mean_i − 3 deviation_i) / s_i,  b1_i − c_i,  b2 + Σ W2_(·,i) · c_i,
 *
 * for Relu(x − c) = Relu(x) − c where x ≥ c: the activation's range shrinks by what carries no information. Only where the
 * second layer pads nothing, because padding is 0 and not c.
 *
 * @returns c, for the bounds of the activation; undefined where nothing was absorbed
 */
export function absorbBias(
  constants: Map<string, Tensor>,
  { first, second, activation, channels, cap }: Pair,
  { scales, statistics }: { readonly scales: Float64Array; readonly statistics: ChannelStatistics },
): Float64Array | undefined {
  const [bias1, weights2, bias2] = [first.inputs[2], second.inputs[1], second.inputs[2]];
  const pads = numbersAttribute(second, 'pads', []).some((pad) => pad !== 0);
  const padded = pads || stringAttribute(second, 'auto_pad', 'NOTSET').startsWith('SAME');
  if (!activation || !bias1 || !weights2 || !bias2 || padded || statistics.mean.length !== channels) return undefined;
  const shift = Float64Array.from(statistics.mean, (mean, channel) => {
    const scale = scales[channel] ?? 1;
    const floor = (mean - DEVIATIONS * Math.sqrt(statistics.variance[channel] ?? 0)) / scale;
    return Math.fround(Math.min(Math.max(0, floor), cap / scale));
  });
  if (shift.every((c) => c === 0)) return undefined;
  const added = new Float64Array(dataOf(constants, bias2).length);
  const weights = constants.get(weights2);
  const perOutput = (weights?.data.length ?? 0) / added.length;
  forEachInputChannel(second, weights?.shape ?? [], (at, channel) => {
    added[Math.floor(at / perOutput)]! += Number(weights?.data[at] ?? 0) * shift[channel]!;
  });
  addTo(constants, bias1, (channel) => -shift[channel]!);
  addTo(constants, bias2, (channel) => added[channel]!);
  return shift;
}

function addTo(constants: Map<string, Tensor>, name: string, of: (channel: number) => number): void {
  const data = dataOf(constants, name).map((b, channel) => b + of(channel));
  constants.set(name, tensor('float32', [data.length], data));
}
