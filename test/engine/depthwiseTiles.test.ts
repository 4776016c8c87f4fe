import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stretchesOf, type Stretch } from '../../src/engine/kernels/depthwise/tiles.ts';
import { convProblem } from '../suites/conv.ts';
import { upTo } from '../suites/problem.ts';

interface Row {
  readonly width: number;
  readonly channelStride: number;
  readonly kernel: number;
  readonly stride: number;
  readonly pad: number;
}

function stretches({ width, channelStride, kernel, stride, pad }: Row): { stretches: Stretch[]; outputWidth: number } {
  const { graph } = convProblem({
    ...{ group: 1, perGroup: [1, 1], kernel: [kernel, kernel], strides: [stride, stride], dilations: [1, 1] },
    ...{ pads: [pad, pad, pad, pad], size: [kernel, width], zeroPoints: [0, 0], clamp: { qmin: 0, qmax: 255 } },
    ...{ weights: { regime: 'usual', asymmetric: false, bias: 'moderate' }, signed: false, batch: 1, seed: 1 },
  });
  const operation = graph.operations[0];
  if (operation?.kind !== 'conv') throw new Error('a convolution was asked for');
  const outputWidth = graph.values.get('y')?.shape[3] ?? 0;
  const strides = { channelStride, pixelStride: channelStride };
  const layout = { kind: 'nhwc', height: kernel, channels: channelStride, ...strides, byteLength: 0 } as const;
  const images = { input: { ...layout, width }, output: { ...layout, width: outputWidth } };
  return { stretches: stretchesOf({ operation, ...images }), outputWidth };
}

const rows = fc
  .record({
    width: upTo(300),
    channelStride: upTo(40).map((blocks) => blocks * 16),
    kernel: upTo(7),
    stride: upTo(3),
    pad: fc.integer({ min: 0, max: 8 }),
  })
  .filter(({ width, kernel, pad }) => width + 2 * pad >= kernel);

describe('stretches of a depthwise row', () => {
  it('cover every output column and nothing else', () => {
    fc.assert(
      fc.property(rows, (row) => {
        const { stretches: all, outputWidth } = stretches(row);
        const covered = new Set<number>();
        for (const { tiles, times, step, total } of all)
          for (let time = 0; time < times; time++) {
            const moved = 4 * Math.min(time * step, total - step);
            for (const { x, pixels } of tiles) for (let p = 0; p < pixels; p++) covered.add(x + moved + p);
          }
        expect([...covered].sort((a, b) => a - b)).toEqual(Array.from({ length: outputWidth }, (_, x) => x));
      }),
    );
  });

  it('are several only where blocks of channels would drive each other out of the cache', () => {
    const times = (channelStride: number, width: number): number[] =>
      stretches({ width, channelStride, kernel: 3, stride: 1, pad: 1 }).stretches.map((stretch) => stretch.times);
    expect(times(64, 112)).toEqual([1]);
    expect(times(96, 112)).toEqual([1, 2, 1]);
    expect(times(960, 14)).toEqual([1]);
  });
});
