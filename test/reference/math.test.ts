import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { erf, exp, log, pow, sigmoid, tanh } from '../../src/reference/math.ts';
import { erf32, exp32, gelu32, geluTanh32, mish32, sigmoid32, tanh32 } from '../../src/reference/math32.ts';

/** Relative error against the platform's function, which is within 2⁻⁵² of the truth. */
function expectClose(actual: number, expected: number, relative = 2 ** -48): void {
  if (!Number.isFinite(expected) || expected === 0) expect(actual).toBe(expected);
  else expect(Math.abs(actual - expected) / Math.abs(expected)).toBeLessThan(relative);
}

const moderate = fc.double({ min: -700, max: 700, noNaN: true });

describe('elementary functions without the platform', () => {
  it('exp', () => {
    fc.assert(fc.property(moderate, (x) => expectClose(exp(x), Math.exp(x))));
    expect([0, -Infinity, Infinity, 1000, -1000].map(exp)).toEqual([1, 0, Infinity, Infinity, 0]);
    expect(exp(NaN)).toBeNaN();
  });

  it('log', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-300, max: 1e300, noNaN: true }), (x) => {
        expect(Math.abs(log(x) - Math.log(x))).toBeLessThanOrEqual(2 ** -48 * Math.max(1, Math.abs(Math.log(x))));
      }),
    );
    expect([1, 0, Infinity].map(log)).toEqual([0, -Infinity, Infinity]);
    expectClose(log(5e-324), Math.log(5e-324));
    expect(log(-1)).toBeNaN();
  });

  it('tanh, also where its terms cancel', () => {
    fc.assert(
      fc.property(fc.double({ min: -30, max: 30, noNaN: true }), (x) => expectClose(tanh(x), Math.tanh(x), 2 ** -40)),
    );
    for (const x of [1e-30, 1e-8, 2 ** -9, -(2 ** -10), 0.01]) expectClose(tanh(x), Math.tanh(x), 2 ** -40);
    expect([0, Infinity, -Infinity].map(tanh)).toEqual([0, 1, -1]);
    expect(tanh(NaN)).toBeNaN();
  });

  it('sigmoid is symmetric and saturates', () => {
    fc.assert(
      fc.property(moderate, (x) => {
        expectClose(sigmoid(x), 1 / (1 + Math.exp(-x)), 2 ** -47);
        expect(Math.abs(sigmoid(x) + sigmoid(-x) - 1)).toBeLessThan(2 ** -51);
      }),
    );
    expect([-1000, 0, 1000].map(sigmoid)).toEqual([0, 0.5, 1]);
  });

  it.each([
    ['exp32', exp32, Math.exp, 80],
    ['sigmoid32', sigmoid32, (x: number) => 1 / (1 + Math.exp(-x)), 80],
    ['tanh32', tanh32, Math.tanh, 20],
  ] as const)('%s keeps to float32 within four units in the last place', (_, f, truth, most) => {
    const argument = fc.float({ min: -most, max: most, noNaN: true });
    fc.assert(
      fc.property(argument, (x) => {
        expect(f(x)).toBe(Math.fround(f(x)));
        expectClose(f(x) + 0, truth(x) + 0, 2 ** -21);
      }),
      { numRuns: 1000 },
    );
    expect(f(NaN)).toBeNaN();
    expect([-Infinity, 0, Infinity].map(f)).toEqual([-Infinity, 0, Infinity].map(truth));
  });

  it.each([
    ['erf32', erf32, erf],
    ['gelu32', gelu32, (x: number) => 0.5 * x * (1 + erf(x * Math.SQRT1_2))],
    ['geluTanh32', geluTanh32, (x: number) => x * sigmoid(2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))],
    ['mish32', mish32, (x: number) => x * tanh(Math.log1p(Math.exp(x)))],
  ] as const)('%s keeps to float32 within a few units in the last place', (_, f, truth) => {
    fc.assert(
      fc.property(fc.float({ min: -4, max: 80, noNaN: true }), (x) => {
        expect(f(x)).toBe(Math.fround(f(x)));
        // below the normal numbers an error is absolute
        expect(Math.abs(f(x) - truth(x))).toBeLessThanOrEqual(Math.abs(truth(x)) * 2 ** -19 + 2 ** -140);
      }),
      { numRuns: 1000 },
    );
    expect(f(NaN)).toBeNaN();
    expect(f(-0)).toBe(-0);
  });

  it('erf32 saturates, and gelu32 keeps what is left of its tail', () => {
    expect([-Infinity, -10, 10, Infinity].map(erf32)).toEqual([-1, -1, 1, 1]);
    // erfc(8 / √2) / 2 = 6.2209605742717e-16
    expectClose(gelu32(-8), -8 * 6.2209605742717e-16, 2 ** -17);
  });

  it('pow by the exponents that have roots', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-300, max: 1e300, noNaN: true }), (x) => {
        expectClose(pow(x, 0.75), x ** 0.75, 2 ** -47);
        expectClose(pow(x, 0.5), Math.sqrt(x));
      }),
    );
  });

  // Values: Abramowitz & Stegun, table 7.1.
  it.each([
    [0, 0],
    [0.1, 0.112462916],
    [0.5, 0.5204998778],
    [1, 0.8427007929],
    [1.5, 0.9661051465],
    [1.9, 0.9927904292],
  ])('erf(%f) = %f', (x, expected) => {
    expect(erf(x)).toBeCloseTo(expected, 10);
    expect(erf(-x) + 0).toBeCloseTo(-expected, 10);
  });

  it('erf is continuous where its two expansions meet', () => {
    expect(Math.abs(erf(3) - erf(3 - 2 ** -50))).toBeLessThan(1e-12);
    expect(erf(10)).toBe(1);
  });

  it('pow', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 1e-3, max: 1e3, noNaN: true }),
        fc.double({ min: -20, max: 20, noNaN: true }),
        (x, y) => {
          expectClose(pow(x, y), Math.pow(x, y), 2 ** -40);
        },
      ),
    );
    expect([pow(-2, 3), pow(2, -2), pow(0, 0), pow(9, 0.5), pow(0, 2.5)]).toEqual([-8, 0.25, 1, 3, 0]);
    expect(pow(-2, 0.5)).toBeNaN();
  });
});
