/** Dimensions, outermost first, row-major. */
export type Shape = readonly number[];

export function elementCount(shape: Shape): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

/** Elements to step for +1 in each dimension, row-major. */
export function rowMajorStrides(shape: Shape): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--)
    strides[axis] = (strides[axis + 1] ?? 1) * (shape[axis + 1] ?? 1);
  return strides;
}

export function shapesEqual(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, axis) => dim === b[axis]);
}

/** `[1, 3, 224, 224]` for messages. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}
