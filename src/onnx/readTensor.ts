import { AppError } from '../base/index.ts';
import { allocate, bytesPerElement, formatShape, fromBytes, tensor, type Dtype, type Tensor } from '../tensor/index.ts';
import { dataTypeName, dataTypeOf, dtypeOfDataType } from './dataTypes.ts';
import { readExternalData, type ExternalLocation, type ExternalParts } from './externalData.ts';
import type { ReadLimits } from './limits.ts';
import { readKeyValue } from './keyValue.ts';
import { ReadBudget, tooComplex, wireType, WireReader } from './wire.ts';

/** Fields of TensorProto (onnx.proto3). */
const field = {
  dims: 1,
  dataType: 2,
  segment: 3,
  floatData: 4,
  int32Data: 5,
  stringData: 6,
  int64Data: 7,
  name: 8,
  rawData: 9,
  doubleData: 10,
  uint64Data: 11,
  externalData: 13,
  dataLocation: 14,
} as const;

/** Which typed field holds a dtype's elements when `raw_data` does not. */
const typedField: Readonly<Record<Dtype, number>> = {
  float32: field.floatData,
  float64: field.doubleData,
  float16: field.int32Data,
  int8: field.int32Data,
  uint8: field.int32Data,
  int16: field.int32Data,
  uint16: field.int32Data,
  int32: field.int32Data,
  bool: field.int32Data,
  int64: field.int64Data,
  uint32: field.uint64Data,
  uint64: field.uint64Data,
};

/** Everything a TensorProto says, data still as bytes of the file. */
interface RawTensor {
  name: string;
  readonly dims: number[];
  dataType: number;
  raw: Uint8Array | undefined;
  /** Occurrences of typed fields in file order: packed runs, or single elements. */
  readonly typed: { readonly field: number; readonly packed: boolean; readonly bytes: Uint8Array }[];
  readonly external: Map<string, string>;
  isExternal: boolean;
}

export interface NamedTensor {
  readonly name: string;
  readonly tensor: Tensor;
}

/**
 * Decodes a TensorProto. Little-endian `raw_data`, aligned packed floats and aligned external data become views of the
 * file's bytes; everything else is copied once.
 *
 * @throws AppError MODEL_MALFORMED, MODEL_TOO_COMPLEX, MODEL_OUT_OF_SCOPE (element type), EXTERNAL_DATA_INVALID
 */
export function readNamedTensor(reader: WireReader, parts: ExternalParts): NamedTensor {
  const raw = readFields(reader);
  const what = raw.name === '' ? 'a tensor' : `tensor '${raw.name}'`;
  const dtype = dtypeOfDataType(raw.dataType);
  if (!dtype) throw unsupportedType(raw, what);
  const count = countElements(raw, reader.budget.limits, what);
  const data = decode(raw, dtype, count, reader.budget, parts);
  return { name: raw.name, tensor: tensor(dtype, raw.dims, data as never) as Tensor };
}

/** Decodes a file that holds one TensorProto (`*.pb`). */
export function readTensorProto(bytes: Uint8Array, limits?: Partial<ReadLimits>): Tensor {
  return readNamedTensor(new WireReader(bytes, new ReadBudget(limits), 'TensorProto'), new Map()).tensor;
}

function readFields(reader: WireReader): RawTensor {
  const raw: RawTensor = {
    name: '',
    dims: [],
    dataType: 0,
    raw: undefined,
    typed: [],
    external: new Map(),
    isExternal: false,
  };
  while (reader.next())
    switch (reader.field) {
      case field.dims:
        reader.pushInt64s(raw.dims);
        break;
      case field.dataType:
        raw.dataType = reader.number();
        break;
      case field.name:
        raw.name = reader.string();
        break;
      case field.rawData:
        raw.raw = reader.bytes();
        break;
      case field.floatData:
      case field.int32Data:
      case field.int64Data:
      case field.doubleData:
      case field.uint64Data:
        readTyped(reader, raw);
        break;
      case field.externalData: {
        const [key, value] = readKeyValue(
          reader.message('TensorProto.external_data'),
          reader.budget.limits.stringBytes,
        );
        raw.external.set(key, value);
        break;
      }
      case field.dataLocation:
        raw.isExternal = reader.number() === 1;
        break;
      case field.segment:
        throw reader.malformed('a segment; segmented tensors are not supported');
      default:
        reader.skip();
    }
  return raw;
}

function readTyped(reader: WireReader, raw: RawTensor): void {
  const packed = reader.type === wireType.bytes;
  const { field: number } = reader;
  if (!packed) reader.budget.number();
  raw.typed.push({ field: number, packed, bytes: packed ? reader.bytes() : singleElement(reader) });
}

/** The bytes of one element of an unpacked repeated field, as a packed run of one would hold them. */
function singleElement(reader: WireReader): Uint8Array {
  if (reader.field === field.floatData) return new Uint8Array(Float32Array.of(reader.float()).buffer);
  if (reader.field === field.doubleData) return new Uint8Array(Float64Array.of(reader.double()).buffer);
  const bytes: number[] = [];
  let value = BigInt.asUintN(64, reader.int64());
  for (; value > 0x7fn; value >>= 7n) bytes.push(Number(value & 0x7fn) | 0x80);
  bytes.push(Number(value));
  return Uint8Array.from(bytes);
}

function countElements(raw: RawTensor, limits: ReadLimits, what: string): number {
  if (raw.dims.length > limits.rank) throw tooComplex(`dimensions in ${what}`, limits.rank);
  let count = 1n;
  for (const dim of raw.dims) {
    if (!(dim >= 0)) throw malformed(`${what} has shape ${formatShape(raw.dims)}; dimensions must not be negative.`);
    count *= BigInt(dim);
  }
  if (count > BigInt(limits.elementCount)) throw tooComplex(`elements in ${what}`, limits.elementCount);
  return Number(count);
}

function decode(raw: RawTensor, dtype: Dtype, count: number, budget: ReadBudget, parts: ExternalParts) {
  const byteLength = count * bytesPerElement[dtype];
  if (raw.isExternal) return fromBytes(dtype, readExternalData(location(raw, byteLength), parts));
  if (raw.raw !== undefined && (raw.raw.length > 0 || raw.typed.length === 0)) {
    if (raw.raw.length !== byteLength) throw wrongLength(raw, dtype, `${raw.raw.length} bytes`, `${byteLength} bytes`);
    return fromBytes(dtype, raw.raw);
  }
  for (const run of raw.typed)
    if (run.field !== typedField[dtype])
      throw malformed(`Tensor '${raw.name}' of ${dtype} keeps its data in field ${run.field}, which is not its own.`);
  if (dtype === 'float32' || dtype === 'float64') return decodeFloats(raw, dtype, count);
  budget.decoded(byteLength);
  return decodeVarints(raw, dtype, count, budget);
}

function location(raw: RawTensor, byteLength: number): ExternalLocation {
  return { tensorName: raw.name, entries: raw.external, byteLength };
}

function decodeFloats(raw: RawTensor, dtype: 'float32' | 'float64', count: number) {
  const size = bytesPerElement[dtype];
  const length = raw.typed.reduce((sum, { bytes }) => sum + bytes.length, 0);
  if (length !== count * size) throw wrongLength(raw, dtype, `${length} bytes`, `${count * size} bytes`);
  const [only] = raw.typed;
  if (only && raw.typed.length === 1) return fromBytes(dtype, only.bytes);
  const joined = new Uint8Array(length);
  let offset = 0;
  for (const { bytes } of raw.typed) {
    joined.set(bytes, offset);
    offset += bytes.length;
  }
  return fromBytes(dtype, joined);
}

/** Integers of the varint fields; each must fit its dtype. float16 is stored as the 16 bits in an int32. */
function decodeVarints(
  raw: RawTensor,
  dtype: Exclude<Dtype, 'float32' | 'float64'>,
  count: number,
  budget: ReadBudget,
) {
  const available = raw.typed.reduce((sum, { bytes }) => sum + bytes.length, 0);
  if (available < count) throw wrongLength(raw, dtype, `at most ${available} elements`, `${count}`);
  const stored = dtype === 'float16' ? 'uint16' : dtype;
  const data = allocate(stored, count);
  let index = 0;
  for (const { bytes } of raw.typed) {
    const reader = new WireReader(bytes, budget, `tensor '${raw.name}'`);
    while (reader.remaining > 0) {
      const value = BigInt.asIntN(64, reader.varint());
      if (index >= count) throw wrongLength(raw, dtype, `more than ${count} elements`, `${count}`);
      if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[index] = value;
      else data[index] = Number(value);
      const kept = data[index];
      const expected = data instanceof BigUint64Array ? BigInt.asUintN(64, value) : value;
      if (BigInt(kept ?? 0) !== expected)
        throw malformed(`Tensor '${raw.name}' has the element ${String(value)}, which ${dtype} cannot hold.`);
      index++;
    }
  }
  if (index !== count) throw wrongLength(raw, dtype, `${index} elements`, `${count}`);
  return dtype === 'float16' ? new Float16Array(data.buffer as ArrayBuffer) : data;
}

function wrongLength(raw: RawTensor, dtype: Dtype, found: string, wanted: string): AppError {
  return malformed(
    `Tensor '${raw.name}' of ${dtype} ${formatShape(raw.dims)} holds ${found}; its shape needs ${wanted}.`,
  );
}

function malformed(detail: string): AppError {
  return new AppError('MODEL_MALFORMED', detail);
}

function unsupportedType(raw: RawTensor, what: string): AppError {
  return new AppError(
    raw.dataType === 0 ? 'MODEL_MALFORMED' : 'MODEL_OUT_OF_SCOPE',
    `The model has ${what} of ${dataTypeName(raw.dataType)}; allowed are ${Object.keys(dataTypeOf).join(', ')}.`,
    { tensor: raw.name, dataType: raw.dataType },
  );
}
