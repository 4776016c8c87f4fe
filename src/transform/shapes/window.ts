import type { Node } from '../../graph/index.ts';
import { numberAttribute, numbersAttribute } from '../../graph/index.ts';
import { formatShape, type Shape } from '../../tensor/index.ts';
import { dim, mismatch, unsupported } from './rule.ts';

/** The attributes of a two-dimensional window, as canonical nodes carry them. */
export interface Window {
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  /** top, left, bottom, right. */
  readonly pads: readonly [number, number, number, number];
}

/** Largest kernel side, stride, dilation or padding. */
const largest = 2 ** 20;

function list(node: Node, name: string, length: number, fallback: number, least: number): readonly number[] {
  const values = numbersAttribute(node, name, new Array<number>(length).fill(fallback));
  if (values.length !== length)
    throw mismatch(
      node,
      `${name} ${formatShape(values)} has ${values.length} entries; two spatial dimensions need ${length}`,
    );
  for (const value of values)
    if (!Number.isInteger(value) || value < least || value > largest)
      throw mismatch(node, `${name} ${formatShape(values)} must be integers from ${least} to ${largest}`);
  return values;
}

/** Reads window attributes; `kernel` is the fallback where the node has no kernel_shape. */
export function windowOf(node: Node, kernel?: Shape): Window {
  const [kernelH = 1, kernelW = 1] = node.attributes.has('kernel_shape')
    ? list(node, 'kernel_shape', 2, 1, 1)
    : (kernel ?? list(node, 'kernel_shape', 3, 1, 1));
  const [strideH = 1, strideW = 1] = list(node, 'strides', 2, 1, 1);
  const [dilationH = 1, dilationW = 1] = list(node, 'dilations', 2, 1, 1);
  const [top = 0, left = 0, bottom = 0, right = 0] = list(node, 'pads', 4, 0, 0);
  return {
    kernel: [kernelH, kernelW],
    strides: [strideH, strideW],
    dilations: [dilationH, dilationW],
    pads: [top, left, bottom, right],
  };
}

/** Refuses inputs that are not [N, C, H, W]. */
export function checkImage(node: Node, shape: Shape): void {
  if (shape.length !== 4)
    throw unsupported(
      node,
      `its input has shape ${formatShape(shape)}; only two spatial dimensions (NCHW) are supported`,
    );
}

/**
 * Output size along one spatial axis:
 *   floor or ceil((size + padBegin + padEnd − (dilation · (kernel − 1) + 1)) / stride) + 1,
 * and with ceil a window that would start in the end padding is dropped (as PyTorch and onnxruntime do).
 */
export function windowOutput(node: Node, shape: Shape, axis: 0 | 1, window: Window): number {
  const size = dim(shape, axis + 2);
  const begin = window.pads[axis];
  const end = window.pads[axis + 2] ?? 0;
  const stride = window.strides[axis];
  const extent = window.dilations[axis] * (window.kernel[axis] - 1) + 1;
  const span = size + begin + end - extent;
  if (span < 0)
    throw mismatch(
      node,
      `a window of ${extent} does not fit the padded input of ${size + begin + end} (axis ${axis + 2})`,
    );
  if (numberAttribute(node, 'ceil_mode', 0) !== 1) return Math.floor(span / stride) + 1;
  const output = Math.ceil(span / stride) + 1;
  return (output - 1) * stride >= size + begin ? output - 1 : output;
}
