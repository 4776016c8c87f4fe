import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nearestEven, requantize } from '../../src/reference/requantize.ts';

const f32 = Math.fround;

/** Every accumulator that float32 treats differently: ties, the end of exact integers, the ends of int32. */
const acc = fc.oneof(
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  fc.integer({ min: -4096, max: 4096 }),
  fc.constantFrom(0, 1, -1, 2 ** 24, 2 ** 24 + 1, 2 ** 24 - 1, -(2 ** 24) - 1, 2 ** 31 - 1, -(2 ** 31)),
);

/** Float32 multipliers with random mantissas, from 2⁻³² up to 2⁸. */
const multiplier = fc
  .tuple(fc.integer({ min: 2 ** 23, max: 2 ** 24 - 1 }), fc.integer({ min: -32, max: 7 }))
  .map(([mantissa, exponent]) => f32(mantissa * 2 ** (exponent - 23)));

const zeroPoint = fc.integer({ min: 0, max: 255 });

/** Ties to even from first principles: the candidate that is nearer, and of two the even one. */
function nearestByDistance(x: number): number {
  const below = Math.floor(x);
  const distance = x - below;
  if (distance === 0.5) return below % 2 === 0 ? below : below + 1;
  return distance < 0.5 ? below : below + 1;
}

describe('nearestEven', () => {
  it('takes ties to the even neighbour', () => {
    const ties = [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 127.5, 254.5, 255.5, 2 ** 22 + 0.5];
    expect(ties.map(nearestEven).map((x) => x + 0)).toEqual([0, 2, 2, 0, -2, -2, 128, 254, 256, 2 ** 22]);
  });

  it('is the nearest integer of any float32', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (x) => {
        expect(nearestEven(x) + 0).toBe(nearestByDistance(x) + 0);
      }),
      { numRuns: 2000 },
    );
  });

  it('keeps integers, infinities and NaN', () => {
    for (const x of [0, 1, -1, 2 ** 52, -(2 ** 53), 2 ** 60, Infinity, -Infinity, NaN]) expect(nearestEven(x)).toBe(x);
  });
});

describe('requantize', () => {
  // accumulator, multiplier, result: the inputs on which the published roundings disagree (style of XNNPACK's fp32).
  it.each([
    [2, 0.25, 0],
    [-1998, 0.25, -500],
    [-1994, 0.25, -498],
    [-1995, f32(0.3), -598],
  ])('rounds %i x %f to %i', (sum, factor, expected) => {
    expect(requantize(sum, factor, 0, -1000, 1000)).toBe(expected);
  });

  it('multiplies in float32: 127.499995 stays below the tie', () => {
    // f32(0.273939937 / 0.00214854861) as one product would be the tie 127.5.
    const quotient = f32(f32(0.273939937) / f32(0.00214854861));
    expect(quotient).toBeLessThan(127.5);
    expect(nearestEven(quotient)).toBe(127);
  });

  it('is exact for powers of two', () => {
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 20), max: 2 ** 20 }), fc.integer({ min: 0, max: 12 }), (sum, shift) => {
        const exact = sum / 2 ** shift;
        expect(requantize(sum, 2 ** -shift, 0, -(2 ** 30), 2 ** 30) + 0).toBe(nearestByDistance(exact) + 0);
      }),
    );
  });

  it('is monotone in the accumulator', () => {
    fc.assert(
      fc.property(acc, acc, multiplier, zeroPoint, (a, b, factor, zero) => {
        const [low, high] = a < b ? [a, b] : [b, a];
        expect(requantize(low, factor, zero, 0, 255)).toBeLessThanOrEqual(requantize(high, factor, zero, 0, 255));
      }),
    );
  });

  it('is odd where nothing clamps and the zero point is 0', () => {
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 31) + 1, max: 2 ** 31 - 1 }), multiplier, (sum, factor) => {
        const limit = 2 ** 45;
        expect(requantize(-sum, factor, 0, -limit, limit) + 0).toBe(-requantize(sum, factor, 0, -limit, limit) + 0);
      }),
    );
  });

  it('gives an integer within the clamp, whatever the sum', () => {
    fc.assert(
      fc.property(acc, multiplier, zeroPoint, zeroPoint, zeroPoint, (sum, factor, zero, a, b) => {
        const [qmin, qmax] = a < b ? [a, b] : [b, a];
        const q = requantize(sum, factor, zero, qmin, qmax);
        expect(Number.isInteger(q) && q >= qmin && q <= qmax).toBe(true);
      }),
    );
  });

  it('saturates at both ends of int32', () => {
    expect(requantize(2 ** 31 - 1, 1, 128, 0, 255)).toBe(255);
    expect(requantize(-(2 ** 31), 1, 128, 0, 255)).toBe(0);
    expect(requantize(2 ** 31 - 1, 2 ** 127, 128, 0, 255)).toBe(255);
    expect(requantize(-(2 ** 31), 2 ** 127, 128, 0, 255)).toBe(0);
  });

  it('takes 0 to the zero point', () => {
    fc.assert(
      fc.property(multiplier, zeroPoint, (factor, zero) => {
        expect(requantize(0, factor, zero, 0, 255)).toBe(zero);
      }),
    );
  });

  it('errs by at most half a step, and the rounding of the product', () => {
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 24), max: 2 ** 24 }), multiplier, (sum, factor) => {
        const real = sum * factor;
        const limit = 2 ** 45;
        const error = Math.abs(requantize(sum, factor, 0, -limit, limit) - real);
        expect(error).toBeLessThanOrEqual(0.5 + Math.abs(real) * 2 ** -24);
      }),
    );
  });

  it('equals the rounding that SIMD code does by adding 1.5 · 2²³ to a clamped product', () => {
    const magic = 12582912;
    const fround = f32;
    fc.assert(
      fc.property(acc, multiplier, zeroPoint, (sum, factor, zero) => {
        const product = fround(fround(sum) * factor);
        const clamped = Math.min(Math.max(product, -zero), 255 - zero);
        const rounded = fround(fround(clamped + magic) - magic);
        expect(rounded + zero).toBe(requantize(sum, factor, zero, 0, 255));
      }),
      { numRuns: 5000 },
    );
  });
});
