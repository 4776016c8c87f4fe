import { numberAttribute, numbersAttribute, type Graph, type Node } from '../../graph/index.ts';
import { tensor, type TensorOf } from '../../tensor/index.ts';
import { channelAffine, type ChannelAffine } from './channelAffine.ts';
import { GraphEditor } from './editor.ts';

/**
 * Folds a BatchNormalization (or Mul, Add with constants a channel) that feeds a Conv into the Conv:
 *
 *   W'[m, c] = W[m, c] · scale[c],  b'[m] = b[m] + Σ W[m, c, ky, kx] · shift[c]
 *
 * With padding this is exact only where no channel is shifted, for the padding is 0 after the normalization.
 */
export function foldBeforeConv(graph: Graph): Graph {
  const editor = new GraphEditor(graph);
  for (const node of editor.nodes()) {
    let conv = editor.current(node);
    while (conv?.opType === 'Conv' && conv.domain === '') conv = foldPrevious(editor, conv);
  }
  return editor.finish();
}

function foldPrevious(editor: GraphEditor, conv: Node): Node | undefined {
  const [input = '', weightName = '', biasName = ''] = conv.inputs;
  const weight = editor.constant(weightName);
  const bias = editor.constant(biasName);
  if (weight?.dtype !== 'float32' || (biasName !== '' && bias?.dtype !== 'float32')) return undefined;
  const previous = editor.producer(input);
  if (!previous || editor.soleConsumer(input)?.name !== conv.name) return undefined;
  const affine = channelAffine(editor, previous);
  if (!affine) return undefined;
  const padded = numbersAttribute(conv, 'pads', [0, 0, 0, 0]).some((by) => by !== 0);
  if (padded && affine.shift.some((value) => value !== 0)) return undefined;
  const given = bias?.dtype === 'float32' ? bias.data : undefined;
  const folded = foldWeights(conv, weight, affine, given);
  const inputs = [
    affine.input,
    editor.writeConstant(conv, weightName, folded.weight),
    editor.writeConstant(conv, biasName, folded.bias),
  ];
  editor.remove(previous);
  return editor.replace(conv, { ...conv, inputs });
}

function foldWeights(
  conv: Node,
  { shape, data }: TensorOf<'float32'>,
  { scale, shift }: ChannelAffine,
  bias: Float32Array | undefined,
): { weight: TensorOf<'float32'>; bias: TensorOf<'float32'> } {
  const [outChannels = 1, perGroup = 1] = shape;
  const taps = shape.slice(2).reduce((a, b) => a * b, 1);
  const outPerGroup = outChannels / numberAttribute(conv, 'group', 1);
  const sums = Float64Array.from({ length: outChannels }, (_, m) => bias?.[m] ?? 0);
  const weight = data.map((value, index) => {
    const m = Math.floor(index / (perGroup * taps));
    const c = Math.floor(m / outPerGroup) * perGroup + (Math.floor(index / taps) % perGroup);
    sums[m] = (sums[m] ?? 0) + value * (shift[c] ?? 0);
    return value * (scale[c] ?? 1);
  });
  return { weight: tensor('float32', shape, weight), bias: tensor('float32', [outChannels], Float32Array.from(sums)) };
}
