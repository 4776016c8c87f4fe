import { numberAttribute, numbersAttribute, stringAttribute, type Node } from '../../graph/index.ts';
import type { Shape } from '../../tensor/index.ts';

export type Pair = readonly [number, number];
/** top, left, bottom, right. */
export type Pads = readonly [number, number, number, number];

/** The window of a two-dimensional convolution or pooling. */
export interface Window {
  readonly kernel: Pair;
  readonly strides: Pair;
  readonly dilations: Pair;
  readonly pads: Pads;
  /** How far ceil mode reaches beyond the stated pads: bottom, right. */
  readonly overhang: Pair;
}

function pair(values: readonly number[]): Pair {
  return [values[0] ?? 1, values[1] ?? values[0] ?? 1];
}

/** Pads as auto_pad resolves them: SAME spreads what the output size needs, VALID is none. */
function autoPads(mode: string, needed: Pair): Pads {
  const [h, w] = [Math.max(0, needed[0]), Math.max(0, needed[1])];
  const [halfH, halfW] = [Math.floor(h / 2), Math.floor(w / 2)];
  return mode === 'SAME_LOWER' ? [h - halfH, w - halfW, halfH, halfW] : [halfH, halfW, h - halfH, w - halfW];
}

/**
 * The window of a Conv or pooling node on a [1, C, H, W] input. Pads reach as far as the output's shape needs, so the
 * output size is floor((in + pads − extent) / stride) + 1 also where the node says ceil.
 */
export function windowOf(node: Node, kernel: Pair, input: Shape, output: Shape): Window {
  const strides = pair(numbersAttribute(node, 'strides', [1, 1]));
  const dilations = pair(numbersAttribute(node, 'dilations', [1, 1]));
  const [inH, inW, outH, outW] = [input[2] ?? 1, input[3] ?? 1, output[2] ?? 1, output[3] ?? 1];
  const reach = (out: number, axis: 0 | 1): number =>
    (out - 1) * strides[axis] + (kernel[axis] - 1) * dilations[axis] + 1;
  const mode = stringAttribute(node, 'auto_pad', 'NOTSET');
  const stated = numbersAttribute(node, 'pads', [0, 0, 0, 0]);
  const [top, left, bottom, right] =
    mode === 'NOTSET'
      ? ([stated[0] ?? 0, stated[1] ?? 0, stated[2] ?? 0, stated[3] ?? 0] as const)
      : mode === 'VALID'
        ? ([0, 0, 0, 0] as const)
        : autoPads(mode, [reach(outH, 0) - inH, reach(outW, 1) - inW]);
  const overhang: Pair = [
    Math.max(0, reach(outH, 0) - inH - top - bottom),
    Math.max(0, reach(outW, 1) - inW - left - right),
  ];
  return { kernel, strides, dilations, pads: [top, left, bottom + overhang[0], right + overhang[1]], overhang };
}

/**
 * The window of a ConvTranspose node: output element = input · stride − pad + tap · dilation. End pads are those that
 * the output's shape implies; they are negative where output_padding exceeds them.
 */
export function transposedWindowOf(node: Node, kernel: Pair, input: Shape, output: Shape): Window {
  const strides = pair(numbersAttribute(node, 'strides', [1, 1]));
  const dilations = pair(numbersAttribute(node, 'dilations', [1, 1]));
  const full = (axis: 0 | 1): number =>
    ((input[axis + 2] ?? 1) - 1) * strides[axis] + (kernel[axis] - 1) * dilations[axis] + 1;
  const missing: Pair = [full(0) - (output[2] ?? 1), full(1) - (output[3] ?? 1)];
  const mode = stringAttribute(node, 'auto_pad', 'NOTSET');
  const outputShape = numbersAttribute(node, 'output_shape', []);
  const stated = numbersAttribute(node, 'pads', [0, 0, 0, 0]);
  const spread = (total: number): number =>
    mode === 'SAME_UPPER' ? Math.floor(total / 2) : total - Math.floor(total / 2);
  const begins: Pair =
    mode === 'SAME_UPPER' || mode === 'SAME_LOWER' || outputShape.length > 0
      ? [spread(beforeOutputPadding(node, missing, 0)), spread(beforeOutputPadding(node, missing, 1))]
      : mode === 'VALID'
        ? [0, 0]
        : [stated[0] ?? 0, stated[1] ?? 0];
  const pads: Pads = [begins[0], begins[1], missing[0] - begins[0], missing[1] - begins[1]];
  return { kernel, strides, dilations, pads, overhang: [0, 0] };
}

/** total_padding of the operator's definition: output_padding is added at the end, not spread. */
function beforeOutputPadding(node: Node, missing: Pair, axis: 0 | 1): number {
  const outputPadding = numbersAttribute(node, 'output_padding', [0, 0]);
  return missing[axis] + (outputPadding[axis] ?? 0);
}

export function groupOf(node: Node): number {
  return numberAttribute(node, 'group', 1);
}
