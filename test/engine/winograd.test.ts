import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/base/index.ts';
import { fourByFour, reachOf, twoByTwo } from '../../src/engine/kernels/winograd/form.ts';
import type { ConvOperation } from '../../src/graph/index.ts';
import { convProblem, type ConvSizes } from '../suites/conv.ts';
import { graphOf, problemOf, quantized, type Problem } from '../suites/problem.ts';
import { runners } from './support/runners.ts';
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
const onBytes = runners.filter(([, { dot }]) => dot.operandBytes === 1);

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

  it.each(onBytes)('are taken for large layers alone where a dot product takes bytes, on %s', (_, runner) => {
    const { name } = runner.dot;
    expectSameBits(largestSums(most, new RegExp(`^conv\\.gemm\\d+x16\\.${name}$`)), runner);
    const layer: Omit<ConvSizes, 'size'> = {
      ...{ group: 1, perGroup: [64, 20], kernel: [3, 3], strides: [1, 1], dilations: [1, 1], pads: [1, 1, 1, 1] },
      ...{ zeroPoints: [131, 7], clamp: { qmin: 0, qmax: 255 }, signed: false, batch: 1, seed: 1 },
      weights: { regime: 'usual', asymmetric: false, bits: 'normal', bias: 'moderate' },
    };
    const expectKernel = (size: readonly [number, number], kernel: RegExp): void =>
      expectSameBits({ ...convProblem({ ...layer, size }), kernels: new Map([['conv', () => kernel]]) }, runner);
    expectKernel([28, 27], /^conv\.winograd4x4\.pairs$/);
    expectKernel([28, 24], new RegExp(`^conv\\.gemm\\d+x16\\.${name}$`));
  });
});
