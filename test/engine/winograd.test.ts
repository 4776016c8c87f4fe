import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/base/index.ts';
import { fourByFour, reachOf, twoByTwo } from '../../src/engine/kernels/winograd/form.ts';
import type { ConvOperation } from '../../src/graph/index.ts';
import { graphOf, problemOf, quantized, type Problem } from '../suites/problem.ts';
import { emulated, runners } from './support/runners.ts';
import { expectSameBits } from './support/sameBits.ts';

/** A convolution whose middle results are ±255 · 127 · 9 · channels, before scaling. */
function largestSums(channels: number, kernel: RegExp): Problem {
  const outChannels = 2;
  const conv: ConvOperation = {
    ...{ kind: 'conv', name: 'conv', input: 'x', output: 'y', group: 1, clamp: { qmin: 0, qmax: 255 } },
    ...{ strides: [1, 1], dilations: [1, 1], pads: [1, 1, 1, 1] },
    weights: {
      data: Int8Array.from({ length: outChannels * channels * 9 }, (_, index) => (index < channels * 9 ? 127 : -127)),
      ...{ shape: [outChannels, channels, 3, 3], zeroPoints: new Int32Array(outChannels) },
      ...{ scales: new Float32Array(outChannels).fill(1), bias: Int32Array.of(1234, -1234) },
      multipliers: new Float32Array(outChannels).fill(2 ** -19),
    },
  };
  return problemOf({
    graph: graphOf(
      [conv],
      { x: quantized([1, channels, 6, 7], 0), y: quantized([1, outChannels, 6, 7], 128) },
      { inputs: ['x'], outputs: ['y'] },
    ),
    kernels: { conv: () => kernel },
    random: seededRandom(1),
    batch: 1,
    feed: (_value, count) => new Uint8Array(count).fill(255),
  });
}

const perChannel = 255 * 127 * 9;
const most = Math.floor((reachOf(fourByFour) - 1) / perChannel);
const onPairs = runners.filter(([, { dot }]) => dot.operandBytes === 2);

describe('Winograd forms', () => {
  it('divide by their scale exactly', () => {
    for (const { inverse, shift } of [fourByFour, twoByTwo]) {
      const odd = inverse === 1 ? 1 : 9;
      expect(Math.imul(odd, inverse)).toBe(1);
      expect([2 ** 2, 24 ** 2]).toContain(odd * 2 ** shift);
    }
  });

  it.each(onPairs)('of 4 x 4 results take sums up to their reach, on %s', (_, runner) => {
    expectSameBits(largestSums(most, /^conv\.winograd4x4\.pairs$/), runner);
  });

  it.each(onPairs)('leave larger sums to 2 x 2 results, on %s', (_, runner) => {
    expectSameBits(largestSums(most + 1, /^conv\.winograd2x2\.pairs$/), runner);
  });

  it('are not taken where a dot product takes bytes', () => {
    expectSameBits(largestSums(most, /^conv\.gemm\d+x16\.unsigned$/), emulated.unsigned);
  });
});
