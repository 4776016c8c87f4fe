import fc from 'fast-check';
import { seededRandom } from '../../src/base/index.ts';
import type { ConvOperation } from '../../src/graph/index.ts';
import { gemmKernel, randomCaps } from './conv.ts';
import {
  asInt8,
  batches,
  bytes,
  clamps,
  graphOf,
  problemOf,
  quantized,
  seeds,
  upTo,
  type ExpectedKernel,
  type Problem,
  type Suite,
} from './problem.ts';
import { randomWeights, weightKinds } from './weights.ts';

const pair = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<[T, T]> => fc.tuple(one, one);
const pad = fc.integer({ min: 0, max: 3 });

const sizes = fc.record({
  group: fc.constantFrom(1, 1, 2, 4),
  perGroup: pair(fc.oneof(upTo(9), fc.constant(16))),
  kernel: pair(upTo(4)),
  strides: pair(upTo(3)),
  dilations: pair(fc.constantFrom(1, 1, 2)),
  pads: fc.tuple(pad, pad, pad, pad),
  /** output_padding: less than the strides. */
  extra: pair(fc.integer({ min: 0, max: 2 })),
  size: fc.tuple(upTo(6), upTo(7)),
  zeroPoints: pair(bytes),
  clamp: clamps,
  capped: fc.boolean(),
  weights: weightKinds,
  signed: fc.boolean(),
  batch: batches,
  seed: seeds,
});
type Sizes = typeof sizes extends fc.Arbitrary<infer T> ? T : never;

const outputSize = ({ size, strides, kernel, dilations, pads, extra }: Sizes): number[] =>
  [0, 1].map(
    (d) =>
      (size[d]! - 1) * strides[d]! +
      (kernel[d]! - 1) * dilations[d]! +
      1 +
      Math.min(extra[d]!, strides[d]! - 1) -
      pads[d]! -
      pads[d + 2]!,
  );

/** Where the padding cuts off whole taps, the reference kernel runs. */
function kernelOf({ kernel, dilations, pads, strides, extra, weights }: Sizes): ExpectedKernel {
  const cut = [0, 1].some((d) => {
    const reach = (kernel[d]! - 1) * dilations[d]!;
    return pads[d]! > reach || pads[d + 2]! > reach + Math.min(extra[d]!, strides[d]! - 1);
  });
  return cut ? () => /^reference\.convTranspose$/ : gemmKernel('convTranspose', weights);
}

function convTransposeProblem(of: Sizes): Problem {
  const { group, perGroup, kernel, strides, dilations, pads, size, zeroPoints, clamp } = of;
  const random = seededRandom(of.seed);
  const [inChannels, outChannels] = [group * perGroup[0], group * perGroup[1]];
  const operation: ConvOperation = {
    ...{ kind: 'convTranspose', name: 'conv', input: 'x', output: 'y', strides, dilations, pads, group, clamp },
    weights: randomWeights([inChannels, perGroup[1], ...kernel], outChannels, of.weights, {
      zeroPoint: zeroPoints[0],
      random,
    }),
    ...(of.capped && { caps: randomCaps(outChannels, random) }),
  };
  const x = quantized([1, inChannels, ...size], zeroPoints[0]);
  const y = quantized([1, outChannels, ...outputSize(of)], zeroPoints[1]);
  const values = of.signed ? { x: asInt8(x), y: asInt8(y) } : { x, y };
  return problemOf({
    graph: graphOf([operation], values, { inputs: ['x'], outputs: ['y'] }),
    kernels: { conv: kernelOf(of) },
    random,
    batch: of.batch,
    sizes: of,
  });
}

export const convTransposeSuite: Suite = {
  name: 'transposed convolution',
  problems: sizes.filter((of) => outputSize(of).every((extent) => extent > 0)).map(convTransposeProblem),
  runs: 50,
};
