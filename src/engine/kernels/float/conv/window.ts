import { numbersAttribute, stringAttribute, type Node } from '../../../../graph/index.ts';
import type { FloatImage } from '../image.ts';

/** A window moving over an image, as the node's attributes have it. */
export interface FloatWindow {
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  /** top, left, bottom, right; the last two as far as the last window reaches. */
  readonly pads: readonly [number, number, number, number];
}

const pair = (values: readonly number[]): [number, number] => [values[0] ?? 1, values[1] ?? 1];

/** Undefined where the pads are left to auto_pad: the import resolves it. */
export function floatWindow(
  node: Node,
  kernel: readonly [number, number],
  sizes: { readonly input: FloatImage; readonly output: FloatImage },
): FloatWindow | undefined {
  if (stringAttribute(node, 'auto_pad', 'NOTSET') !== 'NOTSET') return undefined;
  const strides = pair(numbersAttribute(node, 'strides', [1, 1]));
  const dilations = pair(numbersAttribute(node, 'dilations', [1, 1]));
  const [top = 0, left = 0] = numbersAttribute(node, 'pads', [0, 0, 0, 0]);
  const reach = (d: 0 | 1, input: number, output: number, before: number): number =>
    (output - 1) * strides[d] + (kernel[d] - 1) * dilations[d] + 1 - before - input;
  const bottom = reach(0, sizes.input.height, sizes.output.height, top);
  const right = reach(1, sizes.input.width, sizes.output.width, left);
  return { kernel, strides, dilations, pads: [top, left, Math.max(0, bottom), Math.max(0, right)] };
}
