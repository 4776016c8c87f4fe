import { numberAttribute, type Graph, type Node } from '../graph/index.ts';
import { tensor, type Tensor } from '../tensor/index.ts';
import { GraphBuilder } from './graphBuilder.ts';
import { firstInput, firstOutput, GraphIndex } from './graphIndex.ts';
import type { Recipe } from './recipe.ts';
import { nodeSelector } from './select.ts';

/**
 * Rewrites a simplified graph so that more of it can run in integers, without changing what it computes:
 *   BatchNormalization that no convolution could take in  ->  depthwise 1x1 Conv
 *   MatMul + Add of a constant row, on matrices           ->  Gemm
 * Calibration, correction and quantization all work on this graph. Excluded nodes stay as they are.
 */
export function prepareGraph(graph: Graph, recipe: Recipe): Graph {
  const index = new GraphIndex(graph);
  const excluded = nodeSelector(recipe.exclude);
  const builder = new GraphBuilder(graph);
  const absorbed = new Set<Node>();
  for (const node of graph.nodes) {
    if (absorbed.has(node)) continue;
    if (excluded(node)) builder.nodes.push(node);
    else if (node.opType === 'BatchNormalization' && isImage(index, node)) addDepthwise(index, builder, node);
    else if (node.opType === 'MatMul') {
      const addition = rowAddition(index, node);
      if (addition && !excluded(addition.node)) {
        builder.nodes.push(gemmOf(node, addition));
        absorbed.add(addition.node);
      } else builder.nodes.push(node);
    } else builder.nodes.push(node);
  }
  return builder.build();
}

function isImage(index: GraphIndex, node: Node): boolean {
  const constants = node.inputs.slice(1).every((name) => index.constant(name)?.dtype === 'float32');
  return constants && index.isActivation(firstInput(node)) && index.type(firstInput(node)).shape.length === 4;
}

function floats(value: Tensor | undefined): ArrayLike<number> {
  return value?.dtype === 'float32' ? value.data : [];
}

/** y = x · s + (beta − mean · s), s = gamma / sqrt(variance + epsilon). */
function addDepthwise(index: GraphIndex, builder: GraphBuilder, node: Node): void {
  const [gamma = [], beta = [], mean = [], variance = []] = node.inputs
    .slice(1)
    .map((name) => floats(index.constant(name)));
  const epsilon = numberAttribute(node, 'epsilon', 1e-5);
  const channels = gamma.length;
  const scale = Array.from(gamma, (g, c) => g / Math.sqrt((variance[c] ?? 1) + epsilon));
  const shift = scale.map((s, c) => (beta[c] ?? 0) - (mean[c] ?? 0) * s);
  const weights = builder.fresh(`${node.name}/scale`);
  const bias = builder.fresh(`${node.name}/shift`);
  builder.addConstant(weights, tensor('float32', [channels, 1, 1, 1], Float32Array.from(scale)));
  builder.addConstant(bias, tensor('float32', [channels], Float32Array.from(shift)));
  const output = firstOutput(node);
  const attributes: [string, number | number[]][] = [
    ['group', channels],
    ['kernel_shape', [1, 1]],
  ];
  const inputs = [firstInput(node), weights, bias];
  builder.addNode('Conv', { name: node.name, inputs, output, type: index.type(output), attributes });
}

interface Addition {
  readonly node: Node;
  readonly bias: string;
}

/** The Add of a constant [N] or [1, N] that alone reads a matrix product [M, K] · [K, N]. */
function rowAddition(index: GraphIndex, node: Node): Addition | undefined {
  const product = firstOutput(node);
  const [left = '', right = ''] = node.inputs;
  const weights = index.constant(right);
  if (weights?.shape.length !== 2 || !index.isActivation(left) || index.type(left).shape.length !== 2) return undefined;
  const reader = index.onlyConsumer(product);
  if (reader?.opType !== 'Add' || reader.domain !== '') return undefined;
  const bias = reader.inputs.find((name) => name !== product) ?? '';
  const constant = index.constant(bias);
  const fits = constant?.data.length === weights.shape[1] && constant?.shape.at(-1) === weights.shape[1];
  return fits && (constant?.shape.length ?? 3) <= 2 ? { node: reader, bias } : undefined;
}

function gemmOf(node: Node, addition: Addition): Node {
  const [left = '', right = ''] = node.inputs;
  return {
    ...node,
    opType: 'Gemm',
    inputs: [left, right, addition.bias],
    outputs: addition.node.outputs,
    attributes: new Map(),
  };
}
