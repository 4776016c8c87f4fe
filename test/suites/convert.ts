import fc from 'fast-check';
import { seededRandom, type Random } from '../../src/base/index.ts';
import type { QuantizedGraph, QuantizedValue } from '../../src/graph/index.ts';
import {
  asInt8,
  batches,
  bytes,
  graphOf,
  integerOf,
  problemOf,
  quantized,
  seeds,
  upTo,
  type Problem,
  type Suite,
} from './problem.ts';

const shapes = fc.oneof(
  fc.tuple(fc.constant(1), upTo(4), upTo(9), upTo(9)),
  fc.tuple(fc.constant(1), upTo(36), upTo(4), upTo(4)),
  fc.tuple(fc.constant(1), upTo(40)),
  fc.tuple(fc.constant(1), upTo(7), upTo(7)),
);

export const scales = fc.oneof(
  fc.integer({ min: -10, max: 4 }).map((exponent) => 2 ** exponent),
  fc.integer({ min: 1, max: 1_000_000 }).map((n) => Math.fround(n / 999_983)),
  fc.constantFrom(1e-38, 1e30),
);

const special = [NaN, Infinity, -Infinity, 0, -0, 1e-45, -1e-45, 3.4e38, -3.4e38, 2 ** 31, -(2 ** 31), 2 ** 24 + 1];

/** Real numbers in and around the range, ties exactly, and everything that a float32 can be. */
export function realOf(scale: number, zeroPoint: number, random: Random): number {
  const kind = random();
  const q = integerOf(random, -40, 300) - zeroPoint;
  if (kind < 0.4) return (q + 0.5) * scale;
  if (kind < 0.8) return (q + random()) * scale;
  if (kind < 0.9) return special[integerOf(random, 0, special.length - 1)]!;
  return new Float32Array(Int32Array.of(integerOf(random, -(2 ** 31), 2 ** 31 - 1)).buffer)[0]!;
}

interface ConvertSizes {
  readonly shape: readonly number[];
  readonly scale: number;
  readonly zeroPoint: number;
  readonly signed: boolean;
  readonly batch: number;
  readonly seed: number;
}

const sizes: fc.Arbitrary<ConvertSizes> = fc.record({
  ...{ shape: shapes, scale: scales, zeroPoint: bytes, signed: fc.boolean(), batch: batches, seed: seeds },
});

const floatOf = (shape: readonly number[]) => ({ kind: 'float', dtype: 'float32', shape }) as const;

function quantizeProblem({ shape, scale, zeroPoint, signed, batch, seed }: ConvertSizes): Problem {
  const random = seededRandom(seed);
  const y = quantized(shape, zeroPoint, scale);
  return problemOf({
    graph: graphOf(
      [{ kind: 'quantize', name: 'quantize', input: 'x', output: 'y' }],
      { x: floatOf(shape), y: signed ? asInt8(y) : y },
      { inputs: ['x'], outputs: ['y'] },
    ),
    kernels: { quantize: () => /^quantize\./ },
    feed: (_, count) => Float32Array.from({ length: count }, () => realOf(scale, zeroPoint, random)),
    ...{ random, batch, sizes: { scale, zeroPoint, shape, seed } },
  });
}

/** An image that a convolution reads, which changes nothing: quantized into pixels of four bytes. */
export function imageGraph(image: QuantizedValue): QuantizedGraph {
  const channels = image.shape[1] ?? 1;
  const identity = (m: number, c: number): number => (m === c ? 1 : 0);
  const weights = {
    data: Int8Array.from({ length: channels * channels }, (_, i) => identity(Math.floor(i / channels), i % channels)),
    ...{ shape: [channels, channels, 1, 1], zeroPoints: new Int32Array(channels), bias: new Int32Array(channels) },
    ...{ scales: new Float32Array(channels).fill(1), multipliers: new Float32Array(channels).fill(1) },
  };
  return graphOf(
    [
      { kind: 'quantize', name: 'quantize', input: 'x', output: 'q' },
      {
        ...{ kind: 'conv', name: 'identity', input: 'q', output: 'y', weights, group: 1 },
        ...{ strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0], clamp: { qmin: 0, qmax: 255 } },
      },
    ],
    { x: floatOf(image.shape), q: image, y: image },
    { inputs: ['x'], outputs: ['y'] },
  );
}

function imageProblem(image: ConvertSizes & { readonly channels: number; readonly size: number }): Problem {
  const { scale, zeroPoint, batch, seed, channels, size } = image;
  const random = seededRandom(seed);
  return problemOf({
    graph: imageGraph(quantized([1, channels, size, size], zeroPoint, scale)),
    kernels: { quantize: () => (size >= 3 ? /^quantize\.pixels4$/ : /^quantize\./) },
    feed: (_, count) => Float32Array.from({ length: count }, () => realOf(scale, zeroPoint, random)),
    ...{ random, batch, sizes: image },
  });
}

function dequantizeProblem({ shape, scale, zeroPoint, signed, batch, seed }: ConvertSizes): Problem {
  const x = quantized(shape, zeroPoint, scale);
  return problemOf({
    graph: graphOf(
      [{ kind: 'dequantize', name: 'dequantize', input: 'x', output: 'y' }],
      { x: signed ? asInt8(x) : x, y: floatOf(shape) },
      { inputs: ['x'], outputs: ['y'] },
    ),
    kernels: { dequantize: () => /^dequantize\./ },
    ...{ random: seededRandom(seed), batch, sizes: { scale, zeroPoint, shape, seed } },
  });
}

export const convertSuites: readonly Suite[] = [
  { name: 'quantize', problems: sizes.map(quantizeProblem), runs: 30 },
  {
    name: 'quantize an image',
    problems: fc
      .tuple(sizes, upTo(4), upTo(9))
      .map(([common, channels, size]) => imageProblem({ ...common, channels, size })),
    runs: 20,
  },
  { name: 'dequantize', problems: sizes.map(dequantizeProblem), runs: 20 },
];
