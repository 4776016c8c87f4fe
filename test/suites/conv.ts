import fc from 'fast-check';
import { seededRandom, type Random } from '../../src/base/index.ts';
import type { Clamp, ConvOperation } from '../../src/graph/index.ts';
import {
  asInt8,
  batches,
  bytes,
  clamps,
  graphOf,
  integerOf,
  problemOf,
  quantized,
  seeds,
  upTo,
  type DotName,
  type ExpectedKernel,
  type Problem,
  type Suite,
} from './problem.ts';
import { randomWeights, weightKinds, type WeightKind } from './weights.ts';

export interface ConvSizes {
  readonly group: number;
  /** Input and output channels of a group. */
  readonly perGroup: readonly [number, number];
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  readonly pads: readonly [number, number, number, number];
  readonly size: readonly [number, number];
  readonly zeroPoints: readonly [number, number];
  readonly clamp: Clamp;
  /** Whether every channel has an upper bound of its own. */
  readonly capped?: boolean;
  readonly weights: WeightKind;
  readonly signed: boolean;
  readonly batch: number;
  readonly seed: number;
}

const pair = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<[T, T]> => fc.tuple(one, one);
const pad = fc.integer({ min: 0, max: 3 });

const common = {
  zeroPoints: pair(bytes),
  clamp: clamps,
  capped: fc.boolean(),
  weights: weightKinds,
  signed: fc.boolean(),
  batch: batches,
  seed: seeds,
};

const windows = {
  kernel: pair(upTo(4)),
  strides: pair(upTo(3)),
  dilations: pair(fc.constantFrom(1, 1, 2, 3)),
  pads: fc.tuple(pad, pad, pad, pad),
  size: fc.tuple(upTo(9), upTo(11)),
};

const pointwise = {
  kernel: fc.constant([1, 1] as const),
  strides: pair(upTo(2)),
  dilations: fc.constant([1, 1] as const),
  pads: fc.constant([0, 0, 0, 0] as const),
  size: fc.tuple(upTo(6), upTo(11)),
};

/** The kernel's name ends with its arithmetic. */
export const gemmKernel =
  (kind: 'conv' | 'convTranspose' | 'fullyConnected', weights: WeightKind): ExpectedKernel =>
  (dot) =>
    new RegExp(String.raw`^${kind}\.gemm\d+x\d+\.(${arithmeticOf(dot, weights)})\b`);

function arithmeticOf(dot: DotName, { asymmetric, bits }: WeightKind): string {
  // few random weights of eight bits may be small, too
  if (dot === 'bytePairs') return bits === 7 && !asymmetric ? 'bytePairs' : 'pairs|bytePairs|ordered';
  return asymmetric ? 'pairs' : dot;
}

/** Dense 3x3 of stride 1, where products are int16: tiles of 4 x 4 pixels, of 2 x 2 in small images and for large sums. */
export const winogradKernel =
  (size: readonly [number, number], otherwise: ExpectedKernel): ExpectedKernel =>
  (dot) => {
    const least = Math.min(...size);
    if (least < 2 || dot === 'unsigned' || dot === 'signed') return otherwise(dot);
    return least < 4 ? /^conv\.winograd2x2\.pairs/ : /^conv\.winograd(2x2|4x4)\.pairs/;
  };

const all = (sizes: readonly number[], size: number): boolean => sizes.every((one) => one === size);

/** Many channels, and weights of which few are large: a machine that sums pairs of bytes orders them so that it can. */
const orderedKernel =
  (otherwise: ExpectedKernel): ExpectedKernel =>
  (dot) =>
    dot === 'bytePairs' ? /^conv\.gemm\d+x16\.(ordered|bytePairs)/ : otherwise(dot);

function kernelOf(sizes: ConvSizes): ExpectedKernel {
  const { group, perGroup, kernel, strides, dilations, weights } = sizes;
  if (perGroup[0] !== 1 || perGroup[1] !== 1) {
    const gemm = gemmKernel('conv', weights);
    const fast = group === 1 && all(kernel, 3) && all([...strides, ...dilations], 1);
    // an image of up to four channels that enters the network lies too narrow
    if (fast && perGroup[0] > 4) return winogradKernel(outSizeOf(sizes), gemm);
    const { asymmetric, bits } = weights;
    const [height, width] = outSizeOf(sizes);
    const many = group === 1 && perGroup[0] >= 64 && perGroup[1] > 48 && height * width >= 16;
    return many && bits === 'mostly 7' && !asymmetric ? orderedKernel(gemm) : gemm;
  }
  const form = Math.max(...kernel) <= 7 ? 'columns' : 'taps';
  const depthwise = new RegExp(String.raw`^conv\.depthwise\d+x\d+\.${form}$`);
  return group === 1 ? () => new RegExp(`^conv\\.gemm|${depthwise.source}`) : () => depthwise;
}

const fits = ({ kernel, dilations, pads, size }: ConvSizes): boolean =>
  [0, 1].every((d) => size[d]! + pads[d]! + pads[d + 2]! > (kernel[d]! - 1) * dilations[d]!);

export function randomCaps(channels: number, random: Random): Uint8Array {
  return Uint8Array.from({ length: channels }, () => integerOf(random, 0, 255));
}

function outSizeOf({ kernel, strides, dilations, pads, size }: ConvSizes): [number, number] {
  const along = (d: 0 | 1): number =>
    Math.floor((size[d] + pads[d] + pads[d + 2]! - (kernel[d] - 1) * dilations[d] - 1) / strides[d]) + 1;
  return [along(0), along(1)];
}

export function convProblem(sizes: ConvSizes): Problem {
  const { group, perGroup, kernel, strides, dilations, pads, size, zeroPoints, clamp } = sizes;
  const random = seededRandom(sizes.seed);
  const [inChannels, outChannels] = [group * perGroup[0], group * perGroup[1]];
  const operation: ConvOperation = {
    ...{ kind: 'conv', name: 'conv', input: 'x', output: 'y', strides, dilations, pads, group, clamp },
    weights: randomWeights([outChannels, perGroup[0], ...kernel], outChannels, sizes.weights, {
      zeroPoint: zeroPoints[0],
      random,
    }),
    ...(sizes.capped && { caps: randomCaps(outChannels, random) }),
  };
  const x = quantized([1, inChannels, ...size], zeroPoints[0]);
  const y = quantized([1, outChannels, ...outSizeOf(sizes)], zeroPoints[1]);
  const values = sizes.signed ? { x: asInt8(x), y: asInt8(y) } : { x, y };
  return problemOf({
    graph: graphOf([operation], values, { inputs: ['x'], outputs: ['y'] }),
    kernels: { conv: kernelOf(sizes) },
    random,
    batch: sizes.batch,
    sizes,
  });
}

const problems = (sizes: fc.Arbitrary<ConvSizes>): fc.Arbitrary<Problem> => sizes.filter(fits).map(convProblem);

const one = fc.constant(1);

/** Convolutions of every form. */
export const convSuites: readonly Suite[] = [
  {
    name: 'pointwise convolution',
    problems: problems(fc.record({ group: one, perGroup: pair(upTo(50)), ...pointwise, ...common })),
    runs: 40,
  },
  {
    name: 'dense convolution',
    problems: problems(fc.record({ group: one, perGroup: pair(upTo(36)), ...windows, ...common })),
    runs: 50,
  },
  {
    name: '3x3 convolution',
    problems: problems(
      fc.record({
        ...{ group: one, perGroup: fc.tuple(fc.oneof(upTo(60), fc.integer({ min: 250, max: 600 })), upTo(40)) },
        ...{ ...windows, ...common, kernel: fc.constant([3, 3] as const) },
        ...{ strides: fc.constant([1, 1] as const), dilations: fc.constant([1, 1] as const) },
        size: fc.tuple(upTo(20), upTo(20)),
      }),
    ),
    runs: 40,
  },
  {
    name: 'convolution whose weights are mostly small',
    problems: problems(
      fc.record({
        ...{ group: one, perGroup: fc.tuple(fc.integer({ min: 48, max: 90 }), fc.integer({ min: 49, max: 100 })) },
        ...{ ...windows, ...common, kernel: pair(upTo(3)) },
        weights: fc
          .tuple(weightKinds, fc.constantFrom('mostly 7', 'normal'))
          .map(([kind, bits]): WeightKind => ({ ...kind, asymmetric: false, bits })),
      }),
    ),
    runs: 30,
  },
  {
    name: 'convolution of an image of few channels',
    problems: problems(fc.record({ group: one, perGroup: fc.tuple(upTo(4), upTo(20)), ...windows, ...common })),
    runs: 30,
  },
  {
    name: 'grouped convolution',
    problems: problems(
      fc.record({
        ...{ group: fc.integer({ min: 2, max: 12 }), perGroup: pair(fc.oneof(upTo(6), fc.constantFrom(4, 8, 16))) },
        ...windows,
        ...common,
      }),
    ),
    runs: 30,
  },
  {
    name: 'depthwise convolution',
    problems: problems(
      fc.record({
        ...{ group: upTo(50), perGroup: fc.constant([1, 1] as const), ...windows, ...common },
        kernel: fc.oneof(fc.constantFrom([3, 3] as const, [5, 5] as const), pair(upTo(7))),
        size: fc.tuple(upTo(12), upTo(30)),
      }),
    ),
    runs: 60,
  },
  {
    name: 'depthwise convolution of long rows',
    problems: problems(
      fc.record({
        ...{ group: fc.integer({ min: 65, max: 100 }), perGroup: fc.constant([1, 1] as const), ...windows, ...common },
        kernel: fc.constantFrom([3, 3] as const, [5, 5] as const),
        size: fc.tuple(fc.integer({ min: 3, max: 4 }), fc.integer({ min: 90, max: 120 })),
      }),
    ),
    runs: 8,
  },
  {
    name: 'depthwise convolution with a large filter',
    problems: problems(
      fc.record({
        ...{ group: upTo(20), perGroup: fc.constant([1, 1] as const), ...windows, ...common },
        kernel: fc.tuple(upTo(9), fc.integer({ min: 8, max: 9 })),
        size: fc.tuple(upTo(12), fc.integer({ min: 8, max: 14 })),
      }),
    ),
    runs: 15,
  },
];
