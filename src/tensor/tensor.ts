import { invariant } from '../base/index.ts';
import { allocate, type Dtype, type DtypeArrays } from './dtype.ts';
import { elementCount, formatShape, type Shape } from './shape.ts';

/** A dense row-major array: `data.length` is the product of `shape`. */
export interface TensorOf<D extends Dtype> {
  readonly dtype: D;
  readonly shape: Shape;
  readonly data: DtypeArrays[D];
}

/** A tensor of any dtype; narrow by `dtype` to reach typed data. */
export type Tensor = { [D in Dtype]: TensorOf<D> }[Dtype];

export function tensor<D extends Dtype>(dtype: D, shape: Shape, data?: DtypeArrays[D]): TensorOf<D> {
  const count = elementCount(shape);
  const elements = data ?? allocate(dtype, count);
  invariant(
    elements.length === count,
    `${dtype} tensor ${formatShape(shape)} needs ${count} elements, got ${elements.length}`,
  );
  return { dtype, shape, data: elements };
}

/** Named tensors that enter or leave a graph. */
export type TensorMap = ReadonlyMap<string, Tensor>;
