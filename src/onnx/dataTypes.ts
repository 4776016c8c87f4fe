import type { Dtype } from '../tensor/index.ts';

/** TensorProto.DataType of the element types that tensors can hold. */
export const dataTypeOf: Readonly<Record<Dtype, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
};

const dtypes = new Map<number, Dtype>(
  Object.entries(dataTypeOf).map(([dtype, code]): [number, Dtype] => [code, dtype as Dtype]),
);

/** Names for messages of the codes that are not in `dataTypeOf`. */
const otherNames = new Map([
  [0, 'UNDEFINED'],
  [8, 'STRING'],
  [14, 'COMPLEX64'],
  [15, 'COMPLEX128'],
  [16, 'BFLOAT16'],
  [17, 'FLOAT8E4M3FN'],
  [18, 'FLOAT8E4M3FNUZ'],
  [19, 'FLOAT8E5M2'],
  [20, 'FLOAT8E5M2FNUZ'],
  [21, 'UINT4'],
  [22, 'INT4'],
  [23, 'FLOAT4E2M1'],
]);

/** The dtype of a TensorProto.DataType code; undefined for those that cannot be held. */
export function dtypeOfDataType(code: number): Dtype | undefined {
  return dtypes.get(code);
}

export function dataTypeName(code: number): string {
  return dtypes.get(code) ?? otherNames.get(code) ?? `element type ${code}`;
}
