import { AppError } from '../base/index.ts';
import type { Node } from '../graph/index.ts';
import { tensor, type Tensor, type TensorOf } from '../tensor/index.ts';

/** The meaning of one operator: tensors in the order of the node's inputs, undefined where an optional one is absent. */
export type Kernel = (node: Node, inputs: readonly (Tensor | undefined)[]) => Tensor[];

/** @throws MODEL_INVALID where a node lacks an input that its operator requires */
export function requiredInput(node: Node, inputs: readonly (Tensor | undefined)[], index: number): Tensor {
  const input = inputs[index];
  if (input) return input;
  throw new AppError('MODEL_INVALID', `Node '${node.name}' (${node.opType}) lacks input ${index}.`, {
    nodeName: node.name,
    opType: node.opType,
  });
}

export function floatInput(node: Node, inputs: readonly (Tensor | undefined)[], index: number): TensorOf<'float32'> {
  return asFloat32(requiredInput(node, inputs, index));
}

export function optionalFloat(inputs: readonly (Tensor | undefined)[], index: number): Float32Array | undefined {
  const input = inputs[index];
  return input && asFloat32(input).data;
}

/** Small integer operands (axes, shapes, pads) as numbers. */
export function integersOf(input: Tensor): number[] {
  return Array.from<number | bigint, number>(input.data, Number);
}

/** The same numbers in float32; no copy where they are already. */
export function asFloat32(input: Tensor): TensorOf<'float32'> {
  if (input.dtype === 'float32') return input;
  return tensor('float32', input.shape, Float32Array.from<number | bigint>(input.data, Number));
}

/** A negative axis counts from the end. */
export function resolveAxis(node: Node, axis: number, rank: number): number {
  const resolved = axis < 0 ? axis + rank : axis;
  if (resolved >= 0 && resolved < rank) return resolved;
  throw new AppError(
    'MODEL_INVALID',
    `Node '${node.name}' (${node.opType}): axis ${axis} is not one of ${rank} dimensions.`,
    {
      nodeName: node.name,
      opType: node.opType,
    },
  );
}
