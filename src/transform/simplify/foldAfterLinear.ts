import { numberAttribute, type Graph, type Node } from '../../graph/index.ts';
import { tensor, type TensorOf } from '../../tensor/index.ts';
import { channelAffine, type ChannelAffine } from './channelAffine.ts';
import { GraphEditor } from './editor.ts';

/** Where a linear node's weights keep their output channel. */
export interface OutputChannels {
  readonly count: number;
  /** The output channel of the weight element at `index`. */
  readonly of: (index: number) => number;
}

/**
 * Folds what follows a Conv, ConvTranspose or Gemm channel by channel (BatchNormalization, Mul and Add with constants)
 * into its weights and bias:
 *
 *   W'[c] = scale[c] · W[c],  b'[c] = scale[c] · b[c] + shift[c]
 *
 * The linear node keeps its name and takes the name of the folded node's output. Nothing is folded across a value that
 * another node or the caller reads. Source: arXiv:1806.08342 §3.2 (inference form).
 */
export function foldAfterLinear(graph: Graph): Graph {
  const editor = new GraphEditor(graph);
  for (const node of editor.nodes()) {
    let linear = editor.current(node);
    while (linear) linear = foldNext(editor, linear);
  }
  return editor.finish();
}

/** Folds the one node that follows; returns the linear node as it is then, undefined where nothing could be folded. */
function foldNext(editor: GraphEditor, linear: Node): Node | undefined {
  const weight = editor.constant(linear.inputs[1]);
  const bias = editor.constant(linear.inputs[2]);
  if (weight?.dtype !== 'float32' || ((linear.inputs[2] ?? '') !== '' && bias?.dtype !== 'float32')) return undefined;
  const channels = outputChannels(linear, weight);
  if (!channels) return undefined;
  const [output = ''] = linear.outputs;
  const next = editor.soleConsumer(output);
  const affine = next && channelAffine(editor, next);
  if (!next || affine?.input !== output || affine.scale.length !== channels.count) return undefined;
  const offset =
    bias?.dtype === 'float32' ? linearBias(linear, bias, channels.count) : new Float64Array(channels.count);
  if (!offset) return undefined;
  return writeFolded(editor, linear, next, { weight, channels, affine, offset });
}

interface Folding {
  readonly weight: TensorOf<'float32'>;
  readonly channels: OutputChannels;
  readonly affine: ChannelAffine;
  readonly offset: Float64Array;
}

function writeFolded(
  editor: GraphEditor,
  linear: Node,
  next: Node,
  { weight, channels, affine, offset }: Folding,
): Node {
  const { scale, shift } = affine;
  const alpha = linear.opType === 'Gemm' ? numberAttribute(linear, 'alpha', 1) : 1;
  const folded = weight.data.map((value, index) => value * alpha * (scale[channels.of(index)] ?? 1));
  const bias = Float32Array.from(offset, (value, c) => value * (scale[c] ?? 1) + (shift[c] ?? 0));
  const weightName = editor.writeConstant(linear, linear.inputs[1] ?? '', tensor('float32', weight.shape, folded));
  const biasName = editor.writeConstant(linear, linear.inputs[2] ?? '', tensor('float32', [bias.length], bias));
  editor.remove(next);
  return editor.replace(linear, {
    ...linear,
    inputs: [linear.inputs[0] ?? '', weightName, biasName],
    outputs: next.outputs.slice(0, 1),
    attributes:
      linear.opType === 'Gemm' ? new Map([...linear.attributes, ['alpha', 1], ['beta', 1]]) : linear.attributes,
  });
}

/** Conv [M, C/g, ..], ConvTranspose [C, M/g, ..], Gemm [K, N] or transposed [N, K]. */
export function outputChannels(node: Node, { shape }: TensorOf<'float32'>): OutputChannels | undefined {
  const [first = 1, second = 1] = shape;
  const perFirst = shape.slice(1).reduce((a, b) => a * b, 1);
  if (node.domain !== '') return undefined;
  if (node.opType === 'Conv') return { count: first, of: (index) => Math.floor(index / perFirst) };
  if (node.opType === 'Gemm')
    return numberAttribute(node, 'transB', 0) === 0
      ? { count: second, of: (index) => index % second }
      : { count: first, of: (index) => Math.floor(index / second) };
  if (node.opType !== 'ConvTranspose') return undefined;
  const group = numberAttribute(node, 'group', 1);
  const taps = perFirst / second;
  const inPerGroup = first / group;
  const of = (index: number): number =>
    Math.floor(Math.floor(index / perFirst) / inPerGroup) * second + (Math.floor(index / taps) % second);
  return { count: second * group, of };
}

/** The bias as one number a channel, beta of Gemm applied; undefined where it varies along rows. */
export function linearBias(
  node: Node,
  { shape, data }: TensorOf<'float32'>,
  channels: number,
): Float64Array | undefined {
  const beta = node.opType === 'Gemm' ? numberAttribute(node, 'beta', 1) : 1;
  const row = shape.every((size, axis) => axis === shape.length - 1 || size === 1);
  if (!row || (data.length !== 1 && data.length !== channels)) return undefined;
  return Float64Array.from({ length: channels }, (_, c) => beta * (data[data.length === 1 ? 0 : c] ?? 0));
}
