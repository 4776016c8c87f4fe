import type { Graph, Node } from '../../graph/index.ts';
import { tensor } from '../../tensor/index.ts';
import { channelAffine } from './channelAffine.ts';
import { GraphEditor } from './editor.ts';

/**
 * A BatchNormalization that no convolution could take becomes a depthwise 1 x 1 Conv of the same name on images: one
 * multiply-add a pixel, and its one weight a channel is exact in int8. On other ranks it stays.
 */
export function batchNormToConv(graph: Graph): Graph {
  const editor = new GraphEditor(graph);
  for (const node of editor.nodes()) {
    if (node.opType !== 'BatchNormalization' || editor.type(node.inputs[0])?.shape.length !== 4) continue;
    const affine = channelAffine(editor, node);
    if (affine) editor.replace(node, depthwise(editor, node, affine.scale, affine.shift));
  }
  return editor.finish();
}

function depthwise(editor: GraphEditor, node: Node, scale: Float64Array, shift: Float64Array): Node {
  const channels = scale.length;
  const [input = '', gamma = '', beta = ''] = node.inputs;
  const weight = tensor('float32', [channels, 1, 1, 1], Float32Array.from(scale));
  const bias = tensor('float32', [channels], Float32Array.from(shift));
  return {
    ...node,
    opType: 'Conv',
    inputs: [input, editor.writeConstant(node, gamma, weight), editor.writeConstant(node, beta, bias)],
    attributes: new Map<string, number | readonly number[]>([
      ['kernel_shape', [1, 1]],
      ['strides', [1, 1]],
      ['dilations', [1, 1]],
      ['pads', [0, 0, 0, 0]],
      ['group', channels],
    ]),
  };
}
