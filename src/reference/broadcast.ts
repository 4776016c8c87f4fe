import type { Node } from '../graph/index.ts';
import { elementCount, rowMajorStrides, type Shape } from '../tensor/index.ts';
import { invalid } from './spatial.ts';

/** The common shape under NumPy broadcasting. @throws MODEL_INVALID where there is none */
export function broadcastShape(node: Node, shapes: readonly Shape[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    const dims = shapes.map((shape) => shape[axis - rank + shape.length] ?? 1);
    const wide = dims.find((dim) => dim !== 1) ?? 1;
    if (dims.some((dim) => dim !== 1 && dim !== wide))
      throw invalid(node, `cannot broadcast ${shapes.map((shape) => `[${shape.join(', ')}]`).join(' and ')}`);
    return wide;
  });
}

/** For every element of `to`, row-major, the index of the element of `from` that it reads. */
export function broadcastIndices(from: Shape, to: Shape): Int32Array {
  const strides = rowMajorStrides(from);
  const lead = to.length - from.length;
  const steps = to.map((_, axis) => (axis < lead || from[axis - lead] === 1 ? 0 : (strides[axis - lead] ?? 0)));
  const indices = new Int32Array(elementCount(to));
  const counter = new Array<number>(to.length).fill(0);
  let at = 0;
  for (let i = 0; i < indices.length; i++) {
    indices[i] = at;
    for (let axis = to.length - 1; axis >= 0; axis--) {
      at += steps[axis]!;
      if (++counter[axis]! < to[axis]!) break;
      at -= steps[axis]! * to[axis]!;
      counter[axis] = 0;
    }
  }
  return indices;
}
