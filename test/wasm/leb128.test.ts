import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { signedLeb, unsignedLeb } from '../../src/wasm/index.ts';
import { decodeLeb } from './support/decode.ts';

/** Around every change of length. */
const edges = [0, 1, 63, 64, 127, 128, 8191, 8192, 16383, 16384, 2 ** 20 - 1, 2 ** 20, 2 ** 27, 2 ** 28 - 1, 2 ** 28];

describe('unsigned LEB128', () => {
  it('is read back by another decoder, whole', () => {
    const numbers = fc.oneof(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.constantFrom(...edges, 2 ** 31, 2 ** 32 - 1));
    fc.assert(
      fc.property(numbers, (value) => {
        const bytes = unsignedLeb(value);
        expect(decodeLeb(bytes, 'unsigned')).toEqual([value, bytes.length]);
      }),
    );
  });

  it('is as short as can be', () => {
    for (const [value, length] of [
      [0, 1],
      [127, 1],
      [128, 2],
      [16383, 2],
      [16384, 3],
      [2 ** 32 - 1, 5],
    ] as const)
      expect(unsignedLeb(value)).toHaveLength(length);
  });

  it.each([-1, 0.5, NaN, 2 ** 32])('refuses %s', (value) => {
    expect(() => unsignedLeb(value)).toThrow(`${value} is not a u32`);
  });

  it('is as the specification writes 624485', () => {
    expect(unsignedLeb(624_485)).toEqual([0xe5, 0x8e, 0x26]);
  });
});

describe('signed LEB128', () => {
  it('is read back by another decoder, whole; beyond 2³¹ as its bit pattern', () => {
    const numbers = fc.oneof(
      fc.integer({ min: -(2 ** 31), max: 2 ** 32 - 1 }),
      fc.constantFrom(...edges, ...edges.map((edge) => -edge - 1), 2 ** 31 - 1, -(2 ** 31)),
    );
    fc.assert(
      fc.property(numbers, (value) => {
        const bytes = signedLeb(value);
        expect(decodeLeb(bytes, 'signed')).toEqual([value | 0, bytes.length]);
      }),
    );
  });

  it('is as short as can be', () => {
    for (const [value, length] of [
      [0, 1],
      [-1, 1],
      [63, 1],
      [64, 2],
      [-64, 1],
      [-65, 2],
      [-(2 ** 31), 5],
    ] as const)
      expect(signedLeb(value)).toHaveLength(length);
  });

  it.each([0.5, NaN, 2 ** 32, -(2 ** 31) - 1])('refuses %s', (value) => {
    expect(() => signedLeb(value)).toThrow(`${value} is not an i32`);
  });

  it('is as the specification writes −123456', () => {
    expect(signedLeb(-123_456)).toEqual([0xc0, 0xbb, 0x78]);
  });
});
