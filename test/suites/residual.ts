import fc from 'fast-check';
import { seededRandom } from '../../src/base/index.ts';
import type { BinaryOperation, ConvOperation, Operation, QuantizedValue } from '../../src/graph/index.ts';
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
import { randomWeights, weightKinds, type WeightKind } from './weights.ts';

/** Where the operands of the sum come from, and who else reads the convolution's result. */
const forms = ['oneConvolution', 'twoConvolutions', 'alsoOutput', 'readTwice'] as const;

const scales = fc.oneof(
  fc.integer({ min: -8, max: 2 }).map((exponent) => 2 ** exponent),
  fc.integer({ min: 1, max: 1_000_000 }).map((n) => Math.fround(n / 99_991)),
);

const residualSizes = fc.record({
  kind: fc.constantFrom('add', 'sub'),
  form: fc.constantFrom('oneConvolution', ...forms),
  order: fc.constantFrom('convolutionFirst', 'convolutionLast'),
  channels: fc.tuple(fc.integer({ min: 2, max: 40 }), upTo(40)),
  size: fc.tuple(upTo(7), upTo(9)),
  kernel: fc.constantFrom(1, 3),
  zeroPoints: fc.tuple(bytes, bytes, bytes, bytes),
  scales: fc.tuple(scales, scales, scales),
  clamps: fc.tuple(clamps, clamps),
  weights: weightKinds,
  signed: fc.boolean(),
  batch: batches,
  seed: seeds,
});

type ResidualSizes = typeof residualSizes extends fc.Arbitrary<infer T> ? T : never;

function residualProblem(sizes: ResidualSizes): Problem {
  const { channels, size, kernel, form, order } = sizes;
  const random = seededRandom(sizes.seed);
  const image = (of: number, zeroPoint: number, scale?: number): QuantizedValue => {
    const value = quantized([1, of, ...size], zeroPoint, scale);
    return sizes.signed ? asInt8(value) : value;
  };
  const [zeroX, zeroP, zeroQ, zeroY] = sizes.zeroPoints;
  const [scaleP, scaleQ, scaleY] = sizes.scales;
  const pad = (kernel - 1) / 2;
  const shape = [channels[1], channels[0], kernel, kernel];
  const conv = (name: string, output: string): ConvOperation => ({
    ...{ kind: 'conv', name, input: 'x', output, group: 1, clamp: sizes.clamps[0] },
    ...{ strides: [1, 1], dilations: [1, 1], pads: [pad, pad, pad, pad] },
    weights: randomWeights(shape, channels[1], sizes.weights, { zeroPoint: zeroX, random }),
  });
  const sum = (name: string, output: string): BinaryOperation => ({
    ...{ kind: sizes.kind, name, output, clamp: sizes.clamps[1] },
    inputs: order === 'convolutionFirst' ? ['p', 'q'] : ['q', 'p'],
  });
  const operations: Operation[] = [conv('conv', 'p')];
  if (form === 'twoConvolutions') operations.push(conv('other', 'q'));
  operations.push(sum('sum', 'y'));
  if (form === 'readTwice') operations.push(sum('again', 'z'));
  const y = image(channels[1], zeroY, scaleY);
  const operands = { p: image(channels[1], zeroP, scaleP), q: image(channels[1], zeroQ, scaleQ) };
  return problemOf({
    graph: graphOf(
      operations,
      { x: image(channels[0], zeroX), ...operands, y, ...(form === 'readTwice' && { z: y }) },
      {
        inputs: form === 'twoConvolutions' ? ['x'] : ['x', 'q'],
        outputs: form === 'alsoOutput' ? ['p', 'y'] : form === 'readTwice' ? ['y', 'z'] : ['y'],
      },
    ),
    kernels: { sum: kernelOfSum(sizes) },
    random,
    batch: sizes.batch,
    sizes,
  });
}

/** Results are fused where their sums are known to stay within ±2²² when scaled, and the later of two convolutions is. */
function kernelOfSum({ form, kind, weights }: ResidualSizes): ExpectedKernel {
  const alone = `^${kind}\\.same$`;
  if (form === 'alsoOutput' || form === 'readTwice') return () => new RegExp(alone);
  const fused = `^fused into ${form === 'twoConvolutions' ? 'other' : 'conv'}$`;
  return () => new RegExp(isBounded(weights) ? fused : `${alone}|^fused into `);
}

const isBounded = ({ regime }: WeightKind): boolean => regime === 'tiny' || regime === 'bound';

/** Sums of a convolution's result and a value of the same shape. */
export const residualSuite: Suite = {
  name: 'sum of a convolution and a value',
  runs: 60,
  problems: residualSizes.map(residualProblem),
};
