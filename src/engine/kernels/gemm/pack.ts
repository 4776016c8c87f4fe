import type { QuantizedWeights } from '../../../graph/index.ts';
import { neverSaturates, pairs, type DotStrategy } from '../../dot.ts';
import { CHANNEL_BLOCK } from '../../plan/layout.ts';
import { orderPanels, type PanelOrder } from './orderPanels.ts';
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
  readonly dot: DotStrategy;
  /** Bytes of a stored weight. */
  readonly weightBytes: 1 | 2;
  /** [slices · panels][depth / group][16 channels][group], of `weightBytes` each; or as `order` says. */
  readonly panels: Uint8Array;
  readonly order: PanelOrder | undefined;
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

/** Where the weights of a product lie along K, and for how many panels of a slice. */
export type Lines = Pixels & Slicing & { readonly runs: readonly Run[]; readonly panels: number };

/** The weights of a product, the lines along K in which they meet the input's bytes, and its zero point. */
export interface Weighing {
  readonly weights: QuantizedWeights;
  readonly weightAt: WeightAt;
  readonly lines: Lines;
  readonly zeroPoint: number;
  /** That each weight meets. */
  readonly pixels: number;
}

/** Fills `line` with w − zw of output channel m, along K; 0 where there is no weight. */
function fillLine(line: Int16Array, m: number, weights: QuantizedWeights, weightAt: WeightAt, shape: Lines): void {
  const zero = weights.zeroPoints[m]!;
  const firstChannel = Math.floor((m * shape.slices) / weights.bias.length) * shape.channels;
  line.fill(0);
  let first = 0;
  for (const { bytes, pixelBytes, columns, ky, kx } of shape.runs) {
    for (let column = 0; column < columns; column++) {
      const start = first + column * pixelBytes;
      const channels = Math.min(shape.channels, pixelBytes, first + bytes - start);
      for (let c = 0; c < channels; c++) {
        const stored = weightAt(m, firstChannel + c, ky, kx + column);
        if (stored !== undefined) line[start + c] = stored - zero;
      }
    }
    first += bytes;
  }
}

const depthOf = ({ runs }: Lines): number => runs.reduce((sum, run) => sum + run.bytes, 0);

/** A product of ordered bytes is faster than one of int16 from so many pixels, and up to so many words for each word of K. */
const LEAST_PIXELS = 4;
const MOST_WORDS = 1.25;

/** Weights for the fastest dot product that is exact for them, in the order in which its microkernel reads them. */
export function packWeights(weighing: Weighing, dot: DotStrategy): PackedWeights {
  const { weights, lines } = weighing;
  if (dot.plainWeights && weights.zeroPoints.some((zero) => zero !== 0)) return packFor(weighing, pairs);
  const { forSmallWeights: bytes } = dot;
  if (!bytes || weightBytesOf(weights, dot) === 2) return packFor(weighing, dot);
  const packed = packFor(weighing, bytes);
  const stored = new Int8Array(packed.panels.buffer);
  if (neverSaturates(stored)) return packed;
  const ordered = weighing.pixels < LEAST_PIXELS ? undefined : orderPanels(stored, depthOf(lines), MOST_WORDS);
  return ordered ? { ...packed, ...ordered } : packFor(weighing, dot);
}

function packFor({ weights, weightAt, lines, zeroPoint }: Weighing, dot: DotStrategy): PackedWeights {
  const line = new Int16Array(depthOf(lines));
  const panels = lines.panels * lines.slices;
  const weightBytes = weightBytesOf(weights, dot);
  const packedZero = zeroPoint - (dot.flipsSign ? 128 : 0);
  const count = panels * CHANNEL_BLOCK * line.length;
  const elements = weightBytes === 2 ? new Int16Array(count) : new Int8Array(count);
  const bias = new Int32Array(panels * CHANNEL_BLOCK);
  const multipliers = new Float32Array(panels * CHANNEL_BLOCK);
  const panelSize = line.length * CHANNEL_BLOCK;
  for (let m = 0; m < weights.bias.length; m++) {
    fillLine(line, m, weights, weightAt, lines);
    let sum = 0;
    let at = Math.floor(m / CHANNEL_BLOCK) * panelSize + (m % CHANNEL_BLOCK) * dot.group;
    for (let first = 0; first < line.length; first += dot.group, at += CHANNEL_BLOCK * dot.group)
      for (let k = 0; k < dot.group; k++) {
        const weight = line[first + k]!;
        elements[at + k] = weight;
        sum += weight;
      }
    bias[m] = weights.bias[m]! - packedZero * sum;
    multipliers[m] = weights.multipliers[m]!;
  }
  return { dot, weightBytes, panels: new Uint8Array(elements.buffer), order: undefined, bias, multipliers };
}
