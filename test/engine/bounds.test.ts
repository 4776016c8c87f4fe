import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/base/index.ts';
import { emitRounding, roundingOf } from '../../src/engine/kernels/requantize.ts';
import type { ConvOperation, FullyConnectedOperation, QuantizedWeights } from '../../src/graph/index.ts';
import { nearestEven } from '../../src/reference/index.ts';
import { ModuleBuilder } from '../../src/wasm/index.ts';
import { convSuites } from '../suites/conv.ts';
import { graphOf, problemOf, quantized } from '../suites/problem.ts';
import { runners } from './support/runners.ts';
import { expectSameBits } from './support/sameBits.ts';

/** One more or less than a float32, in its last place. */
function nextFloat(x: number, direction: 1 | -1): number {
  const bits = Int32Array.of(new Int32Array(Float32Array.of(x).buffer)[0]! + direction);
  return new Float32Array(bits.buffer)[0]!;
}

/** A rounding as it is emitted: float32 to int32. */
function emitted(rounding: 'magic' | 'nearest'): (x: number) => number {
  const pages = { initial: 1, maximum: 1 };
  const module = new ModuleBuilder(pages);
  const entry = module.function(['f'], ['i'], (f) => {
    const round = emitRounding(f, rounding);
    f.get(f.parameter(0)).op('f32x4.splat');
    round();
    f.op('i32x4.extract_lane');
  });
  module.export('round', entry);
  const memory = new WebAssembly.Memory({ ...pages, shared: true });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.bytes()), { env: { memory } });
  return exports['round'] as (x: number) => number;
}

const bound = 2 ** 22;

/** Anywhere within the bound, ties, and neighbours of integers. */
const within = fc.oneof(
  fc.float({ min: -bound, max: bound, noNaN: true }),
  fc.integer({ min: -(2 ** 21), max: 2 ** 21 }).map((n) => n + 0.5),
  fc.integer({ min: -(2 ** 22), max: 2 ** 22 }),
  fc
    .tuple(fc.integer({ min: 1, max: 2 ** 21 }), fc.constantFrom<(1 | -1)[]>(1, -1))
    .map(([n, d]) => nextFloat(n + 0.5, d)),
);

describe('rounding by a magic number', () => {
  const magic = emitted('magic');

  it('is nearestEven for every value within ±2²²', () => {
    fc.assert(
      fc.property(within, (x) => {
        expect(magic(x)).toBe(nearestEven(Math.fround(x)) + 0);
      }),
      { numRuns: 2_000 },
    );
  });

  it('is nearestEven on the bound itself', () => {
    for (const x of [bound, -bound, bound - 0.5, 0.5 - bound, 0.5, -0.5, 1.5, 0])
      expect(magic(x)).toBe(nearestEven(x) + 0);
  });

  it('is not beyond twice the bound, which is why the plan has to prove it', () => {
    expect(magic(2 ** 23 + 2)).not.toBe(2 ** 23 + 2);
  });
});

describe('rounding by instruction', () => {
  it('is nearestEven, saturated, and NaN is 0', () => {
    const nearest = emitted('nearest');
    fc.assert(
      fc.property(fc.oneof(within, fc.float()), (x) => {
        const rounded = Number.isNaN(x) ? 0 : nearestEven(Math.fround(x));
        expect(nearest(x)).toBe(Math.min(2 ** 31 - 1, Math.max(-(2 ** 31), rounded)) + 0);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('the choice of the rounding', () => {
  const weightsOf = (taps: number, bias: number, multiplier: number, zeroPoint = 0): QuantizedWeights => ({
    ...{ data: new Int8Array(taps), shape: [1, taps, 1, 1], zeroPoints: Int32Array.of(zeroPoint) },
    ...{ scales: Float32Array.of(1), bias: Int32Array.of(bias), multipliers: Float32Array.of(multiplier) },
  });

  it('changes exactly where the largest sum, scaled, passes 2²²', () => {
    const problems = fc.record({
      ...{ taps: fc.integer({ min: 1, max: 5_000 }), bias: fc.integer({ min: -(2 ** 30), max: 2 ** 30 }) },
      ...{ zeroPoint: fc.integer({ min: 0, max: 255 }), zeroPointW: fc.integer({ min: -128, max: 127 }) },
    });
    fc.assert(
      fc.property(problems, ({ taps, bias, zeroPoint, zeroPointW }) => {
        const reach = Math.max(zeroPoint, 255 - zeroPoint) * (Math.abs(zeroPointW) + 128);
        const largest = taps * reach + Math.abs(bias);
        const near = Math.fround(bound / largest);
        for (const multiplier of [nextFloat(near, -1), near, nextFloat(near, 1)]) {
          const expected = largest * multiplier <= bound ? 'magic' : 'nearest';
          expect(roundingOf(weightsOf(taps, bias, multiplier, zeroPointW), zeroPoint)).toBe(expected);
        }
      }),
    );
  });

  it('is both in the suites', () => {
    const [suite] = convSuites;
    const chosen = fc.sample(suite!.problems, { numRuns: 100, seed: 3 }).map(({ graph }) => {
      const [operation] = graph.operations as [ConvOperation];
      const input = graph.values.get('x');
      return roundingOf(operation.weights, input?.kind === 'quantized' ? input.zeroPoint : 0);
    });
    expect(chosen.filter((rounding) => rounding === 'magic').length).toBeGreaterThan(20);
    expect(chosen.filter((rounding) => rounding === 'nearest').length).toBeGreaterThan(20);
  });
});

/** The most taps whose sum of |x − zx| · |w − zw| fits int32, at both signs. */
const edges = [
  { name: 'symmetric weights', taps: 66_311, weight: 127, zeroPoint: 0 },
  { name: 'imported weights of −128', taps: 65_793, weight: -128, zeroPoint: 0 },
  { name: 'asymmetric weights', taps: 33_025, weight: 127, zeroPoint: -128 },
] as const;

/** One layer of two outputs whose sums are exactly 2³¹ − 1 and −2³¹. */
function edgeLayer({ taps, weight, zeroPoint }: (typeof edges)[number]): FullyConnectedOperation {
  const sum = taps * 255 * (weight - zeroPoint);
  const opposite = zeroPoint === 0 ? -Math.sign(weight) * Math.min(127, Math.abs(weight)) : zeroPoint;
  const other = taps * 255 * (opposite - zeroPoint);
  const [high, low] = sum > 0 ? [sum, other] : [other, sum];
  const weights: QuantizedWeights = {
    data: Int8Array.from({ length: 2 * taps }, (_, index) => (index < taps === sum > 0 ? weight : opposite)),
    ...{ shape: [2, taps], zeroPoints: Int32Array.of(zeroPoint, zeroPoint), scales: Float32Array.of(1, 1) },
    bias: Int32Array.of(2 ** 31 - 1 - high, Math.max(-(2 ** 31), -(2 ** 31) - low)),
    multipliers: Float32Array.of(2 ** -25, 2 ** -25),
  };
  const clamp = { qmin: 0, qmax: 255 };
  return { kind: 'fullyConnected', name: 'layer', input: 'x', output: 'y', weights, clamp };
}

describe.each(edges)('the largest sums of $name', (edge) => {
  it('fit, with not one tap to spare', () => {
    const perTap = 255 * Math.abs(edge.weight - edge.zeroPoint);
    expect(edge.taps * perTap).toBeLessThan(2 ** 31);
    expect((edge.taps + 1) * perTap).toBeGreaterThanOrEqual(2 ** 31);
  });

  it.each(runners)('are exact on %s', (_, runner) => {
    const values = { x: quantized([1, edge.taps], 0), y: quantized([1, 2], 128) };
    const graph = graphOf([edgeLayer(edge)], values, { inputs: ['x'], outputs: ['y'] });
    const problem = problemOf({
      ...{ graph, kernels: { layer: () => /^fullyConnected\.gemm/ }, random: seededRandom(1), batch: 1 },
      feed: (_value, count) => new Uint8Array(count).fill(255),
    });
    expectSameBits(problem, runner);
  });
});
