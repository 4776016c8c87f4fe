import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/base/index.ts';
import { pairs } from '../../src/engine/dot.ts';
import { planNetwork } from '../../src/engine/plan/plan.ts';
import type { ConvOperation, Operation } from '../../src/graph/index.ts';
import { clamps, graphOf, problemOf, quantized, randomBytes, upTo, type Problem } from '../suites/problem.ts';
import { randomWeights } from '../suites/weights.ts';
import { runners } from './support/runners.ts';
import { expectSameBits } from './support/sameBits.ts';

/**
 * What else stands between or behind the convolution and its pool.
 *   sum     a value added to the convolution's result      gate     the pooled value, times its means
 *   tables  of the input, one of the other, in between     again    a second pool of the same value, which is an output, too
 */
const companions = ['nothing', 'sum', 'gate', 'tables', 'again'] as const;

interface Sizes {
  readonly channels: readonly [number, number];
  /** 1 where absent. */
  readonly group?: number;
  readonly kernel: 1 | 3;
  readonly size: readonly [number, number];
  readonly with: (typeof companions)[number];
  readonly clamp: { readonly qmin: number; readonly qmax: number };
  /** Of the pool; the whole image where absent. */
  readonly window?: readonly [number, number];
  readonly seed: number;
}

const NOTHING = { qmin: 0, qmax: 255 };

/** A convolution and its companions, and the means of what comes of it over all pixels, or over a window. */
function pooled(sizes: Sizes, expected: { conv: RegExp; pool: RegExp }): Problem {
  const { channels, kernel, size, clamp, group = 1, window = size } = sizes;
  const [inChannels, outChannels] = channels;
  const random = seededRandom(sizes.seed);
  const kind = { regime: 'usual', asymmetric: false, bits: 8, bias: 'moderate' } as const;
  const pad = (kernel - 1) / 2;
  const conv: ConvOperation = {
    ...{ kind: 'conv', name: 'conv', input: 'x', output: 'conv/y', group, clamp: NOTHING },
    ...{ strides: [1, 1], dilations: [1, 1], pads: [pad, pad, pad, pad] },
    weights: randomWeights([outChannels, inChannels / group, kernel, kernel], outChannels, kind, {
      ...{ zeroPoint: 100, random },
    }),
  };
  const last = sizes.with === 'sum' ? 'sum/y' : 'conv/y';
  const operations: Operation[] = [conv];
  if (sizes.with === 'sum')
    operations.push({ kind: 'add', name: 'sum', inputs: ['conv/y', 'other'], output: 'sum/y', clamp: NOTHING });
  if (sizes.with === 'tables')
    for (const [input, name] of [
      ['x', 'one'],
      ['one/y', 'other'],
    ] as const)
      operations.push({
        ...{ kind: 'table', name, opType: 'HardSwish', input, output: `${name}/y`, table: randomBytes(256, random) },
      });
  const pool = (name: string): Operation => ({
    ...{ kind: 'averagePool', name, input: last, output: `${name}/y`, kernel: window, strides: [1, 1] },
    ...{ pads: [0, 0, 0, 0], countIncludePad: false, clamp },
  });
  operations.push(pool('pool'));
  if (sizes.with === 'again') operations.push(pool('again'));
  if (sizes.with === 'gate')
    operations.push({ kind: 'mul', name: 'gate', inputs: [last, 'pool/y'], output: 'gate/y', clamp: NOTHING });
  const [input, image] = [inChannels, outChannels].map((count) => [1, count, ...size]) as [number[], number[]];
  const pooledShape = [1, outChannels, size[0] - window[0] + 1, size[1] - window[1] + 1];
  const outputs = { nothing: [], sum: [], gate: ['gate/y'], tables: ['other/y'], again: ['again/y', last] }[sizes.with];
  return problemOf({
    graph: graphOf(
      operations,
      {
        x: quantized(input, 100),
        'conv/y': quantized(image, 90),
        'pool/y': quantized(pooledShape, 17, 0.03),
        ...(sizes.with === 'sum' && { other: quantized(image, 130), 'sum/y': quantized(image, 120) }),
        ...(sizes.with === 'gate' && { 'gate/y': quantized(image, 110) }),
        ...(sizes.with === 'tables' && { 'one/y': quantized(input, 100), 'other/y': quantized(input, 100) }),
        ...(sizes.with === 'again' && { 'again/y': quantized(pooledShape, 200, 0.02) }),
      },
      { inputs: sizes.with === 'sum' ? ['x', 'other'] : ['x'], outputs: ['pool/y', ...outputs] },
    ),
    kernels: {
      ...{ conv: () => expected.conv, pool: () => expected.pool },
      ...(sizes.with === 'again' && { again: () => /^averagePool/ }),
    },
    ...{ random, batch: 2, sizes },
  });
}

const sizes = fc.record({
  channels: fc.tuple(fc.integer({ min: 5, max: 40 }), upTo(40)),
  kernel: fc.constantFrom(1, 3),
  size: fc.tuple(upTo(9), upTo(9)),
  with: fc.constantFrom(...companions),
  clamp: clamps,
  seed: fc.nat(),
});

const inside = { conv: /\.averagePool$/, pool: /^fused into conv$/ };
const apart = { conv: /^conv\.\w+\.\w+$/, pool: /^averagePool/ };
const small = { channels: [16, 16], kernel: 3, size: [8, 8], with: 'nothing', clamp: NOTHING, seed: 1 } as const;

describe('a global average pool', () => {
  it.each(runners)('runs within the product that makes its input, with the same bits, on %s', (_, runner) => {
    fc.assert(
      fc.property(sizes, (one) => expectSameBits(pooled(one, inside), runner)),
      { numRuns: 25 },
    );
  });

  it.each(runners)('runs within matrix products and Winograd convolutions, after their sums, on %s', (_, runner) => {
    for (const [one, sum] of [
      ['nothing', ''],
      ['sum', String.raw`\.add`],
    ] as const) {
      const kernelOf = (kernel: string): RegExp => new RegExp(String.raw`^conv\.${kernel}${sum}\.averagePool$`);
      const product = kernelOf(String.raw`gemm\d+x16\.\w+`);
      const fast = runner.dot.operandBytes === 2 ? kernelOf(String.raw`winograd4x4\.pairs`) : product;
      expectSameBits(pooled({ ...small, with: one }, { ...inside, conv: fast }), runner);
      expectSameBits(pooled({ ...small, with: one, kernel: 1 }, { ...inside, conv: product }), runner);
    }
  });

  it.each(runners)('runs within the slices of a grouped convolution, on %s', (_, runner) => {
    const sliced = { ...small, channels: [32, 64], group: 2 } as const;
    expectSameBits(pooled(sliced, { ...inside, conv: /^conv\.gemm\d+x16\.\w+\.averagePool$/ }), runner);
  });

  it.each([
    ['a block of a product is not all pixels', { channels: [70, 20], kernel: 1, size: [90, 90] }, /^conv\.gemm/],
    ['a block of Winograd tiles is not all of them', { channels: [200, 20], size: [24, 24] }, /^conv\.winograd4x4/],
    ['a depthwise convolution makes its input', { group: 16 }, /^conv\.depthwise/],
    ['its window is not the whole image', { window: [8, 7] }, /^conv\.winograd4x4/],
  ] as const)('is a step of its own where %s', (_, change, conv) => {
    const kernels = planNetwork(pooled({ ...small, ...change }, apart).graph, pairs).steps.map(({ kernel }) => kernel);
    expect(kernels).toEqual([expect.stringMatching(conv), expect.stringMatching(/^averagePool\d+x\d+$/)]);
    for (const [, runner] of runners) expectSameBits(pooled({ ...small, ...change }, apart), runner);
  });

  it('lies elsewhere than what its product still reads', () => {
    const { addresses, layouts } = planNetwork(pooled(small, inside).graph, pairs);
    const [from, pool] = [addresses.get('x')!, addresses.get('pool/y')!];
    expect(pool + 16 <= from || pool >= from + layouts.get('x')!.byteLength).toBe(true);
  });
});
