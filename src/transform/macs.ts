import { AppError } from '../base/index.ts';
import { numbersAttribute, type Graph, type Node } from '../graph/index.ts';
import { elementCount, type Shape } from '../tensor/index.ts';

/** The shape of one sample of a value, by name. */
export type ShapeOf = (name: string) => Shape;

function sampleShapes(graph: Graph): ShapeOf {
  return (name) => (graph.types.get(name)?.shape ?? []).map((size) => (size === -1 ? 1 : size));
}

/** Multiply-accumulates of one sample: convolutions and matrix products. */
export function macsOf(graph: Graph, node: Node): number {
  return multiplyAccumulates(node, sampleShapes(graph));
}

function multiplyAccumulates(node: Node, shapeOf: ShapeOf): number {
  const shape = (index: number): Shape => shapeOf(node.inputs[index] ?? '');
  const output = shapeOf(node.outputs[0] ?? '');
  switch (node.opType) {
    case 'Conv':
    case 'ConvInteger':
      return elementCount(output) * elementCount(shape(1).slice(1));
    case 'QLinearConv':
      return elementCount(output) * elementCount(shape(3).slice(1));
    case 'ConvTranspose':
      return elementCount(shape(0)) * elementCount(shape(1).slice(1));
    case 'Gemm':
    case 'QGemm':
      return (elementCount(output) * elementCount(shape(0))) / Math.max(1, output[0] ?? 1);
    case 'MatMul':
    case 'MatMulInteger':
    case 'QLinearMatMul':
      return elementCount(output) * (shape(0).at(-1) ?? 1);
    default:
      return 0;
  }
}

/** Steps of the plain loops of a node, for one sample: products, window taps, elements read and written. */
export function stepsOf(node: Node, shapeOf: ShapeOf): number {
  const output = elementCount(shapeOf(node.outputs[0] ?? ''));
  const window = node.opType === 'MaxPool' || node.opType === 'AveragePool';
  const taps = window ? elementCount(numbersAttribute(node, 'kernel_shape', [1])) : 1;
  return elementCount(shapeOf(node.inputs[0] ?? '')) + output * taps + multiplyAccumulates(node, shapeOf);
}

/** @throws AppError MODEL_TOO_COMPLEX for a network that no machine runs in reasonable time */
export function checkWork(graph: Graph, limit: number): void {
  const shapeOf = sampleShapes(graph);
  const steps = graph.nodes.reduce((sum, node) => sum + stepsOf(node, shapeOf), 0);
  if (steps > limit)
    throw new AppError('MODEL_TOO_COMPLEX', `The network needs ${steps} steps for one sample; allowed are ${limit}.`, {
      steps,
      limit,
    });
}
