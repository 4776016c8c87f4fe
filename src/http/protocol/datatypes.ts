import { shown } from './shown.ts';
import { AppError, present } from '../../base/index.ts';
import {
  allocate,
  bytesPerElement,
  elementCount,
  tensor,
  type Dtype,
  type Shape,
  type Tensor,
} from '../../tensor/index.ts';

/** Element types as the Open Inference Protocol names them. */
const datatypes: Readonly<Record<Dtype, string>> = {
  float32: 'FP32',
  float64: 'FP64',
  float16: 'FP16',
  int8: 'INT8',
  uint8: 'UINT8',
  int16: 'INT16',
  uint16: 'UINT16',
  int32: 'INT32',
  uint32: 'UINT32',
  int64: 'INT64',
  uint64: 'UINT64',
  bool: 'BOOL',
};

const dtypes = new Map(Object.entries(datatypes).map(([dtype, datatype]) => [datatype, dtype as Dtype]));

export function datatypeOf(dtype: string): string {
  return datatypes[dtype as Dtype];
}

/** @throws AppError INFERENCE_INVALID */
export function dtypeOf(datatype: string, what: string): Dtype {
  const dtype = dtypes.get(datatype);
  if (dtype === undefined)
    throw invalid(`${what} has datatype '${datatype.slice(0, 32)}'; allowed: ${[...dtypes.keys()].join(', ')}.`);
  return dtype;
}

/** Inclusive limits of the integer types that fit a JSON number. */
const ranges: Partial<Record<Dtype, readonly [number, number]>> = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32_768, 32_767],
  uint16: [0, 65_535],
  int32: [-2_147_483_648, 2_147_483_647],
  uint32: [0, 4_294_967_295],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  uint64: [0, Number.MAX_SAFE_INTEGER],
};

/**
 * `data` of a JSON tensor, flat or nested, row-major.
 *
 * @throws AppError INFERENCE_INVALID when an element has another type or the count is not the shape's
 */
export function tensorFromJson(data: unknown, dtype: Dtype, shape: Shape, what: string): Tensor {
  if (!Array.isArray(data)) throw invalid(`${what} needs 'data', an array.`);
  if (dtype === 'float16') throw invalid(`${what} is FP16, which has no JSON form; send it as a binary tensor.`);
  const count = elementCount(shape);
  const elements = allocate(dtype, count);
  const check = elementCheck(dtype);
  let filled = 0;
  const fill = (items: readonly unknown[], depth: number): void => {
    if (depth > shape.length) throw invalid(`${what} nests deeper than its ${shape.length} dimensions.`);
    for (const item of items) {
      if (Array.isArray(item)) {
        fill(item, depth + 1);
        continue;
      }
      if (!check(item))
        throw invalid(`${what} has element ${filled} = ${shown(item)}, which is not ${datatypes[dtype]}.`);
      if (filled < count) {
        if (elements instanceof BigInt64Array || elements instanceof BigUint64Array)
          elements[filled] = BigInt(item as number);
        else elements[filled] = Number(item);
      }
      filled++;
    }
  };
  fill(data, 1);
  if (filled !== count)
    throw invalid(`${what} has ${filled} elements; its shape [${shape.join(', ')}] needs ${count}.`);
  return tensor(dtype, shape, elements) as Tensor;
}

function elementCheck(dtype: Dtype): (item: unknown) => boolean {
  if (dtype === 'bool') return (item) => typeof item === 'boolean' || item === 0 || item === 1;
  const range = ranges[dtype];
  if (range === undefined) return (item) => typeof item === 'number' && Number.isFinite(item);
  const [low, high] = range;
  return (item) => Number.isInteger(item) && (item as number) >= low && (item as number) <= high;
}

/** Little-endian bytes as a tensor with a buffer of its own. */
export function tensorFromBytes(bytes: Uint8Array, dtype: Dtype, shape: Shape): Tensor {
  const elements = allocate(dtype, bytes.byteLength / bytesPerElement[dtype]);
  new Uint8Array(elements.buffer, elements.byteOffset, elements.byteLength).set(bytes);
  return tensor(dtype, shape, elements) as Tensor;
}

export function tensorBytes({ data }: Tensor): Uint8Array {
  return new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
}

/** Elements as JSON has them: 64-bit integers as numbers, floats that are not finite refused. */
export function jsonData(value: Tensor): (number | boolean)[] {
  const { dtype, data } = value;
  if (dtype === 'bool') return Array.from(data, (element) => element !== 0);
  return Array.from(data as ArrayLike<number | bigint>, (element, index) => {
    const number = Number(element);
    if (!Number.isFinite(number))
      throw invalid(`Output element ${index} is ${number}, which has no JSON form; ask for binary data.`);
    return number;
  });
}

/**
 * A shape from outside: whole, non-negative dimensions whose product is a safe number of elements.
 *
 * @throws AppError INFERENCE_INVALID
 */
export function checkShape(shape: unknown, what: string): number[] {
  if (!Array.isArray(shape) || shape.length > 8)
    throw invalid(`${what} needs 'shape', an array of at most 8 dimensions.`);
  let elements = 1n;
  for (const dim of shape as unknown[]) {
    if (!Number.isSafeInteger(dim) || (dim as number) < 0)
      throw invalid(`${what} has dimension ${shown(dim)}; dimensions are whole and not negative.`);
    elements *= BigInt(dim as number);
  }
  if (elements > BigInt(MAX_ELEMENTS))
    throw invalid(`${what} has ${elements} elements; at most ${MAX_ELEMENTS} are allowed.`);
  return shape as number[];
}

/** 1 GiB of float32. */
const MAX_ELEMENTS = 268_435_456;

export function elementBytes(dtype: Dtype): number {
  return present(bytesPerElement[dtype], dtype);
}

function invalid(detail: string): AppError {
  return new AppError('INFERENCE_INVALID', detail);
}
