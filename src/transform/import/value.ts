import { BATCH } from '../../graph/index.ts';
import { shapesEqual, type Dtype, type Shape, type Tensor } from '../../tensor/index.ts';

/**
 * A value on the way in. Shapes are followed for several batches at once ("probes"): what comes out the same for all is
 * fixed, a first dimension that equals the batch each time is the batch, anything else mixes the batch with other
 * dimensions. Elements are followed the same way, so that the exporters' shape arithmetic needs no rules of its own.
 */
export interface Value {
  readonly dtype: Dtype;
  /** One shape a probe. */
  readonly shapes: readonly Shape[];
  /** One tensor a probe, where the elements do not depend on the data; all the same object where constant. */
  readonly tensors: readonly Tensor[] | undefined;
}

/** Batches that are tried at once when the batch is free. */
export const freeProbes: readonly number[] = [1, 2, 5];

/** The tensor of a value whose elements depend neither on the data nor on the batch. */
export function constantOf(value: Value | undefined): Tensor | undefined {
  const tensors = value?.tensors ?? [];
  const [first] = tensors;
  return tensors.every((tensor) => tensor === first) ? first : undefined;
}

export function constantValue(tensor: Tensor, probes: readonly number[]): Value {
  return { dtype: tensor.dtype, shapes: probes.map(() => tensor.shape), tensors: probes.map(() => tensor) };
}

/** One tensor object where all are equal, so that `constantOf` recognizes it. */
export function mergeTensors(tensors: readonly Tensor[]): readonly Tensor[] {
  const [first] = tensors;
  const equal =
    first !== undefined &&
    tensors.every(
      (other) =>
        other === first ||
        (other.dtype === first.dtype &&
          shapesEqual(other.shape, first.shape) &&
          other.data.every((element: number | bigint, index: number) => Object.is(element, first.data[index]))),
    );
  return equal ? tensors.map(() => first) : tensors;
}

/** One shape with `BATCH` for all probes; undefined where the batch is mixed with other dimensions. */
export function sharedShape(shapes: readonly Shape[], probes: readonly number[]): Shape | undefined {
  const [first = []] = shapes;
  if (shapes.every((shape) => shapesEqual(shape, first))) return first;
  const rest = first.slice(1);
  const batched = shapes.every((shape, probe) => shape[0] === probes[probe] && shapesEqual(shape.slice(1), rest));
  return batched ? [BATCH, ...rest] : undefined;
}
