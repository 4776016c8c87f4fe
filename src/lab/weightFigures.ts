import { rowMajorStrides, type Tensor } from '../tensor/index.ts';
import { ErrorTally } from './outputError.ts';
import type { QuantizedConstant } from './qdqStructure.ts';
import type { LayerReport } from './report.ts';

/** What quantization did to the weights of one layer. `channelAxis` counts output channels. */
export function weightFigures(
  weights: Tensor,
  quantized: QuantizedConstant,
  { channelAxis, bits }: { readonly channelAxis: number; readonly bits: number },
): NonNullable<LayerReport['weights']> {
  const exact = Float32Array.from<number | bigint>(weights.data, Number);
  const tally = new ErrorTally();
  tally.addFloats(exact, dequantized(quantized));
  let [min, max] = [Infinity, -Infinity];
  for (const w of exact) {
    if (w < min) min = w;
    if (w > max) max = w;
  }
  return {
    shape: [...weights.shape],
    bits,
    scales: quantized.scales.length,
    sqnrDb: tally.figures().sqnrDb,
    min,
    max,
    channelSpread: channelSpread(exact, weights.shape, channelAxis),
  };
}

function dequantized({ data, scales, zeroPoints, axis }: QuantizedConstant): Float32Array {
  const inner = axis === undefined ? data.data.length : (rowMajorStrides(data.shape)[axis] ?? 1);
  const channels = axis === undefined ? 1 : (data.shape[axis] ?? 1);
  return Float32Array.from({ length: data.data.length }, (_, i) => {
    const channel = Math.floor(i / inner) % channels;
    return (Number(data.data[i]) - Number(zeroPoints?.[channel] ?? 0)) * (scales[channel] ?? 1);
  });
}

/** Channels this much smaller than the largest are dead: whatever scale they get, they add nothing. */
const DEAD = 2 ** -24;

/** Largest over smallest of the channels' largest magnitudes, dead channels aside. */
function channelSpread(weights: Float32Array, shape: readonly number[], axis: number): number {
  const inner = rowMajorStrides(shape)[axis] ?? 1;
  const channels = shape[axis] ?? 1;
  const largest = new Float32Array(channels);
  for (let i = 0; i < weights.length; i++) {
    const channel = Math.floor(i / inner) % channels;
    largest[channel] = Math.max(largest[channel] ?? 0, Math.abs(weights[i] ?? 0));
  }
  const top = largest.reduce((a, b) => Math.max(a, b), 0);
  const smallest = largest.reduce((low, magnitude) => (magnitude > top * DEAD ? Math.min(low, magnitude) : low), top);
  return smallest === 0 ? 1 : top / smallest;
}
