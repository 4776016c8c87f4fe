import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeResponse, encodeRequest, JSON_LENGTH_HEADER, type ProtocolTensor } from '../../src/client/index.ts';
import { readInferRequest } from '../../src/http/protocol/inferRequest.ts';
import { writeInferResponse } from '../../src/http/protocol/inferResponse.ts';
import type { ModelSummary } from '../../src/store/index.ts';
import { tensor, type Tensor } from '../../src/tensor/index.ts';
import { summary, versionRecord } from '../support/records.ts';

const network: ModelSummary = {
  ...summary,
  inputs: [
    { name: 'a', dtype: 'float32', shape: [-1, 2] },
    { name: 'b', dtype: 'uint8', shape: [-1, 3] },
  ],
  outputs: [
    { name: 'x', dtype: 'float32', shape: [-1, 3] },
    { name: 'y', dtype: 'int64', shape: [-1, 1] },
  ],
};
const read = (json: unknown, header?: string) => readInferRequest(Buffer.from(JSON.stringify(json)), header, network);
const input = (fields: object = {}) => ({ name: 'a', shape: [1, 2], datatype: 'FP32', data: [1, 2], ...fields });

describe('JSON requests', () => {
  it('take flat and nested data alike', () => {
    const flat = read({ inputs: [input({ shape: [2, 2], data: [1, 2, 3, 4] })] });
    const nested = read({
      inputs: [
        input({
          shape: [2, 2],
          data: [
            [1, 2],
            [3, 4],
          ],
        }),
      ],
    });
    expect(flat.feeds).toEqual(nested.feeds);
    expect(flat.feeds.get('a')).toEqual(tensor('float32', [2, 2], Float32Array.of(1, 2, 3, 4)));
  });

  it.each<[string, object, RegExp]>([
    ['no inputs', {}, /'inputs'/],
    ['empty inputs', { inputs: [] }, /'inputs'/],
    ['inputs that are no objects', { inputs: [1] }, /Input 0 must be a JSON object/],
    ['no name', { inputs: [input({ name: undefined })] }, /'name'/],
    ['no shape', { inputs: [input({ shape: undefined })] }, /'shape'/],
    ['no datatype', { inputs: [input({ datatype: undefined })] }, /'datatype'/],
    ['an unknown datatype', { inputs: [input({ datatype: 'FP8' })] }, /'FP8'; allowed: FP32/],
    ['BYTES', { inputs: [input({ datatype: 'BYTES' })] }, /BYTES/],
    ['FP16 as JSON', { inputs: [input({ datatype: 'FP16' })] }, /no JSON form/],
    ['no data', { inputs: [input({ data: undefined })] }, /'data'/],
    ['too few elements', { inputs: [input({ data: [1] })] }, /has 1 elements.*needs 2/],
    ['too many elements', { inputs: [input({ data: [1, 2, 3] })] }, /has 3 elements.*needs 2/],
    ['deeper data than dimensions', { inputs: [input({ data: [[[1, 2]]] })] }, /nests deeper/],
    ['a string element', { inputs: [input({ data: [1, '2'] })] }, /element 1 = "2"/],
    ['a null element', { inputs: [input({ data: [null, 2] })] }, /element 0 = null/],
    ['a fraction for an integer', { inputs: [input({ datatype: 'INT8', data: [1.5, 2] })] }, /1\.5, which is not INT8/],
    ['an integer out of range', { inputs: [input({ datatype: 'UINT8', data: [256, 2] })] }, /256, which is not UINT8/],
    ['a negative dimension', { inputs: [input({ shape: [-1, 2] })] }, /-1/],
    ['a fractional dimension', { inputs: [input({ shape: [1.5, 2] })] }, /1\.5/],
    ['dimensions whose product overflows', { inputs: [input({ shape: [16, 2 ** 60 + 2] })] }, /dimension|elements/],
    ['dimensions whose product is huge', { inputs: [input({ shape: [2 ** 31, 2 ** 31, 2 ** 31] })] }, /at most/],
    ['nine dimensions', { inputs: [input({ shape: [1, 1, 1, 1, 1, 1, 1, 1, 2] })] }, /at most 8/],
    ['an input twice', { inputs: [input(), input()] }, /twice/],
    ['65 inputs', { inputs: Array.from({ length: 65 }, (_, i) => input({ name: `a${i}` })) }, /1 to 64/],
    ['an unknown output', { inputs: [input()], outputs: [{ name: 'z' }] }, /'z' is unknown; the model has 'x', 'y'/],
    ['an output twice', { inputs: [input()], outputs: [{ name: 'x' }, { name: 'x' }] }, /twice/],
    ['nested parameters', { inputs: [input({ parameters: { p: {} } })] }, /'p'/],
    [
      'a binary size without bytes',
      { inputs: [input({ data: undefined, parameters: { binary_data_size: 8 } })] },
      /0 are left/,
    ],
    ['a wrong binary size', { inputs: [input({ data: undefined, parameters: { binary_data_size: 7 } })] }, /needs 8/],
    [
      'a binary size that is no number',
      { inputs: [input({ data: undefined, parameters: { binary_data_size: '8' } })] },
      /needs 8/,
    ],
    [
      'a negative binary size',
      { inputs: [input({ data: undefined, parameters: { binary_data_size: -8 } })] },
      /needs 8/,
    ],
    ['data and a binary size', { inputs: [input({ parameters: { binary_data_size: 8 } })] }, /both/],
    [
      'a classification of 0',
      { inputs: [input()], outputs: [{ name: 'x', parameters: { classification: 0 } }] },
      /classification 0/,
    ],
    [
      'binary_data as a word',
      { inputs: [input()], outputs: [{ name: 'x', parameters: { binary_data: 'yes' } }] },
      /true or false/,
    ],
    ['an id that is no string', { id: 7, inputs: [input()] }, /'id'/],
  ])('refuse %s', (_name, json, message) => {
    expect(() => read(json)).toThrow(
      expect.objectContaining({ code: 'INFERENCE_INVALID', message: expect.stringMatching(message) as string }),
    );
  });

  it.each(['-1', '1e3', 'x', '99999999999', '0x10', ' '])('refuse the header length %j', (header) => {
    expect(() => read({ inputs: [input()] }, header)).toThrow(expect.objectContaining({ code: 'INFERENCE_INVALID' }));
  });
});

describe('binary requests', () => {
  const request = encodeRequest({
    a: { datatype: 'FP32', shape: [1, 2], data: Float32Array.of(1, -2) },
    b: { datatype: 'UINT8', shape: [1, 3], data: Uint8Array.of(7, 8, 9) },
  });
  const length = request.headers[JSON_LENGTH_HEADER] ?? '';

  it('hold the tensors behind the JSON, in order: golden bytes', () => {
    const json =
      '{"parameters":{"binary_data_output":true},"inputs":[{"name":"a","datatype":"FP32","shape":[1,2],"parameters":' +
      '{"binary_data_size":8}},{"name":"b","datatype":"UINT8","shape":[1,3],"parameters":{"binary_data_size":3}}]}';
    expect(Buffer.from(request.body).toString('latin1')).toBe(`${json}\x00\x00\x80\x3f\x00\x00\x00\xc0\x07\x08\x09`);
    const { feeds, binaryByDefault } = readInferRequest(Buffer.from(request.body), length, network);
    expect(binaryByDefault).toBe(true);
    expect([...feeds.values()].map(({ data }) => [...data])).toEqual([
      [1, -2],
      [7, 8, 9],
    ]);
  });

  it.each([-1, 1])('refuse a body that is %i bytes too long', (extra) => {
    const body = extra < 0 ? request.body.slice(0, extra) : Buffer.concat([request.body, Buffer.alloc(extra)]);
    expect(() => readInferRequest(Buffer.from(body), length, network)).toThrow(
      expect.objectContaining({ code: 'INFERENCE_INVALID' }),
    );
  });

  it('keep their own bytes: the body may sit at any offset', () => {
    const shifted = Buffer.concat([Buffer.from('x'), request.body]).subarray(1);
    const { feeds } = readInferRequest(shifted, length, network);
    shifted.fill(0);
    expect([...(feeds.get('a')?.data ?? [])]).toEqual([1, -2]);
  });
});

describe('raw requests', () => {
  const single = { ...network, inputs: network.inputs.slice(0, 1) };

  it('are the one input, the batch following from the size', () => {
    const body = Buffer.from(Float32Array.of(1, 2, 3, 4).buffer);
    expect(readInferRequest(body, '0', single).feeds.get('a')).toEqual(
      tensor('float32', [2, 2], Float32Array.of(1, 2, 3, 4)),
    );
  });

  it.each([0, 7, 9, 12])('refuse %i bytes', (size) => {
    expect(() => readInferRequest(Buffer.alloc(size), '0', single)).toThrow(/multiple of 8/);
  });

  it('refuse a network of two inputs', () => {
    expect(() => readInferRequest(Buffer.alloc(8), '0', network)).toThrow(/one input/);
  });
});

describe('responses', () => {
  const version = versionRecord({ summary: network, labels: ['zero', 'one', 'two'] });
  const outputs = new Map<string, Tensor>([
    ['x', tensor('float32', [2, 3], Float32Array.of(0.5, 2, 1, 3, -1, 0.25))],
    ['y', tensor('int64', [2, 1], BigInt64Array.of(5n, -6n))],
  ]);
  const respond = (request: object) => {
    const { bytes, jsonLength } = writeInferResponse(
      { id: 'r1', feeds: new Map(), outputs: [], binaryByDefault: false, ...request },
      outputs,
      version,
    );
    return decodeResponse(bytes, jsonLength === undefined ? null : String(jsonLength));
  };

  it('are the same tensors as JSON and as bytes', () => {
    const json = respond({});
    expect(json).toEqual(respond({ binaryByDefault: true }));
    expect(json.id).toBe('r1');
    expect(json.outputs['y']?.data).toEqual(BigInt64Array.of(5n, -6n));
  });

  it('hold only the outputs asked for, in their order', () => {
    const { outputs: got } = respond({
      outputs: ['y', 'x'].map((name) => ({ name, binary: name === 'x', classification: 0 })),
    });
    expect(Object.keys(got)).toEqual(['y', 'x']);
  });

  it.each([true, false])('classify as value:index:label (binary %s)', (binary) => {
    const { outputs: got } = respond({ outputs: [{ name: 'x', binary, classification: 2 }] });
    expect(got['x']).toEqual({
      datatype: 'BYTES',
      shape: [2, 2],
      data: ['2:1:one', '1:2:two', '3:0:zero', '0.25:2:two'],
    });
  });

  it('refuse values that JSON does not have, but send them as bytes', () => {
    const infinite = new Map<string, Tensor>([
      ...outputs,
      ['x', tensor('float32', [1, 3], Float32Array.of(1, Infinity, NaN))],
    ]);
    const write = (binaryByDefault: boolean) =>
      writeInferResponse({ id: undefined, feeds: new Map(), outputs: [], binaryByDefault }, infinite, version);
    expect(() => write(false)).toThrow(/binary data/);
    expect(write(true).jsonLength).toBeGreaterThan(0);
  });
});

describe('both codecs', () => {
  const element = fc.integer({ min: 0, max: 100 });
  const tensors = fc.dictionary(
    fc.string({ minLength: 1, maxLength: 8 }).filter((name) => name !== '__proto__'),
    fc.tuple(fc.constantFrom('FP32', 'INT8', 'UINT16', 'FP64', 'INT32'), fc.array(element, { maxLength: 12 })),
    { minKeys: 1, maxKeys: 5 },
  );

  it('agree on any set of tensors', () => {
    const arrays = { FP32: Float32Array, INT8: Int8Array, UINT16: Uint16Array, FP64: Float64Array, INT32: Int32Array };
    fc.assert(
      fc.property(tensors, (specs) => {
        const inputs = Object.fromEntries(
          Object.entries(specs).map(([name, [datatype, data]]) => [
            name,
            {
              datatype,
              shape: [data.length],
              data: arrays[datatype].from(data),
            } as ProtocolTensor,
          ]),
        );
        const { body, headers } = encodeRequest(inputs);
        const { feeds } = readInferRequest(Buffer.from(body), headers[JSON_LENGTH_HEADER], network);
        expect([...feeds].map(([name, { data }]) => [name, [...data]])).toEqual(
          Object.entries(specs).map(([name, [, data]]) => [name, data]),
        );
      }),
    );
  });
});
