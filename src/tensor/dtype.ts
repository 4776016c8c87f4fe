/** Element types, named as NumPy names them; the ONNX codes are TensorProto.DataType. */
export interface DtypeArrays {
  readonly float32: Float32Array;
  readonly float64: Float64Array;
  readonly float16: Float16Array;
  readonly int8: Int8Array;
  readonly uint8: Uint8Array;
  readonly int16: Int16Array;
  readonly uint16: Uint16Array;
  readonly int32: Int32Array;
  readonly uint32: Uint32Array;
  readonly int64: BigInt64Array;
  readonly uint64: BigUint64Array;
  /** One byte an element, 0 or 1. */
  readonly bool: Uint8Array;
}

export type Dtype = keyof DtypeArrays;

export const bytesPerElement: Readonly<Record<Dtype, number>> = {
  float32: 4,
  float64: 8,
  float16: 2,
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  uint64: 8,
  bool: 1,
};

const constructors = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Float16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
} as const;

/** Zeroed elements of a dtype. */
export function allocate<D extends Dtype>(dtype: D, count: number): DtypeArrays[D] {
  return new constructors[dtype](count) as unknown as DtypeArrays[D];
}

/** Little-endian bytes as elements: a view where the offset is aligned, else a copy. */
export function fromBytes<D extends Dtype>(dtype: D, bytes: Uint8Array): DtypeArrays[D] {
  const size = bytesPerElement[dtype];
  const source = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes);
  return new constructors[dtype](
    source.buffer as ArrayBuffer,
    source.byteOffset,
    source.byteLength / size,
  ) as unknown as DtypeArrays[D];
}
