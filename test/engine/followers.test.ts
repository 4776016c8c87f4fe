import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/base/index.ts';
import { pairs } from '../../src/engine/dot.ts';
import { planNetwork } from '../../src/engine/plan/plan.ts';
import type { ConvOperation, Operation } from '../../src/graph/index.ts';
import { clamps, graphOf, problemOf, quantized, upTo, type Problem } from '../suites/problem.ts';
import { randomWeights } from '../suites/weights.ts';
import { runners } from './support/runners.ts';
import { expectSameBits } from './support/sameBits.ts';

interface Sizes {
  readonly channels: readonly [number, number];
  readonly kernel: 1 | 3;
  readonly size: readonly [number, number];
  /** What else stands between or behind the convolution and its pool. */
  readonly with: 'nothing' | 'sum' | 'gate';
  readonly clamp: { readonly qmin: number; readonly qmax: number };
  readonly seed: number;
}

const NOTHING = { qmin: 0, qmax: 255 };

/** A convolution (and a sum with another value) whose mean over all pixels is taken, and read by a product with it, or not. */
function pooled(sizes: Sizes, expected: { conv: RegExp; pool: RegExp }): Problem {
  const { channels, kernel, size, clamp } = sizes;
  const [inChannels, outChannels] = channels;
  const random = seededRandom(sizes.seed);
  const kind = { regime: 'usual', asymmetric: false, bits: 8, bias: 'moderate' } as const;
  const pad = (kernel - 1) / 2;
  const conv: ConvOperation = {
    ...{ kind: 'conv', name: 'conv', input: 'x', output: 'conv/y', group: 1, clamp: NOTHING },
    ...{ strides: [1, 1], dilations: [1, 1], pads: [pad, pad, pad, pad] },
    weights: randomWeights([outChannels, inChannels, kernel, kernel], outChannels, kind, { zeroPoint: 100, random }),
  };
  const last = sizes.with === 'sum' ? 'sum/y' : 'conv/y';
  const operations: Operation[] = [conv];
  if (sizes.with === 'sum')
    operations.push({ kind: 'add', name: 'sum', inputs: ['conv/y', 'other'], output: 'sum/y', clamp: NOTHING });
  operations.push({
    ...{ kind: 'averagePool', name: 'pool', input: last, output: 'pool/y', kernel: size, strides: [1, 1] },
    ...{ pads: [0, 0, 0, 0], countIncludePad: false, clamp },
  });
  if (sizes.with === 'gate')
    operations.push({ kind: 'mul', name: 'gate', inputs: [last, 'pool/y'], output: 'gate/y', clamp: NOTHING });
  const image = [1, outChannels, ...size];
  const outputs = sizes.with === 'gate' ? ['gate/y'] : ['pool/y'];
  return problemOf({
    graph: graphOf(
      operations,
      {
        x: quantized([1, inChannels, ...size], 100),
        'conv/y': quantized(image, 90),
        'pool/y': quantized([1, outChannels, 1, 1], 17, 0.03),
        ...(sizes.with === 'sum' && { other: quantized(image, 130), 'sum/y': quantized(image, 120) }),
        ...(sizes.with === 'gate' && { 'gate/y': quantized(image, 110) }),
      },
      { inputs: sizes.with === 'sum' ? ['x', 'other'] : ['x'], outputs },
    ),
    kernels: { conv: () => expected.conv, pool: () => expected.pool },
    ...{ random, batch: 2, sizes },
  });
}

const sizes = fc.record({
  channels: fc.tuple(fc.integer({ min: 5, max: 40 }), upTo(40)),
  kernel: fc.constantFrom(1, 3),
  size: fc.tuple(upTo(9), upTo(9)),
  with: fc.constantFrom('nothing', 'sum', 'gate'),
  clamp: clamps,
  seed: fc.nat(),
});

const inside = { conv: /\.averagePool$/, pool: /^fused into conv$/ };

describe('a global average pool', () => {
  it.each(runners)('runs within the product that makes its input, with the same bits, on %s', (_, runner) => {
    fc.assert(
      fc.property(sizes, (one) => expectSameBits(pooled(one, inside), runner)),
      { numRuns: 25 },
    );
  });

  it.each(runners)('is a step of its own where a block of pixels is not all of them, on %s', (_, runner) => {
    const large = { channels: [70, 20], kernel: 1, size: [90, 90], with: 'nothing', clamp: NOTHING, seed: 1 } as const;
    expectSameBits(pooled(large, { conv: /^conv\.gemm\d+x16\.\w+$/, pool: /^averagePool90x90$/ }), runner);
  });

  it('lies elsewhere than what its product still reads', () => {
    const { graph } = pooled(
      { channels: [16, 16], kernel: 3, size: [8, 8], with: 'nothing', clamp: NOTHING, seed: 1 },
      inside,
    );
    const { addresses, layouts } = planNetwork(graph, pairs);
    const [from, pool] = [addresses.get('x')!, addresses.get('pool/y')!];
    expect(pool + 16 <= from || pool >= from + layouts.get('x')!.byteLength).toBe(true);
  });
});
