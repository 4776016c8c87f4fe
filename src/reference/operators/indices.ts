import { allocate, elementCount, type Shape, type Tensor } from '../../tensor/index.ts';

/** A tensor whose element i is element `indices[i]` of x; −1 reads `fill`. */
export function gatherElements(x: Tensor, shape: Shape, indices: Int32Array, fill = 0): Tensor {
  const data: Tensor['data'] = allocate(x.dtype, indices.length);
  const absent = typeof x.data[0] === 'bigint' ? BigInt(fill) : fill;
  for (let i = 0; i < indices.length; i++) data[i] = (indices[i]! < 0 ? absent : x.data[indices[i]!]) as never;
  return { dtype: x.dtype, shape, data } as Tensor;
}

/** Indices of a strided view: for each output element, base + Σ coordinate · step. */
export function stridedIndices(shape: Shape, steps: readonly number[], base = 0): Int32Array {
  const indices = new Int32Array(elementCount(shape));
  const counter = new Array<number>(shape.length).fill(0);
  let at = base;
  for (let i = 0; i < indices.length; i++) {
    indices[i] = at;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += steps[axis]!;
      if (++counter[axis]! < shape[axis]!) break;
      at -= steps[axis]! * shape[axis]!;
      counter[axis] = 0;
    }
  }
  return indices;
}

/** Indices of an output whose coordinate in each dimension reads `sources[d][coordinate]`; −1 anywhere gives −1. */
export function productIndices(shape: Shape, sources: readonly Int32Array[], strides: readonly number[]): Int32Array {
  let indices = Int32Array.of(0);
  for (const [d, source] of sources.entries()) {
    const next = new Int32Array(indices.length * shape[d]!);
    for (let i = 0; i < indices.length; i++)
      for (let k = 0; k < source.length; k++)
        next[i * source.length + k] = indices[i]! < 0 || source[k]! < 0 ? -1 : indices[i]! + source[k]! * strides[d]!;
    indices = next;
  }
  return indices;
}
