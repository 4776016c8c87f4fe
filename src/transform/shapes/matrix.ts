import { numberAttribute, type Node } from '../../graph/index.ts';
import { formatShape, type Shape } from '../../tensor/index.ts';
import { broadcast, dim, mismatch, need, type ShapeRule } from './rule.ts';

/** NumPy matmul: [.., M, K] · [.., K, N] -> [.., M, N]; a vector loses its own dimension. */
export function matMulShape(node: Node, a: Shape, b: Shape): Shape {
  if (a.length === 0 || b.length === 0) throw mismatch(node, 'a scalar cannot be multiplied as a matrix');
  const left = a.length === 1 ? [1, ...a] : a;
  const right = b.length === 1 ? [...b, 1] : b;
  if (left.at(-1) !== right.at(-2))
    throw mismatch(node, `${formatShape(a)} and ${formatShape(b)} differ in the dimension they share`);
  const shape = [...broadcast(node, [left.slice(0, -2), right.slice(0, -2)])];
  if (a.length > 1) shape.push(left.at(-2) ?? 1);
  if (b.length > 1) shape.push(right.at(-1) ?? 1);
  return shape;
}

export const matMul: ShapeRule = (node, inputs) => {
  const a = need(node, inputs, 0);
  return [{ dtype: a.dtype, shape: matMulShape(node, a.shape, need(node, inputs, 1).shape) }];
};

export const matMulInteger: ShapeRule = (node, inputs) => [
  { dtype: 'int32', shape: matMulShape(node, need(node, inputs, 0).shape, need(node, inputs, 1).shape) },
];

export const qLinearMatMul: ShapeRule = (node, inputs) => [
  {
    dtype: need(node, inputs, 7).dtype,
    shape: matMulShape(node, need(node, inputs, 0).shape, need(node, inputs, 3).shape),
  },
];

/** A' [M, K] · B' [K, N] + C, C broadcast to [M, N]. */
export const gemm: ShapeRule = (node, inputs) => {
  const a = need(node, inputs, 0);
  const b = need(node, inputs, 1);
  const shape = gemmShape(node, a.shape, b.shape);
  const c = inputs[2];
  if (c) {
    const wide = broadcast(node, [shape, c.shape]);
    if (wide.length !== 2 || wide.some((size, axis) => size !== shape[axis]))
      throw mismatch(node, `C ${formatShape(c.shape)} does not broadcast to ${formatShape(shape)}`);
  }
  return [{ dtype: a.dtype, shape }];
};

export function gemmShape(node: Node, a: Shape, b: Shape): Shape {
  if (a.length !== 2 || b.length !== 2)
    throw mismatch(node, `${formatShape(a)} and ${formatShape(b)} must be matrices`);
  const [rows, inner] = numberAttribute(node, 'transA', 0) === 0 ? [a[0], a[1]] : [a[1], a[0]];
  const transposed = numberAttribute(node, 'transB', 0) !== 0;
  if (inner !== dim(b, transposed ? 1 : 0))
    throw mismatch(node, `${formatShape(a)} and ${formatShape(b)} differ in the dimension they share`);
  return [rows ?? 1, dim(b, transposed ? 0 : 1)];
}
