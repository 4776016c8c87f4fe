import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { classScores, isDistribution, softmax, topK } from '../../src/serving/index.ts';
import { tensor } from '../../src/tensor/index.ts';

const scores = fc.array(fc.float({ noNaN: true, min: -50, max: 50 }), { minLength: 1, maxLength: 40 });

describe('topK', () => {
  it('equals a stable sort by score', () => {
    fc.assert(
      fc.property(scores, fc.integer({ min: 1, max: 50 }), (values, k) => {
        const sorted = values
          .map((score, index) => ({ index, score }))
          .sort((a, b) => b.score - a.score || a.index - b.index);
        expect(topK(values, k)).toEqual(sorted.slice(0, k));
      }),
    );
  });
});

describe('softmax', () => {
  it('sums to one, keeps the order and bears large logits', () => {
    fc.assert(
      fc.property(scores, (values) => {
        const result = softmax(values.map((value) => value * 20));
        expect(result.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 9);
        expect(topK(result, 1)[0]?.score).toBe(result[topK(values, 1)[0]?.index ?? -1]);
      }),
    );
  });

  it('makes a distribution that is recognized', () => {
    fc.assert(fc.property(scores, (values) => isDistribution(softmax(values))));
  });
});

describe('isDistribution', () => {
  it('is false for logits', () => {
    expect(isDistribution([2.5, -1, 0.3])).toBe(false);
    expect(isDistribution([0.9, 0.9, 0.9])).toBe(false);
    expect(isDistribution([NaN, 1])).toBe(false);
  });

  it('bears the rounding of eight bits', () => {
    expect(isDistribution(Array.from({ length: 10 }, (_, i) => (i === 0 ? 229 / 256 : 3 / 256)))).toBe(true);
  });
});

describe('classScores', () => {
  it('takes [1, K] and [1, K, 1, 1] alone', () => {
    const data = new Float32Array(4);
    expect(classScores(tensor('float32', [1, 4], data))).toBe(data);
    expect(classScores(tensor('float32', [1, 4, 1, 1], data))).toBe(data);
    expect(classScores(tensor('float32', [2, 2], data))).toBeUndefined();
    expect(classScores(tensor('float32', [1, 1, 2, 2], data))).toBeUndefined();
    expect(classScores(tensor('int32', [1, 4]))).toBeUndefined();
  });
});
