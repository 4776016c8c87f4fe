import { numberAttribute, type Node } from '../../graph/index.ts';
import type { GraphEditor } from './editor.ts';

/** y[c] = scale[c] · x[c] + shift[c], in float64: what a node does to each channel (axis 1). */
export interface ChannelAffine {
  /** The value that it works on. */
  readonly input: string;
  readonly scale: Float64Array;
  readonly shift: Float64Array;
}

/**
 * Reads a node as an affine function of each channel: BatchNormalization, and Add, Sub, Mul, Div with a constant that
 * is one number or one a channel. Undefined for anything else.
 */
export function channelAffine(editor: GraphEditor, node: Node): ChannelAffine | undefined {
  if (node.domain !== '') return undefined;
  if (node.opType === 'BatchNormalization') return batchNormAffine(editor, node);
  if (node.opType === 'Add' || node.opType === 'Sub' || node.opType === 'Mul' || node.opType === 'Div')
    return elementwiseAffine(editor, node, node.opType);
  return undefined;
}

/**
 * scale = gamma / √(variance + epsilon), shift = beta − mean · scale.
 * Source: Ioffe and Szegedy, arXiv:1502.03167 algorithm 2; ONNX BatchNormalization-15, inference.
 */
function batchNormAffine(editor: GraphEditor, node: Node): ChannelAffine | undefined {
  const [gamma, beta, mean, variance] = node.inputs.slice(1).map((name) => editor.constant(name));
  if (gamma?.dtype !== 'float32' || beta?.dtype !== 'float32') return undefined;
  if (mean?.dtype !== 'float32' || variance?.dtype !== 'float32') return undefined;
  const epsilon = Math.fround(numberAttribute(node, 'epsilon', 1e-5));
  const scale = Float64Array.from(gamma.data, (value, c) => value / Math.sqrt((variance.data[c] ?? 0) + epsilon));
  const shift = Float64Array.from(beta.data, (value, c) => value - (mean.data[c] ?? 0) * (scale[c] ?? 0));
  const finite = scale.every(Number.isFinite) && shift.every(Number.isFinite);
  return finite ? { input: node.inputs[0] ?? '', scale, shift } : undefined;
}

function elementwiseAffine(editor: GraphEditor, node: Node, opType: 'Add' | 'Sub' | 'Mul' | 'Div') {
  const [left = '', right = ''] = node.inputs;
  const constantLeft = editor.constant(left) !== undefined;
  if (constantLeft && opType === 'Div') return undefined;
  const input = constantLeft ? right : left;
  const values = perChannel(editor, node, input, constantLeft ? left : right);
  if (!values) return undefined;
  const ones = values.map(() => 1);
  const zeros = values.map(() => 0);
  switch (opType) {
    case 'Add':
      return { input, scale: ones, shift: values };
    case 'Sub':
      return constantLeft
        ? { input, scale: values.map(() => -1), shift: values }
        : { input, scale: ones, shift: values.map((value) => -value) };
    case 'Mul':
      return { input, scale: values, shift: zeros };
    case 'Div':
      return values.includes(0) ? undefined : { input, scale: values.map((value) => 1 / value), shift: zeros };
  }
}

/** A constant operand as one number a channel; undefined where it varies along another axis or widens the value. */
function perChannel(editor: GraphEditor, node: Node, input: string, constantName: string): Float64Array | undefined {
  const shape = editor.type(input)?.shape;
  const constant = editor.constant(constantName);
  if (!shape || shape.length < 2 || constant?.dtype !== 'float32') return undefined;
  const channels = shape[1] ?? 0;
  if (editor.type(node.outputs[0])?.shape.length !== shape.length) return undefined;
  const offset = shape.length - constant.shape.length;
  const fits = constant.shape.every((size, axis) => size === 1 || (axis + offset === 1 && size === channels));
  const widens = constant.shape.length > shape.length || editor.type(node.outputs[0])?.shape[1] !== channels;
  if (!fits || widens) return undefined;
  return Float64Array.from({ length: channels }, (_, c) => constant.data[constant.data.length === 1 ? 0 : c] ?? 0);
}
