import { AppError } from '../../base/index.ts';
import { numberAttribute } from '../../graph/index.ts';
import { allocate, type Dtype, type Tensor } from '../../tensor/index.ts';
import { requiredInput, type Kernel } from '../kernel.ts';

const castTargets: Readonly<Record<number, Dtype>> = {
  1: 'float32',
  2: 'uint8',
  3: 'int8',
  4: 'uint16',
  5: 'int16',
  6: 'int32',
  7: 'int64',
  9: 'bool',
  10: 'float16',
  11: 'float64',
  12: 'uint32',
  13: 'uint64',
};

/** A number as int64, truncated; what int64 cannot hold becomes its least value, as on x86. */
function toBigInt(value: number): bigint {
  return Math.abs(value) < 2 ** 63 ? BigInt(Math.trunc(value)) : -(2n ** 63n);
}

/** Elements in another dtype: floats truncate toward zero, integers wrap, anything but 0 is true. */
export function convert(x: Tensor, dtype: Dtype): Tensor {
  if (x.dtype === dtype) return x;
  const data: Tensor['data'] = allocate(dtype, x.data.length);
  const big = dtype === 'int64' || dtype === 'uint64';
  for (let i = 0; i < x.data.length; i++) {
    const value = x.data[i]!;
    if (dtype === 'bool') data[i] = Number(value) !== 0 ? 1 : 0;
    else if (big) data[i] = typeof value === 'bigint' ? value : toBigInt(value);
    else data[i] = Number(value);
  }
  return { dtype, shape: x.shape, data } as Tensor;
}

export const cast: Kernel = (node, inputs) => {
  const to = castTargets[numberAttribute(node, 'to')];
  if (to) return [convert(requiredInput(node, inputs, 0), to)];
  throw new AppError('MODEL_INVALID', `Node '${node.name}' (Cast) casts to an element type that is not supported.`, {
    nodeName: node.name,
  });
};
