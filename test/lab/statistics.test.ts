import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ClassTally, classOutputOf } from '../../src/lab/classification.ts';
import { ErrorTally } from '../../src/lab/outputError.ts';
import { comparePredictions } from '../../src/lab/paired.ts';
import {
  binomialInterval,
  binomialLower,
  binomialUpper,
  incompleteBeta,
  mcnemarExact,
  pairedBound,
} from '../../src/lab/statistics.ts';
import { tensor } from '../../src/tensor/index.ts';

/** Σ C(n, i) pⁱ (1 − p)ⁿ⁻ⁱ over i = 0..k, term by term. */
function binomialAtMost(k: number, n: number, p: number): number {
  let term = (1 - p) ** n;
  let sum = term;
  for (let i = 1; i <= k; i++) {
    term *= (((n - i + 1) / i) * p) / (1 - p);
    sum += term;
  }
  return sum;
}

describe('binomial bounds', () => {
  it('are those of the tables', () => {
    // Clopper-Pearson 95 %: 5 of 10, 0 of 10, 10 of 10; rule of three for the one-sided bound.
    const { low, high } = binomialInterval(5, 10);
    expect(low).toBeCloseTo(0.18709, 5);
    expect(high).toBeCloseTo(0.81291, 5);
    expect(binomialInterval(0, 10).low).toBe(0);
    expect(binomialInterval(0, 10).high).toBeCloseTo(0.3085, 5);
    expect(binomialInterval(10, 10).low).toBeCloseTo(0.6915, 5);
    expect(binomialUpper(0, 100)).toBeCloseTo(1 - 0.05 ** (1 / 100), 10);
    expect(binomialLower(100, 100)).toBeCloseTo(0.05 ** (1 / 100), 10);
  });

  it('are where the binomial tail is 5 %', () => {
    const counts = fc.integer({ min: 1, max: 60 }).chain((n) => fc.tuple(fc.nat(n - 1), fc.constant(n)));
    fc.assert(
      fc.property(counts, ([k, n]) => {
        expect(binomialAtMost(k, n, binomialUpper(k, n))).toBeCloseTo(0.05, 6);
        expect(binomialAtMost(k, n, 1 - binomialLower(n - k, n))).toBeCloseTo(0.05, 6);
      }),
    );
  });

  it('hold for ten thousand samples', () => {
    const { low, high } = binomialInterval(9_952, 10_000);
    expect(low).toBeCloseTo(0.99364, 4);
    expect(high).toBeCloseTo(0.99645, 4);
  });
});

describe('the incomplete beta function', () => {
  it('is symmetric, and a polynomial for whole parameters', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 1, max: 300 }),
        (x, a, b) => {
          expect(incompleteBeta(x, a, b) + incompleteBeta(1 - x, b, a)).toBeCloseTo(1, 9);
          expect(incompleteBeta(x, a, 1)).toBeCloseTo(x ** a, 9);
        },
      ),
    );
  });
});

describe("McNemar's exact test", () => {
  it('is the two-sided sign test', () => {
    expect(mcnemarExact(0, 0)).toBe(1);
    expect(mcnemarExact(5, 0)).toBeCloseTo(2 / 32, 12);
    expect(mcnemarExact(0, 5)).toBeCloseTo(2 / 32, 12);
    expect(mcnemarExact(1, 9)).toBeCloseTo((2 * 11) / 1_024, 12);
    expect(mcnemarExact(4, 4)).toBe(1);
    fc.assert(
      fc.property(fc.nat(60), fc.nat(60), (b, c) => {
        const expected = Math.min(1, 2 * binomialAtMost(Math.min(b, c), b + c, 0.5));
        expect(mcnemarExact(b, c)).toBeCloseTo(b + c === 0 ? 1 : expected, 9);
      }),
    );
  });
});

describe('a tally of answers', () => {
  const scores = (rows: readonly (readonly number[])[]) =>
    tensor('float32', [rows.length, rows[0]!.length], Float32Array.from(rows.flat()));

  it('takes the first of equal scores, and ranks labels', () => {
    const tally = new ClassTally();
    tally.add(
      scores([
        [1, 3, 3],
        [0, 0, 0],
      ]),
      3,
      [2, undefined],
    );
    expect(tally.predictions).toEqual([1, 0]);
    expect(tally.ranks).toEqual([1, -1]);
    expect([tally.labelled, tally.top1Count, tally.top5Count]).toEqual([1, 0, 1]);
  });

  it('never counts a score that is not a number', () => {
    const tally = new ClassTally();
    tally.add(scores([[NaN, NaN]]), 2, [0]);
    expect(tally.top1Count).toBe(0);
  });

  it('compares two on the same samples', () => {
    const [fp32, int8] = [new ClassTally(), new ClassTally()];
    const answers = [0, 0, 0, 1, 1];
    const other = [0, 1, 1, 0, 1];
    const labels = [0, 0, 0, 0, 0];
    fp32.add(scores(answers.map((answer) => (answer === 0 ? [1, 0] : [0, 1]))), 2, labels);
    int8.add(scores(other.map((answer) => (answer === 0 ? [1, 0] : [0, 1]))), 2, labels);
    const paired = comparePredictions(fp32, int8);
    expect(paired.agreement).toBeCloseTo(2 / 5);
    expect(paired.labelled).toMatchObject({ losses: 2, gains: 1, netLoss: 1 / 5, samples: 5 });
    expect(paired.labelled?.bound).toBe(pairedBound(2, 1, 5));
    expect(paired.labelled?.netLossUpper).toBeGreaterThanOrEqual(1 / 5 + pairedBound(2, 1, 5));
  });

  it('finds class scores only in a single output of one axis', () => {
    const type = (shape: number[]) => new Map([['y', { dtype: 'float32' as const, shape }]]);
    expect(classOutputOf(['y'], type([-1, 10]))).toEqual({ name: 'y', classCount: 10 });
    expect(classOutputOf(['y'], type([-1, 10, 1, 1]))).toEqual({ name: 'y', classCount: 10 });
    expect(classOutputOf(['y'], type([-1, 10, 4]))).toBeUndefined();
    expect(classOutputOf(['y'], type([-1, 1]))).toBeUndefined();
    expect(classOutputOf(['y', 'z'], type([-1, 10]))).toBeUndefined();
  });
});

describe('a tally of errors', () => {
  it('gives SQNR, cosine and the largest error over all that was added', () => {
    const tally = new ErrorTally();
    tally.add(Float32Array.of(3, 0), Float32Array.of(3, 0));
    tally.add(Float32Array.of(4), Int8Array.of(3));
    expect(tally.figures().sqnrDb).toBeCloseTo(10 * Math.log10(25 / 1));
    expect(tally.figures().cosine).toBeCloseTo(21 / (5 * Math.sqrt(18)));
    expect(tally.figures().maxError).toBe(1);
  });

  it('counts what is not finite apart', () => {
    const tally = new ErrorTally();
    tally.add(Float32Array.of(1, 1, 1), Float32Array.of(NaN, Infinity, 1));
    expect(tally.notFinite).toBe(2);
    expect(tally.figures()).toEqual({ sqnrDb: null, cosine: 1, maxError: 0 });
  });
});
