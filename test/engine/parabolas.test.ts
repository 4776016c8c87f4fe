import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parabolasOf, type Parabolas } from '../../src/engine/kernels/table/parabolas.ts';

/** What the parabolas give, in plain integers. */
function entriesOf({ coefficients, exceptions }: Parabolas, table: Uint8Array): Uint8Array {
  const bytes = new Int8Array(coefficients.buffer);
  return Uint8Array.from({ length: 256 }, (_, x) => {
    const [row, t] = [x >> 4, x & 15];
    if (exceptions.includes(row)) return table[x]!;
    const c0 = coefficients[row]! | (bytes[16 + row]! << 8);
    const sum = c0 + bytes[32 + row]! * t + (bytes[48 + row]! * t * (t - 1)) / 2;
    expect(Math.abs(sum + 0.5)).toBeLessThan(32_768);
    return Math.min(255, Math.max(0, sum >> 6));
  });
}

const saturate = (y: number): number => Math.min(255, Math.max(0, Math.round(y)));
const activations = {
  sigmoid: (x: number) => 1 / (1 + Math.exp(-x)),
  silu: (x: number) => x / (1 + Math.exp(-x)),
  hardSwish: (x: number) => (x * Math.min(6, Math.max(0, x + 3))) / 6,
  tanh: (x: number) => Math.tanh(x),
};

describe('tables as parabolas', () => {
  it('give every entry exactly, or say that a row is an exception', () => {
    const quantizations = fc.record({
      name: fc.constantFrom(...(Object.keys(activations) as (keyof typeof activations)[])),
      inputScale: fc.double({ min: 0.01, max: 0.2, noNaN: true }),
      outputScale: fc.double({ min: 0.002, max: 0.1, noNaN: true }),
      zeroPoints: fc.tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 255 })),
    });
    fc.assert(
      fc.property(quantizations, ({ name, inputScale, outputScale, zeroPoints }) => {
        const table = Uint8Array.from({ length: 256 }, (_, q) =>
          saturate(activations[name]((q - zeroPoints[0]) * inputScale) / outputScale + zeroPoints[1]),
        );
        const parabolas = parabolasOf(table);
        if (parabolas) expect(entriesOf(parabolas, table)).toEqual(table);
      }),
    );
  });

  it('are found for the activations of usual networks, and not for noise', () => {
    const silu = Uint8Array.from({ length: 256 }, (_, q) => saturate(activations.silu((q - 120) * 0.06) / 0.035 + 8));
    expect(parabolasOf(silu)?.exceptions).toEqual([]);
    expect(parabolasOf(Uint8Array.from({ length: 256 }, (_, q) => (q * 97) & 255))).toBeUndefined();
  });
});
