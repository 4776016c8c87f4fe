import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/base/index.ts';
import { attach, compile, type Executable } from '../../src/engine/index.ts';
import { arenaAddress } from '../../src/engine/shared.ts';
import type { QuantizedGraph } from '../../src/graph/index.ts';
import { runQuantized } from '../../src/reference/index.ts';
import { pixelFeed, tensorsOf, type FeedMap } from '../../src/tensor/index.ts';
import { imageGraph } from '../suites/convert.ts';
import { graphOf, quantized, randomBytes } from '../suites/problem.ts';
import { differenceOf } from './support/compare.ts';
import { runners } from './support/runners.ts';

const [height, width] = [5, 7];
const shape = [1, 3, height, width];
const graph = imageGraph(quantized(shape, 100, 0.0123));

function imageOf(
  seed: number,
  form: { shape: readonly number[]; layout: 'NCHW' | 'NHWC' } = { shape, layout: 'NCHW' },
) {
  const random = seededRandom(seed);
  const levels = Float32Array.from({ length: 3 * 256 }, () => (random() - 0.5) * 4);
  return pixelFeed({ ...form, data: randomBytes(3 * height * width, random), levels });
}
const feedsOf = (feed: ReturnType<typeof imageOf>): FeedMap => new Map([['x', feed]]);

/** The last level at the network's entry: written with pixels alone, and overwritten by no later value of this network. */
function lastLevelOf(executable: Executable): number {
  const { wiring, memory } = executable.share()!;
  const end = wiring.addresses.get('x')! + wiring.layouts.get('x')!.byteLength;
  return new DataView(memory.buffer).getFloat32(arenaAddress(wiring, executable.arena) + end - 4, true);
}

/** Pixels give what their tensor gives on the plain kernels. */
function expectTensorBits(executable: Executable, network: QuantizedGraph, feeds: FeedMap): void {
  expect(differenceOf(executable.run(feeds), runQuantized(network, tensorsOf(feeds)))).toBeUndefined();
}

describe('an image of pixels', () => {
  it.each(runners)('is read as it is, and tensors between as tensors (%s)', (_, { tier, dot }) => {
    const executable = compile(graph, { tier, dot });
    expect(executable.kernels.get('quantize')).toBe('quantize.pixels4');
    for (const seed of [1, 2, 3]) {
      const image = imageOf(seed);
      expectTensorBits(executable, graph, feedsOf(image));
      expect(lastLevelOf(executable)).toBe(image.levels?.at(-1));
      expectTensorBits(executable, graph, tensorsOf(feedsOf(imageOf(-seed))));
      expect(lastLevelOf(executable)).toBe(image.levels?.at(-1));
    }
  });

  it('is read in the arena of its own thread', () => {
    const first = compile(graph);
    const second = attach(first.share()!, 1);
    expectTensorBits(first, graph, feedsOf(imageOf(4)));
    expectTensorBits(second, graph, feedsOf(imageOf(5)));
    expect([first, second].map(lastLevelOf)).toEqual([4, 5].map((seed) => imageOf(seed).levels?.at(-1)));
  });

  it('is timed like any inference', () => {
    const executable = compile(graph);
    const image = imageOf(6);
    expect(executable.profile(feedsOf(image))[0]).toMatchObject({ kernel: 'quantize.pixels4', macs: 0 });
    expect(lastLevelOf(executable)).toBe(image.levels?.at(-1));
  });

  it('is spread to a tensor on the reference tier', () => {
    expectTensorBits(compile(graph, { tier: 'reference' }), graph, feedsOf(imageOf(7)));
  });

  it('is spread where the network takes pixels by the last axis', () => {
    const rows = [1, height, width, 3];
    const y = quantized(rows, 3, 0.02);
    const network = graphOf(
      [{ kind: 'quantize', name: 'quantize', input: 'x', output: 'y' }],
      { x: { kind: 'float', dtype: 'float32', shape: rows }, y },
      { inputs: ['x'], outputs: ['y'] },
    );
    expectTensorBits(compile(network), network, feedsOf(imageOf(8, { shape: rows, layout: 'NHWC' })));
  });

  it('is spread where the network takes the bytes themselves', () => {
    const network = graphOf(
      [{ kind: 'dequantize', name: 'dequantize', input: 'x', output: 'y' }],
      { x: quantized(shape, 9), y: { kind: 'float', dtype: 'float32', shape } },
      { inputs: ['x'], outputs: ['y'] },
    );
    expectTensorBits(compile(network), network, feedsOf(pixelFeed({ ...imageOf(9), levels: undefined })));
  });

  it.each(['reference', 'simd'] as const)('is refused where it does not fit (%s)', (tier) => {
    const executable = compile(graph, { tier });
    const refused = /Input 'x' is .* it must be float32 \[N, 3, 5, 7\]/;
    const other = imageOf(10, { shape: [1, 3, width, height], layout: 'NCHW' });
    expect(() => executable.run(feedsOf(other))).toThrow(refused);
    expect(() => executable.run(feedsOf(pixelFeed({ ...imageOf(11), levels: undefined })))).toThrow(refused);
    expect(() => executable.run(new Map())).toThrow(refused);
  });
});
