import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError, seededRandom } from '../../src/base/index.ts';
import {
  dequantize,
  limitsOf,
  nearestEven,
  quantize,
  quantizeStochastically,
  quantParamsOf,
  representableRange,
  simulate,
  smallestScale,
  sqnr,
  type QuantizerSpec,
} from '../../src/quant/quantizer.ts';

const real = fc.float({ noNaN: true, noDefaultInfinity: true, min: Math.fround(-1e20), max: Math.fround(1e20) });
const spec: fc.Arbitrary<QuantizerSpec> = fc.record({
  bits: fc.integer({ min: 2, max: 8 }),
  signed: fc.boolean(),
  symmetric: fc.boolean(),
  narrowRange: fc.boolean(),
});
/** Symmetric unsigned quantizers exist for one-sided tensors only. */
const problem = fc
  .tuple(spec, real, real)
  .map(([kind, a, b]) => {
    const oneSided = kind.symmetric && !kind.signed;
    return { kind, range: { min: oneSided ? 0 : Math.min(a, b), max: oneSided ? Math.abs(b) : Math.max(a, b) } };
  })
  .filter(({ range }) => Math.max(Math.abs(range.min), Math.abs(range.max)) > 1e-10);

describe('affine and symmetric quantizers', () => {
  it('stores a positive float32 scale and a zero point within the limits', () => {
    fc.assert(
      fc.property(problem, ({ kind, range }) => {
        const { scale, zeroPoint, qmin, qmax } = quantParamsOf(range, kind, 'x');
        expect(scale).toBe(Math.fround(scale));
        expect(scale).toBeGreaterThanOrEqual(smallestScale);
        expect(zeroPoint).toBeGreaterThanOrEqual(qmin);
        expect(zeroPoint).toBeLessThanOrEqual(qmax);
        expect(Number.isInteger(zeroPoint)).toBe(true);
        if (kind.symmetric) expect(zeroPoint).toBe(0);
      }),
    );
  });

  it('represents 0 exactly', () => {
    fc.assert(
      fc.property(problem, ({ kind, range }) => {
        const params = quantParamsOf(range, kind, 'x');
        expect(Math.abs(simulate(0, params))).toBe(0);
      }),
    );
  });

  it('errs by half a step at most within the range', () => {
    fc.assert(
      fc.property(problem, fc.double({ min: 0, max: 1, noNaN: true }), ({ kind, range }, share) => {
        const params = quantParamsOf(range, kind, 'x');
        const [low, high] = [Math.min(range.min, 0), Math.max(range.max, 0)];
        const x = Math.fround(low + share * (high - low));
        const rounding = (Math.abs(x) + params.scale) * 2 ** -20;
        expect(Math.abs(simulate(x, params) - x)).toBeLessThanOrEqual(params.scale / 2 + rounding);
      }),
    );
  });

  it('is monotone', () => {
    fc.assert(
      fc.property(problem, real, real, ({ kind, range }, a, b) => {
        const params = quantParamsOf(range, kind, 'x');
        expect(quantize(Math.min(a, b), params)).toBeLessThanOrEqual(quantize(Math.max(a, b), params));
      }),
    );
  });

  it('is idempotent: every integer survives dequantize and quantize', () => {
    fc.assert(
      fc.property(problem, ({ kind, range }) => {
        const params = quantParamsOf(range, kind, 'x');
        for (let q = params.qmin; q <= params.qmax; q++) expect(quantize(dequantize(q, params), params)).toBe(q);
      }),
      { numRuns: 50 },
    );
  });

  it('saturates beyond the range', () => {
    fc.assert(
      fc.property(problem, ({ kind, range }) => {
        const params = quantParamsOf(range, kind, 'x');
        const { min, max } = representableRange(params);
        expect(quantize(max + 10 * params.scale, params)).toBe(params.qmax);
        expect(quantize(min - 10 * params.scale, params)).toBe(params.qmin);
        expect(quantize(Infinity, params)).toBe(params.qmax);
        expect(quantize(NaN, params)).toBe(params.zeroPoint);
      }),
    );
  });

  it('knows the limits of the whitepaper', () => {
    const limits = (bits: number, signed: boolean, narrowRange: boolean): number[] =>
      Object.values(limitsOf({ bits, signed, symmetric: true, narrowRange }));
    expect(limits(8, true, true)).toEqual([-127, 127]);
    expect(limits(8, true, false)).toEqual([-128, 127]);
    expect(limits(8, false, false)).toEqual([0, 255]);
    expect(limits(4, true, true)).toEqual([-7, 7]);
    expect(limits(2, true, false)).toEqual([-2, 1]);
  });

  it('widens a one-sided range to hold 0', () => {
    const params = quantParamsOf(
      { min: 2.1, max: 3.5 },
      { bits: 8, signed: false, symmetric: false, narrowRange: false },
      'x',
    );
    expect(params).toEqual({ scale: Math.fround(3.5 / 255), zeroPoint: 0, qmin: 0, qmax: 255 });
  });

  it('gives a tensor of nothing but 0 the scale 1, and lifts scales that are not normal numbers', () => {
    const kind: QuantizerSpec = { bits: 8, signed: true, symmetric: true, narrowRange: true };
    expect(quantParamsOf({ min: 0, max: 0 }, kind, 'x').scale).toBe(1);
    expect(quantParamsOf({ min: 0, max: 1e-40 }, kind, 'x').scale).toBe(smallestScale);
  });

  it.each([
    [{ min: NaN, max: 1 }],
    [{ min: 0, max: Infinity }],
    [{ min: 2, max: 1 }],
    [{ min: -3.4e38, max: 3.4e38 * 1000 }],
  ])('refuses the range %o', (range) => {
    const kind: QuantizerSpec = { bits: 8, signed: false, symmetric: false, narrowRange: false };
    expect(() => quantParamsOf(range, kind, 'relu_1')).toThrow(AppError);
  });
});

describe('rounding', () => {
  it('takes ties to even', () => {
    expect([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.49, 3.51].map((x) => nearestEven(x) + 0)).toEqual([
      -2, -2, 0, 0, 2, 2, 3, 4,
    ]);
  });
});

describe('stochastic quantizer', () => {
  it('passes x through in expectation and only ever hits the two neighbours', () => {
    const params = quantParamsOf(
      { min: -1, max: 1 },
      { bits: 4, signed: true, symmetric: false, narrowRange: false },
      'x',
    );
    const random = seededRandom(7);
    for (const x of [-0.9, -0.33, 0, 0.1, 0.5, 0.77]) {
      const draws = Array.from({ length: 4000 }, () => dequantize(quantizeStochastically(x, params, random), params));
      for (const draw of draws) expect(Math.abs(draw - x)).toBeLessThanOrEqual(params.scale * 1.0001);
      const mean = draws.reduce((a, b) => a + b, 0) / draws.length;
      expect(Math.abs(mean - x)).toBeLessThan((4 * params.scale) / Math.sqrt(draws.length));
    }
  });

  it('saturates', () => {
    const params = quantParamsOf(
      { min: -1, max: 1 },
      { bits: 8, signed: true, symmetric: true, narrowRange: true },
      'x',
    );
    expect(quantizeStochastically(5, params, seededRandom(1))).toBe(127);
    expect(quantizeStochastically(-5, params, seededRandom(1))).toBe(-127);
  });
});

describe('signal to quantization noise', () => {
  it('is 10 log10 of the ratio of powers', () => {
    expect(sqnr([3, 4], [3, 4.5])).toBeCloseTo(10 * Math.log10(25 / 0.25), 10);
    expect(sqnr([1, 2], [1, 2])).toBe(Infinity);
  });
});
