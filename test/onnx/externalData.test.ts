import { describe, expect, it } from 'vitest';
import { readModel } from '../../src/onnx/index.ts';
import { bytes, externalTensor, model } from '../support/proto.ts';

const file = (fields: Readonly<Record<string, string>>): Uint8Array =>
  model(bytes(5, externalTensor('w', [2], fields)));
const part = (...values: readonly number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);

const read = (fields: Readonly<Record<string, string>>, parts: readonly (readonly [string, Uint8Array])[]) =>
  readModel(file(fields), { externalData: new Map(parts) }).graph.initializers[0]?.tensor;

describe('external data', () => {
  it('comes from the part of exactly that name, at its offset', () => {
    const data = part(1, 2, 3, 4);
    const found = read({ location: 'weights.bin', offset: '4', length: '8' }, [['weights.bin', data]]);
    expect(found?.data).toEqual(Float32Array.of(2, 3));
    expect(found?.data.buffer).toBe(data.buffer);
  });

  it('starts at 0 and has the tensor’s length where the file says nothing; unknown keys are ignored', () => {
    const found = read({ location: 'a/../b', checksum: '1', exists: 'yes' }, [['a/../b', part(7, 8, 9)]]);
    expect(found?.data).toEqual(Float32Array.of(7, 8));
  });

  it.each<[string, Readonly<Record<string, string>>]>([
    ['no location', { offset: '0' }],
    ['a part that was not sent', { location: 'other.bin' }],
    ['a path to the same name', { location: './weights.bin' }],
    ['a path out of the upload', { location: '../../etc/passwd' }],
    ['a name of an object member', { location: '__proto__' }],
    ['an offset beyond the part', { location: 'weights.bin', offset: '12' }],
    ['an offset that is negative', { location: 'weights.bin', offset: '-4' }],
    ['an offset that is no integer', { location: 'weights.bin', offset: '1.5' }],
    ['an offset beyond every number', { location: 'weights.bin', offset: '99999999999999999999' }],
    ['another length than the shape needs', { location: 'weights.bin', length: '4' }],
    ['a huge length', { location: 'weights.bin', length: '999999999999999' }],
  ])('with %s is refused', (_, fields) => {
    expect(() => read(fields, [['weights.bin', part(1, 2, 3, 4)]])).toThrow(
      expect.objectContaining({ code: 'EXTERNAL_DATA_INVALID' }),
    );
  });
});
