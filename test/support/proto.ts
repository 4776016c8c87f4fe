/** Protobuf by hand, for files that no honest writer makes. */

export function varint(value: number | bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

export const tag = (field: number, wireType: number): Buffer => varint((field << 3) | wireType);

export const integer = (field: number, value: number | bigint): Buffer => Buffer.concat([tag(field, 0), varint(value)]);

export function bytes(field: number, ...content: readonly (Uint8Array | string)[]): Buffer {
  const body = Buffer.concat(content.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
  return Buffer.concat([tag(field, 2), varint(body.length), body]);
}

/** Fields of onnx.proto3. */
export const model = (graph: Uint8Array, opset = 13): Buffer =>
  Buffer.concat([integer(1, 8), bytes(8, bytes(1, ''), integer(2, opset)), bytes(7, graph)]);

export const valueInfo = (name: string, shape: readonly number[]): Buffer => {
  const dims = shape.map((dim) => bytes(1, dim < 0 ? bytes(2, 'N') : integer(1, dim)));
  return Buffer.concat([bytes(1, name), bytes(2, bytes(1, integer(1, 1), bytes(2, ...dims)))]);
};

export const nodeProto = (
  opType: string,
  inputs: readonly string[],
  outputs: readonly string[],
  ...attributes: readonly Uint8Array[]
): Buffer =>
  Buffer.concat([
    ...inputs.map((name) => bytes(1, name)),
    ...outputs.map((name) => bytes(2, name)),
    bytes(4, opType),
    ...attributes.map((attribute) => bytes(5, attribute)),
  ]);

/** A float tensor whose data lies elsewhere. */
export const externalTensor = (
  name: string,
  dims: readonly number[],
  fields: Readonly<Record<string, string>>,
): Buffer =>
  Buffer.concat([
    ...dims.map((dim) => integer(1, dim)),
    integer(2, 1),
    bytes(8, name),
    ...Object.entries(fields).map(([key, value]) => bytes(13, bytes(1, key), bytes(2, value))),
    integer(14, 1),
  ]);

export const rawTensor = (name: string, dims: readonly (number | bigint)[], data: Uint8Array, dataType = 1): Buffer =>
  Buffer.concat([...dims.map((dim) => integer(1, dim)), integer(2, dataType), bytes(8, name), bytes(9, data)]);

/** A graph x -> Relu -> y, with whatever is added. */
export const reluGraph = (...extra: readonly Uint8Array[]): Buffer =>
  Buffer.concat([
    bytes(1, nodeProto('Relu', ['x'], ['y'])),
    bytes(2, 'g'),
    ...extra,
    bytes(11, valueInfo('x', [-1, 3, 8, 8])),
    bytes(12, valueInfo('y', [-1, 3, 8, 8])),
  ]);
