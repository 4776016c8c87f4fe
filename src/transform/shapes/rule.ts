import { AppError, type ErrorCode } from '../../base/index.ts';
import type { Node } from '../../graph/index.ts';
import { formatShape, type Dtype, type Shape, type Tensor } from '../../tensor/index.ts';

/** What is known of a node's input: every dimension, and the elements where they are constant. */
export interface Known {
  readonly dtype: Dtype;
  readonly shape: Shape;
  readonly constant?: Tensor | undefined;
}

/** A value with all dimensions fixed. */
export interface FixedType {
  readonly dtype: Dtype;
  readonly shape: Shape;
}

/**
 * Types of a node's outputs from those of its inputs. The node is in canonical form, all dimensions are numbers: a free
 * batch is inferred by asking again with another batch.
 *
 * @throws AppError SHAPE_MISMATCH, UNSUPPORTED_OPERATOR, MODEL_INVALID
 */
export type ShapeRule = (node: Node, inputs: readonly (Known | undefined)[]) => readonly FixedType[];

function nodeError(code: ErrorCode, node: Node, what: string): AppError {
  return new AppError(code, `Node '${node.name}' (${node.opType}): ${what}.`, {
    nodeName: node.name,
    opType: node.opType,
    reason: what,
  });
}

export function mismatch(node: Node, what: string): AppError {
  return nodeError('SHAPE_MISMATCH', node, what);
}

export function unsupported(node: Node, reason: string): AppError {
  return nodeError('UNSUPPORTED_OPERATOR', node, reason);
}

export function invalid(node: Node, what: string): AppError {
  return nodeError('MODEL_INVALID', node, what);
}

/** An input that the operator cannot do without. */
export function need(node: Node, inputs: readonly (Known | undefined)[], index: number): Known {
  const known = inputs[index];
  if (!known) throw invalid(node, `input ${index} is missing`);
  return known;
}

/** The integers of a constant input. */
export function integers(node: Node, inputs: readonly (Known | undefined)[], index: number, what: string): number[] {
  const { constant } = need(node, inputs, index);
  if (!constant) throw unsupported(node, `its ${what} are computed from the data; they must be constant`);
  return Array.from<number | bigint, number>(constant.data, Number);
}

/** An axis of `rank` as 0..rank-1; `rank` itself where `end` is allowed. */
export function normalizeAxis(node: Node, axis: number, rank: number): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank)
    throw mismatch(node, `axis ${axis} does not lie in a value of ${rank} dimensions`);
  return axis < 0 ? axis + rank : axis;
}

export function dim(shape: Shape, axis: number): number {
  return shape[axis] ?? 1;
}

/** NumPy broadcasting of two or more shapes. */
export function broadcast(node: Node, shapes: readonly Shape[]): Shape {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  const result = new Array<number>(rank).fill(1);
  for (const shape of shapes)
    shape.forEach((size, axis) => {
      const at = axis + rank - shape.length;
      const present = dim(result, at);
      if (present !== size && present !== 1 && size !== 1)
        throw mismatch(node, `shapes ${shapes.map(formatShape).join(' and ')} do not broadcast`);
      if (present === 1) result[at] = size;
    });
  return result;
}
