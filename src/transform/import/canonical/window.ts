import { numberAttribute, numbersAttribute, stringAttribute, type Node } from '../../../graph/index.ts';
import type { Shape } from '../../../tensor/index.ts';
import { checkImage, dim, invalid, need, unsupported, windowOf } from '../../shapes/index.ts';
import { hasOutput, onlyAttributes, type Canonicalizer, type Context } from './context.ts';

type Pads = readonly [number, number, number, number];

function imageOf(node: Node, context: Context): Shape {
  const { shape } = need(node, context.known(node, 0), 0);
  checkImage(node, shape);
  return shape;
}

function autoPad(node: Node): 'NOTSET' | 'VALID' | 'SAME_UPPER' | 'SAME_LOWER' {
  const mode = stringAttribute(node, 'auto_pad', 'NOTSET');
  if (mode === 'NOTSET' || mode === 'VALID' || mode === 'SAME_UPPER' || mode === 'SAME_LOWER') return mode;
  throw invalid(node, `auto_pad '${mode}' is not one of NOTSET, VALID, SAME_UPPER, SAME_LOWER`);
}

/** Splits a total padding: the odd one goes to the end with SAME_UPPER, to the beginning with SAME_LOWER. */
function halves(total: number, lower: boolean): readonly [begin: number, end: number] {
  const less = Math.floor(total / 2);
  return lower ? [total - less, less] : [less, total - less];
}

/** Explicit pads: with SAME, the output is ceil(size / stride) and pads fill what the windows need. */
function resolvePads(node: Node, shape: Shape, kernel: Shape | undefined): Pads {
  const mode = autoPad(node);
  const window = windowOf(node, kernel);
  if (mode === 'NOTSET') return window.pads;
  if (mode === 'VALID') return [0, 0, 0, 0];
  const [rows, columns] = ([0, 1] as const).map((axis) => {
    const size = dim(shape, axis + 2);
    const extent = window.dilations[axis] * (window.kernel[axis] - 1) + 1;
    const total = Math.max(0, (Math.ceil(size / window.strides[axis]) - 1) * window.strides[axis] + extent - size);
    return halves(total, mode === 'SAME_LOWER');
  });
  return [rows?.[0] ?? 0, columns?.[0] ?? 0, rows?.[1] ?? 0, columns?.[1] ?? 0];
}

function weightKernel(node: Node, index: number, context: Context): Shape {
  const { shape } = need(node, context.known(node, 0), index);
  if (shape.length !== 4) throw unsupported(node, `its weights have ${shape.length} dimensions; four are supported`);
  return shape.slice(2);
}

/** Conv and QLinearConv: all attributes written out, auto_pad resolved. */
const convWith =
  (weightIndex: number): Canonicalizer =>
  (node, context) => {
    const shape = imageOf(node, context);
    const kernel = weightKernel(node, weightIndex, context);
    const { strides, dilations } = windowOf(node, kernel);
    const pads = resolvePads(node, shape, kernel);
    return onlyAttributes(node, {
      kernel_shape: kernel,
      strides,
      dilations,
      pads,
      group: numberAttribute(node, 'group', 1),
    });
  };

export const conv = convWith(1);
export const qLinearConv = convWith(3);

/** ConvTranspose: output_shape and auto_pad become pads, and output_padding where pads would be negative. */
export const convTranspose: Canonicalizer = (node, context) => {
  const shape = imageOf(node, context);
  const kernel = weightKernel(node, 1, context);
  const { strides, dilations, pads } = windowOf(node, kernel);
  const given = [...numbersAttribute(node, 'output_padding', [0, 0])];
  const mode = autoPad(node);
  const target = numbersAttribute(node, 'output_shape', []).slice(-2);
  const attributes = { kernel_shape: kernel, strides, dilations, group: numberAttribute(node, 'group', 1) };
  const sameSize = mode === 'SAME_UPPER' || mode === 'SAME_LOWER';
  if (target.length === 0 && !sameSize)
    return onlyAttributes(node, { ...attributes, pads: mode === 'VALID' ? [0, 0, 0, 0] : pads, output_padding: given });
  const resolved = [0, 0, 0, 0];
  const outputPadding = [0, 0];
  for (const axis of [0, 1] as const) {
    const size = dim(shape, axis + 2);
    const full = strides[axis] * (size - 1) + (given[axis] ?? 0) + dilations[axis] * (dim(kernel, axis) - 1) + 1;
    const total = full - (target[axis] ?? size * strides[axis]);
    // onnxruntime and the ONNX text agree on the halves: the odd one goes to the end only with SAME_UPPER.
    const [begin, end] = halves(Math.max(0, total), mode !== 'SAME_UPPER');
    resolved[axis] = begin;
    resolved[axis + 2] = end;
    outputPadding[axis] = (given[axis] ?? 0) + Math.max(0, -total);
  }
  return onlyAttributes(node, { ...attributes, pads: resolved, output_padding: outputPadding });
};

export const maxPool: Canonicalizer = (node, context) => {
  const shape = imageOf(node, context);
  if (hasOutput(node, 1)) throw unsupported(node, 'its second output (indices) is not supported');
  if (numberAttribute(node, 'storage_order', 0) !== 0) throw unsupported(node, 'storage_order 1 is not supported');
  return { ...pool(node, shape, {}), outputs: node.outputs.slice(0, 1) };
};

export const averagePool: Canonicalizer = (node, context) => {
  const shape = imageOf(node, context);
  if (windowOf(node).dilations.some((dilation) => dilation !== 1))
    throw unsupported(node, 'dilated average pooling is not supported');
  return pool(node, shape, { count_include_pad: numberAttribute(node, 'count_include_pad', 0) });
};

function pool(node: Node, shape: Shape, extra: Readonly<Record<string, number>>): Node {
  const { kernel, strides, dilations } = windowOf(node);
  const pads = resolvePads(node, shape, undefined);
  const automatic = autoPad(node) !== 'NOTSET';
  const ceilMode = automatic ? 0 : numberAttribute(node, 'ceil_mode', 0);
  const common = { kernel_shape: kernel, strides, pads, ceil_mode: ceilMode };
  return onlyAttributes(node, node.opType === 'MaxPool' ? { ...common, dilations, ...extra } : { ...common, ...extra });
}
