import { describe, expect, it } from 'vitest';
import { AppError, type ErrorCode } from '../../src/base/index.ts';
import { readModel, readTensorProto, writeModel, writeTensorProto, type ModelProto } from '../../src/onnx/index.ts';
import { tensor, type Tensor } from '../../src/tensor/index.ts';
import { bytes, integer, model, nodeProto, tag, valueInfo, varint } from '../support/proto.ts';
import { everyKind } from './support/everyKind.ts';

const code = (run: () => unknown): ErrorCode | undefined => {
  try {
    run();
    return undefined;
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
};
const graph = (...fields: readonly Uint8Array[]): Buffer => Buffer.concat(fields);

describe('a written model', () => {
  it('reads as it was, and is written the same again', () => {
    const written = writeModel(everyKind);
    const read = readModel(written);
    expect(read).toEqual(everyKind);
    expect(writeModel(read)).toEqual(written);
  });

  it('keeps tensors of every element type', () => {
    const tensors: Tensor[] = [
      tensor('float32', [2], Float32Array.of(1.5, -0)),
      tensor('float64', [1], Float64Array.of(Math.PI)),
      tensor('float16', [3], Float16Array.of(0.5, -2, 65504)),
      tensor('int8', [2], Int8Array.of(-128, 127)),
      tensor('uint8', [2], Uint8Array.of(0, 255)),
      tensor('int16', [1], Int16Array.of(-32768)),
      tensor('uint16', [1], Uint16Array.of(65535)),
      tensor('int32', [1], Int32Array.of(-(2 ** 31))),
      tensor('uint32', [1], Uint32Array.of(2 ** 32 - 1)),
      tensor('int64', [2], BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n)),
      tensor('uint64', [1], BigUint64Array.of(2n ** 64n - 1n)),
      tensor('bool', [2], Uint8Array.of(1, 0)),
      tensor('float32', []),
      tensor('int64', [0, 3]),
    ];
    for (const value of tensors) expect(readTensorProto(writeTensorProto(value, 'v'))).toEqual(value);
  });

  it('has tensors that are views of the file where the bytes are aligned', () => {
    const weights = tensor('uint8', [4096], new Uint8Array(4096).fill(3));
    const written = writeModel({
      ...everyKind,
      graph: { ...everyKind.graph, nodes: [], initializers: [{ name: 'w', tensor: weights }] },
    });
    expect(readModel(written).graph.initializers[0]?.tensor.data.buffer).toBe(written.buffer);
  });
});

describe('typed tensor data', () => {
  const proto = (type: number, dims: readonly number[], ...data: readonly Uint8Array[]): Buffer =>
    Buffer.concat([bytes(1, ...dims.map((dim) => varint(dim))), integer(2, type), ...data]);
  const f32 = (...values: readonly number[]): Buffer => Buffer.from(Float32Array.from(values).buffer);

  it('is read packed, unpacked and in several runs', () => {
    expect(readTensorProto(proto(1, [3], bytes(4, f32(1, 2, 3)))).data).toEqual(Float32Array.of(1, 2, 3));
    const single = (value: number): Buffer => Buffer.concat([tag(4, 5), f32(value)]);
    expect(readTensorProto(proto(1, [3], single(1), bytes(4, f32(2, 3)))).data).toEqual(Float32Array.of(1, 2, 3));
    expect(readTensorProto(proto(6, [2], integer(5, -7), integer(5, 9))).data).toEqual(Int32Array.of(-7, 9));
    expect(readTensorProto(proto(7, [2], bytes(7, varint(-1), varint(5)))).data).toEqual(BigInt64Array.of(-1n, 5n));
    expect(readTensorProto(proto(3, [2], bytes(5, varint(-128), varint(127)))).data).toEqual(Int8Array.of(-128, 127));
    expect(readTensorProto(proto(12, [1], bytes(11, varint(4294967295)))).data).toEqual(Uint32Array.of(4294967295));
    expect(readTensorProto(proto(13, [1], bytes(11, varint(2n ** 64n - 1n)))).data).toEqual(
      BigUint64Array.of(2n ** 64n - 1n),
    );
    const double = Buffer.from(Float64Array.of(0.1).buffer);
    expect(readTensorProto(proto(11, [1], bytes(10, double))).data).toEqual(Float64Array.of(0.1));
  });

  it('holds float16 as the bits of an int32', () => {
    const value = readTensorProto(proto(10, [2], bytes(5, varint(0x3c00), varint(0xc000))));
    expect(value).toEqual(tensor('float16', [2], Float16Array.of(1, -2)));
  });

  it.each<[string, Buffer, ErrorCode]>([
    ['too few elements', proto(6, [3], bytes(5, varint(1))), 'MODEL_MALFORMED'],
    ['too many elements', proto(6, [1], bytes(5, varint(1), varint(2))), 'MODEL_MALFORMED'],
    ['an element that does not fit', proto(2, [1], bytes(5, varint(256))), 'MODEL_MALFORMED'],
    ['raw data of another length', proto(1, [2], bytes(9, f32(1))), 'MODEL_MALFORMED'],
    ['floats of a broken length', proto(1, [1], bytes(4, Buffer.alloc(3))), 'MODEL_MALFORMED'],
    ['data in the field of another type', proto(1, [1], bytes(5, varint(1))), 'MODEL_MALFORMED'],
    ['a negative dimension', proto(1, [-1]), 'MODEL_MALFORMED'],
    ['dimensions whose product is beyond int64', proto(1, [2 ** 40, 2 ** 40]), 'MODEL_TOO_COMPLEX'],
    ['2^33 declared elements without data', proto(2, [2 ** 33]), 'MODEL_TOO_COMPLEX'],
    ['2^30 declared elements without data', proto(2, [2 ** 30]), 'MODEL_MALFORMED'],
    ['a rank of 17', proto(1, new Array<number>(17).fill(1), bytes(9, f32(1))), 'MODEL_TOO_COMPLEX'],
    ['no element type', proto(0, [1]), 'MODEL_MALFORMED'],
    ['strings', proto(8, [1]), 'MODEL_OUT_OF_SCOPE'],
    ['bfloat16', proto(16, [1]), 'MODEL_OUT_OF_SCOPE'],
    ['a segment', proto(1, [1], bytes(3, integer(1, 0))), 'MODEL_MALFORMED'],
  ])('with %s is refused', (_, file, expected) => {
    expect(code(() => readTensorProto(file))).toBe(expected);
  });
});

describe('a broken or hostile file', () => {
  const relu = nodeProto('Relu', ['x'], ['y']);
  const fine = graph(bytes(1, relu), bytes(11, valueInfo('x', [-1, 3])), bytes(12, valueInfo('y', [-1, 3])));

  it('is told from a good one', () => {
    expect(readModel(model(fine)).graph.nodes).toHaveLength(1);
  });

  it.each<[string, Uint8Array, ErrorCode]>([
    ['nothing', new Uint8Array(0), 'MODEL_MALFORMED'],
    ['text', Buffer.from('<!doctype html><html><body>Not found</body></html>'), 'MODEL_MALFORMED'],
    ['a PNG', Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), 'MODEL_MALFORMED'],
    ['no graph', integer(1, 8), 'MODEL_MALFORMED'],
    ['a varint of eleven bytes', Buffer.concat([tag(1, 0), Buffer.alloc(10, 0x80), Buffer.of(1)]), 'MODEL_MALFORMED'],
    ['a varint above 64 bits', Buffer.concat([tag(1, 0), Buffer.alloc(9, 0xff), Buffer.of(2)]), 'MODEL_MALFORMED'],
    ['a group', Buffer.concat([tag(30, 3), tag(30, 4)]), 'MODEL_MALFORMED'],
    ['wire type 7', Buffer.from([(30 << 3) | 7, 1].slice(0, 1)), 'MODEL_MALFORMED'],
    ['field number 0', Buffer.of(2, 0), 'MODEL_MALFORMED'],
    ['a length beyond the file', Buffer.concat([tag(7, 2), varint(2n ** 40n), fine]), 'MODEL_MALFORMED'],
    ['a length beyond the enclosing message', model(graph(tag(1, 2), varint(500), relu)), 'MODEL_MALFORMED'],
    ['a graph that is a number', integer(7, 1), 'MODEL_MALFORMED'],
    ['a name that is not UTF-8', model(graph(bytes(2, Buffer.of(0xff, 0xfe)))), 'MODEL_MALFORMED'],
    ['a name of 100 kB', model(graph(bytes(2, 'n'.repeat(100_000)))), 'MODEL_TOO_COMPLEX'],
    ['functions', Buffer.concat([model(fine), bytes(25, '')]), 'MODEL_OUT_OF_SCOPE'],
    ['sparse initializers', model(graph(fine, bytes(15, ''))), 'MODEL_OUT_OF_SCOPE'],
    [
      'an attribute without a value',
      model(graph(bytes(1, nodeProto('A', [], ['y'], bytes(1, 'a'))))),
      'MODEL_MALFORMED',
    ],
    [
      'an attribute of a function',
      model(graph(bytes(1, nodeProto('A', [], ['y'], bytes(21, 'a'))))),
      'MODEL_MALFORMED',
    ],
  ])('%s is refused', (_, file, expected) => {
    expect(code(() => readModel(file))).toBe(expected);
  });

  it('is refused as soon as it exceeds a budget', () => {
    const many = model(Buffer.concat(new Array<Buffer>(1000).fill(bytes(1, ''))));
    expect(code(() => readModel(many, { limits: { nodeCount: 999 } }))).toBe('MODEL_TOO_COMPLEX');
    expect(code(() => readModel(many, { limits: { itemCount: 900 } }))).toBe('MODEL_TOO_COMPLEX');
    expect(code(() => readModel(many, { limits: { fileBytes: many.length - 1 } }))).toBe('MODEL_TOO_COMPLEX');
    const dims = bytes(8, ...new Array<Buffer>(5000).fill(varint(1)));
    const numbers = model(graph(bytes(1, nodeProto('A', [], ['y'], Buffer.concat([bytes(1, 'a'), dims])))));
    expect(code(() => readModel(numbers, { limits: { numberCount: 4999 } }))).toBe('MODEL_TOO_COMPLEX');
    const initializers = model(
      graph(...new Array<Buffer>(20).fill(bytes(5, writeTensorProto(tensor('float32', []), 'w')))),
    );
    expect(code(() => readModel(initializers, { limits: { initializerCount: 19 } }))).toBe('MODEL_TOO_COMPLEX');
  });

  it('may nest sub-graphs without end: they are noted, not read', () => {
    let nested: Uint8Array = bytes(2, 'leaf');
    for (let depth = 0; depth < 2_000; depth++)
      nested = bytes(1, nodeProto('Loop', [], ['y'], Buffer.concat([bytes(1, 'body'), bytes(6, nested)])));
    const attribute = Buffer.concat([bytes(1, 'body'), bytes(6, nested), integer(20, 5)]);
    const read = readModel(model(graph(bytes(1, nodeProto('Loop', [], ['y'], attribute)))));
    expect(read.graph.nodes[0]?.attributes).toEqual([{ name: 'body', kind: 'graph' }]);
  });

  it('takes the last of a repeated singular field', () => {
    const file = Buffer.concat([
      model(graph(bytes(2, 'first'))),
      bytes(2, 'a'),
      bytes(2, 'b'),
      bytes(7, bytes(2, 'last')),
    ]);
    const read: ModelProto = readModel(file);
    expect(read.producerName).toBe('b');
    expect(read.graph.name).toBe('last');
  });
});
