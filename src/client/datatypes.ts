/** Element types of the Open Inference Protocol that have a JavaScript array. */
export interface DatatypeArrays {
  readonly FP32: Float32Array;
  readonly FP64: Float64Array;
  readonly INT8: Int8Array;
  readonly UINT8: Uint8Array;
  readonly INT16: Int16Array;
  readonly UINT16: Uint16Array;
  readonly INT32: Int32Array;
  readonly UINT32: Uint32Array;
  readonly INT64: BigInt64Array;
  readonly UINT64: BigUint64Array;
  readonly BOOL: Uint8Array;
}

export type Datatype = keyof DatatypeArrays;

const constructors = {
  FP32: Float32Array,
  FP64: Float64Array,
  INT8: Int8Array,
  UINT8: Uint8Array,
  INT16: Int16Array,
  UINT16: Uint16Array,
  INT32: Int32Array,
  UINT32: Uint32Array,
  INT64: BigInt64Array,
  UINT64: BigUint64Array,
  BOOL: Uint8Array,
} as const;

export type ProtocolTensor = {
  [D in Datatype]: { readonly datatype: D; readonly shape: readonly number[]; readonly data: DatatypeArrays[D] };
}[Datatype];

/** A classification: `value:index[:label]` for each class, [batch, k]. */
export interface BytesTensor {
  readonly datatype: 'BYTES';
  readonly shape: readonly number[];
  readonly data: readonly string[];
}

export function isDatatype(name: string): name is Datatype {
  return Object.hasOwn(constructors, name);
}

/** Little-endian bytes as elements, copied so that their offset in the message does not matter. */
export function elementsOf(datatype: Datatype, bytes: Uint8Array): DatatypeArrays[Datatype] {
  // Not bytes.slice(): that of a Node Buffer is a view.
  const own = new Uint8Array(bytes);
  return new constructors[datatype](own.buffer, 0, own.byteLength / constructors[datatype].BYTES_PER_ELEMENT);
}

/** JSON elements as an array of the datatype. */
export function elementsFromJson(datatype: Datatype, data: readonly (number | boolean)[]): DatatypeArrays[Datatype] {
  if (datatype === 'INT64' || datatype === 'UINT64')
    return constructors[datatype].from(data.map((item) => BigInt(item)));
  return constructors[datatype].from(data.map(Number));
}
