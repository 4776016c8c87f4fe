import { AppError } from '../base/index.ts';
import { numbersAttribute, type Graph, type Node } from '../graph/index.ts';
import { elementCount, type Shape } from '../tensor/index.ts';

/** A value's shape for one sample. */
function sampleShape(graph: Graph, name: string): Shape {
  return (graph.types.get(name)?.shape ?? []).map((size) => (size === -1 ? 1 : size));
}

/** Multiply-accumulates of one sample: convolutions and matrix products. */
export function macsOf(graph: Graph, node: Node): number {
  const shape = (name: string | undefined): Shape => sampleShape(graph, name ?? '');
  const output = shape(node.outputs[0]);
  switch (node.opType) {
    case 'Conv':
      return elementCount(output) * elementCount(shape(node.inputs[1]).slice(1));
    case 'QLinearConv':
      return elementCount(output) * elementCount(shape(node.inputs[3]).slice(1));
    case 'ConvTranspose':
      return elementCount(shape(node.inputs[0])) * elementCount(shape(node.inputs[1]).slice(1));
    case 'Gemm':
    case 'QGemm':
      return (elementCount(output) * elementCount(shape(node.inputs[0]))) / (output[0] ?? 1);
    case 'MatMul':
    case 'QLinearMatMul':
      return elementCount(output) * (shape(node.inputs[0]).at(-1) ?? 1);
    default:
      return 0;
  }
}

/** What a node costs one sample, pooling windows included. */
function workOf(graph: Graph, node: Node): number {
  const output = elementCount(sampleShape(graph, node.outputs[0] ?? ''));
  if (node.opType === 'MaxPool' || node.opType === 'AveragePool')
    return output * elementCount(numbersAttribute(node, 'kernel_shape', [1]));
  return output + macsOf(graph, node);
}

/** @throws AppError MODEL_TOO_COMPLEX for a network that no machine runs in reasonable time */
export function checkWork(graph: Graph, limit: number): void {
  const total = graph.nodes.reduce((sum, node) => sum + workOf(graph, node), 0);
  if (total > limit)
    throw new AppError(
      'MODEL_TOO_COMPLEX',
      `The network needs ${total} operations for one sample; allowed are ${limit}.`,
      {
        operations: total,
        limit,
      },
    );
}
