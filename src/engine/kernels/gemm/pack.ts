import type { QuantizedWeights } from '../../../graph/index.ts';
import { neverSaturates, type DotStrategy } from '../../dot.ts';
import { CHANNEL_BLOCK } from '../../plan/layout.ts';
import type { Pixels, Run } from './window.ts';

/** The weight of output channel m for input channel c at (ky, kx); undefined where there is none (another group). */
export type WeightAt = (m: number, c: number, ky: number, kx: number) => number | undefined;

/**
 * A grouped product falls into slices, each of whole groups and whole panels: slice s reads `channels` from channel
 * s · channels on and makes outputs of its own.
 */
export interface Slicing {
  readonly slices: number;
}

export interface PackedWeights {
  /** [slices · panels][depth / group][16 channels][group], of `weightBytes` each. */
  readonly panels: Uint8Array;
  /** [slices · panels · 16] int32: bias − zx · Σ (w − zw), so that the kernel sums stored bytes. */
  readonly bias: Int32Array;
  /** [slices · panels · 16] float32. */
  readonly multipliers: Float32Array;
}

/**
 * Bytes of a stored weight. Those of one byte are widened where the dot product takes two; asymmetric ones reach ±255 with
 * their zero point subtracted, and are stored wide.
 */
export function weightBytesOf({ data, zeroPoints }: QuantizedWeights, dot: DotStrategy): 1 | 2 {
  if (dot.operandBytes === 1 || zeroPoints.every((zero) => zero === 0)) return 1;
  const [least, most] = data.reduce(([low, high], w) => [Math.min(low, w), Math.max(high, w)], [0, 0]);
  return zeroPoints.every((zero) => least - zero >= -128 && most - zero <= 127) ? 1 : 2;
}

/** Where the weights of a product lie along K. */
export type Lines = Pixels & Slicing & { readonly runs: readonly Run[] };

/** Fills `line` with w − zw of output channel m, along K; 0 where there is no weight. */
function fillLine(line: Int16Array, m: number, weights: QuantizedWeights, weightAt: WeightAt, shape: Lines): void {
  const zero = weights.zeroPoints[m]!;
  const firstChannel = Math.floor((m * shape.slices) / weights.bias.length) * shape.channels;
  let k = 0;
  for (const run of shape.runs) {
    for (let byte = 0; byte < run.bytes; byte++, k++) {
      const c = byte % run.pixelBytes;
      const column = Math.floor(byte / run.pixelBytes);
      const inside = c < shape.channels && column < run.columns;
      const stored = inside ? weightAt(m, firstChannel + c, run.ky, run.kx + column) : undefined;
      line[k] = stored === undefined ? 0 : stored - zero;
    }
  }
}

const depthOf = ({ runs }: Lines): number => runs.reduce((sum, run) => sum + run.bytes, 0);

/** The fastest dot product that is exact for these weights. */
export function dotFor(weights: QuantizedWeights, weightAt: WeightAt, shape: Lines, dot: DotStrategy): DotStrategy {
  if (!dot.forSmallWeights) return dot;
  const line = new Int16Array(depthOf(shape));
  for (let m = 0; m < weights.bias.length; m++) {
    fillLine(line, m, weights, weightAt, shape);
    if (!neverSaturates(line)) return dot;
  }
  return dot.forSmallWeights;
}

/**
 * Weights in the order in which the microkernel reads them.
 *
 * @param inputZeroPoint of the bytes as they are packed (moved by −128 where the strategy flips the sign)
 */
export function packWeights(
  weights: QuantizedWeights,
  weightAt: WeightAt,
  shape: Lines & { readonly panels: number; readonly weightBytes: 1 | 2 },
  inputZeroPoint: number,
  dot: DotStrategy,
): PackedWeights {
  const line = new Int16Array(depthOf(shape));
  const panels = shape.panels * shape.slices;
  const count = panels * CHANNEL_BLOCK * line.length;
  const elements = shape.weightBytes === 2 ? new Int16Array(count) : new Int8Array(count);
  const bias = new Int32Array(panels * CHANNEL_BLOCK);
  const multipliers = new Float32Array(panels * CHANNEL_BLOCK);
  const panelSize = line.length * CHANNEL_BLOCK;
  for (let m = 0; m < weights.bias.length; m++) {
    const start = Math.floor(m / CHANNEL_BLOCK) * panelSize + (m % CHANNEL_BLOCK) * dot.group;
    fillLine(line, m, weights, weightAt, shape);
    let sum = 0;
    for (let k = 0; k < line.length; k++) {
      sum += line[k]!;
      elements[start + Math.floor(k / dot.group) * CHANNEL_BLOCK * dot.group + (k % dot.group)] = line[k]!;
    }
    bias[m] = weights.bias[m]! - inputZeroPoint * sum;
    multipliers[m] = weights.multipliers[m]!;
  }
  return { panels: new Uint8Array(elements.buffer), bias, multipliers };
}
