import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gaussian, seededRandom } from '../../src/base/index.ts';
import { pairNeverSaturates } from '../../src/engine/dot.ts';
import { orderRow, WINDOW } from '../../src/engine/kernels/gemm/order.ts';
import { orderPanels } from '../../src/engine/kernels/gemm/orderPanels.ts';
import { convProblem, type ConvSizes } from '../suites/conv.ts';
import { runners } from './support/runners.ts';
import { expectSameBits } from './support/sameBits.ts';

const CHANNELS = 16;

const panels = fc
  .record({ words: fc.integer({ min: 1, max: 20 }), deviation: fc.constantFrom(20, 40, 60, 200), seed: fc.nat() })
  .map(({ words, deviation, seed }) => {
    const random = seededRandom(seed);
    const weight = (): number => Math.max(-128, Math.min(127, Math.round(gaussian(random) * deviation)));
    return Int8Array.from({ length: words * 4 * CHANNELS }, weight);
  });

const weightOf = (panel: Int8Array, k: number, channel: number): number =>
  panel[(k >> 2) * CHANNELS * 4 + channel * 4 + (k & 3)]!;

describe('the order of a row', () => {
  it('is a permutation of each window, and says which neighbours may saturate', () => {
    fc.assert(
      fc.property(panels, (panel) => {
        const { places, unsafe } = orderRow(panel);
        const depth = places.length;
        for (let first = 0; first < depth; first += WINDOW) {
          const window = [...places.subarray(first, first + WINDOW)].sort((a, b) => a - b);
          expect(window).toEqual(window.map((_, index) => index));
        }
        const taken = (k: number): number => k - (k % WINDOW) + places[k]!;
        for (let pair = 0; pair < depth / 2; pair++) {
          if (unsafe[pair] === 1) continue;
          const [a, b] = [taken(pair * 2), taken(pair * 2 + 1)];
          for (let channel = 0; channel < CHANNELS; channel++)
            expect(pairNeverSaturates(weightOf(panel, a, channel), weightOf(panel, b, channel))).toBe(true);
        }
      }),
    );
  });

  it('leaves nothing unsafe where large weights have small ones to meet', () => {
    for (const large of [1, 4, 8]) {
      const panel = Int8Array.from({ length: WINDOW * CHANNELS }, (_, index) => {
        const k = Math.floor(index / (CHANNELS * 4)) * 4 + (index % 4);
        return k < large ? 127 : 1;
      });
      expect([...orderRow(panel).unsafe]).toEqual(new Array<number>(WINDOW / 2).fill(0));
    }
  });

  it('trades partners where greed leaves two alone', () => {
    // 0 may meet 1 and 2, 1 and 2 may meet 0 and 3, 3 may meet 1 and 2; the rest meets nobody
    const panel = new Int8Array(4 * CHANNELS);
    const set = (k: number, channel: number, weight: number): void => void (panel[channel * 4 + k] = weight);
    for (const k of [0, 3]) set(k, 0, 100);
    for (const k of [1, 2]) set(k, 1, 100);
    expect([...orderRow(panel).unsafe]).toEqual([0, 0]);
  });
});

describe('panels with an order', () => {
  it('are given up where they would have too many words', () => {
    const worst = new Int8Array(64 * CHANNELS).fill(127);
    expect(orderPanels(worst, 64, 1.99)).toBeUndefined();
    expect(orderPanels(worst, 64, 2)?.panels.length).toBeGreaterThan(2 * worst.length);
  });

  it('have the sums of the weights they were made of', () => {
    fc.assert(
      fc.property(panels, (panel) => {
        const depth = panel.length / CHANNELS;
        const { order, panels } = orderPanels(panel, depth, 2)!;
        const view = new DataView(panels.buffer);
        const end = view.getUint32(0, true);
        const sums = Array.from({ length: depth }, () => new Int32Array(CHANNELS));
        const add = (place: number, at: number): void => {
          for (let channel = 0; channel < CHANNELS; channel++)
            if (place < depth)
              sums[place - (place % WINDOW) + panels[order.places + place]!]![channel]! += view.getInt8(
                at + channel * 4,
              );
        };
        for (let k = 0; k < depth; k++) add(k, order.weights + (k >> 2) * CHANNELS * 4 + (k & 3));
        for (let word = 0; word < end; word++)
          for (let k = 0; k < 4; k++)
            add(view.getUint16(order.list + word * 2, true) + k, order.weights + (depth / 4 + word) * CHANNELS * 4 + k);
        sums.forEach((sum, k) => expect([...sum]).toEqual([...sum].map((_, channel) => weightOf(panel, k, channel))));
      }),
    );
  });
});

describe('a product of ordered bytes', () => {
  const onBytes = runners.filter(([, { dot }]) => dot.forSmallWeights);
  const common: Omit<ConvSizes, 'perGroup' | 'kernel' | 'pads' | 'size' | 'seed'> = {
    ...{ group: 1, strides: [1, 1], dilations: [1, 1], zeroPoints: [131, 7], clamp: { qmin: 0, qmax: 255 } },
    ...{ weights: { regime: 'usual', asymmetric: false, bits: 'normal', bias: 'moderate' }, signed: false, batch: 2 },
  };
  const cases: readonly (readonly [string, ConvSizes])[] = [
    ['in place', { ...common, perGroup: [128, 32], kernel: [1, 1], pads: [0, 0, 0, 0], size: [5, 7], seed: 1 }],
    [
      'of a row that ends within a window',
      { ...common, perGroup: [100, 20], kernel: [1, 1], pads: [0, 0, 0, 0], size: [3, 3], seed: 2 },
    ],
    [
      'over packed windows',
      { ...common, perGroup: [40, 33], kernel: [3, 2], pads: [1, 0, 1, 1], size: [6, 6], seed: 3 },
    ],
    [
      'of several slices',
      { ...common, group: 2, perGroup: [96, 64], kernel: [1, 1], pads: [0, 0, 0, 0], size: [4, 4], seed: 4 },
    ],
  ];
  for (const [name, sizes] of cases)
    it.each(onBytes)(`${name} has the reference's bits, on %s`, (_, runner) => {
      const problem = convProblem(sizes);
      const kernels = new Map([['conv', () => /^conv\.gemm\d+x16\.ordered$/]]);
      expectSameBits({ ...problem, kernels }, runner);
    });

  it.each(onBytes)('is not taken for a single pixel, on %s', (_, runner) => {
    const problem = convProblem({ ...cases[0]![1], size: [1, 1] });
    expectSameBits({ ...problem, kernels: new Map([['conv', () => /^conv\.gemm1x16\.pairs$/]]) }, runner);
  });
});
