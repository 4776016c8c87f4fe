import fc from 'fast-check';
import { int64, upTo, type Problem, type Suite } from '../problem.ts';
import { floatCommon } from './elementwise.ts';
import { floatProblem } from './node.ts';

const channels = fc.oneof(fc.constantFrom(4, 16, 20), upTo(37));

const windows = fc.record({
  opType: fc.constantFrom('MaxPool', 'AveragePool'),
  channels,
  kernel: fc.tuple(upTo(4), upTo(4)),
  strides: fc.tuple(upTo(3), upTo(3)),
  dilations: fc.tuple(fc.constantFrom(1, 1, 2), fc.constantFrom(1, 1, 2)),
  pads: fc.tuple(fc.nat(3), fc.nat(3), fc.nat(3), fc.nat(3)),
  extra: fc.tuple(upTo(7), upTo(7)),
  countIncludePad: fc.constantFrom(0, 1),
  ceil: fc.constantFrom(0, 1),
  common: floatCommon,
});

const pools = windows.map((sizes): Problem => {
  const { opType, kernel, dilations, extra, common } = sizes;
  // padding stays below the window, so that each window reaches the input
  const pads = sizes.pads.map((pad, side) => Math.min(pad, kernel[side % 2]! - 1));
  const shape = [1, sizes.channels, ...([0, 1] as const).map((d) => (kernel[d] - 1) * dilations[d] + extra[d])];
  const average = opType === 'AveragePool' ? { count_include_pad: sizes.countIncludePad } : {};
  const attributes = {
    kernel_shape: kernel,
    strides: sizes.strides,
    dilations,
    pads,
    ceil_mode: sizes.ceil,
    ...average,
  };
  return floatProblem({ opType, attributes, inputs: [shape] }, common, {
    kernel: /^float\.(max|average)pool$/,
    specials: 'with specials',
  });
});

const reductions = fc
  .tuple(
    fc.constantFrom('GlobalAveragePool', 'GlobalMaxPool', 'ReduceMean', 'ReduceSum', 'ReduceMax'),
    ...[channels, upTo(6), upTo(6), fc.constantFrom(0, 1)],
    floatCommon,
  )
  .map(([opType, depth, height, width, keepdims, common]): Problem => {
    const reduces = opType.startsWith('Reduce');
    const inputs = [[1, depth, height, width], ...(reduces ? [int64([2, 3])] : [])];
    const attributes = reduces ? { keepdims } : {};
    return floatProblem({ opType, attributes, inputs }, common, {
      kernel: /^float\.(global|reduce)/,
      specials: 'with specials',
    });
  });

/** Neighbouring axes of any tensor, and the channels of an image. */
const stretches = fc.oneof(
  fc.constantFrom([-1], [1], [2], [1, 2], [2, 3], [3], [1, 2, 3]).map((axes) => ({ rank: 4, axes })),
  fc.constantFrom([-1], [1], [1, 2], [2]).map((axes) => ({ rank: 3, axes })),
  fc.constantFrom([1], [-1]).map((axes) => ({ rank: 2, axes })),
);

const stretchReductions = fc
  .tuple(
    fc.constantFrom('Mean', 'Sum', 'Max', 'Min', 'SumSquare', 'L1', 'L2', 'Prod'),
    ...[stretches, fc.tuple(upTo(9), upTo(7), upTo(19)), fc.constantFrom(0, 1)],
    floatCommon,
  )
  .map(([reduction, { rank, axes }, sizes, keepdims, common]): Problem => {
    const inputs = [[1, ...sizes.slice(0, rank - 1)], int64(axes)];
    // without its dimension, a result of one sample would not say where the next one's is
    const batch = keepdims === 1 ? common.batch : 1;
    const node = { opType: `Reduce${reduction}`, attributes: { keepdims }, inputs };
    return floatProblem(node, { ...common, batch }, { kernel: /^float\.reduce/, specials: 'with specials' });
  });

const resizes = fc
  .tuple(
    fc.constantFrom('linear', 'cubic'),
    fc.constantFrom('half_pixel', 'align_corners', 'asymmetric', 'pytorch_half_pixel'),
    ...[channels, upTo(6), upTo(6), upTo(13), upTo(13)],
    floatCommon,
  )
  .map(([mode, transformation, depth, height, width, tall, wide, common]): Problem => {
    const attributes = { mode, coordinate_transformation_mode: transformation };
    const inputs = [[1, depth, height, width], undefined, undefined, int64([1, depth, tall, wide])];
    // what keeps its size is no interpolation
    const kernel = tall === height && wide === width ? /^reference/ : /^float\.resize$/;
    return floatProblem({ opType: 'Resize', attributes, inputs }, common, { kernel });
  });

export const floatPoolSuites: readonly Suite[] = [
  { name: 'float pooling', problems: pools, runs: 40 },
  { name: 'float interpolation', problems: resizes, runs: 30 },
  { name: 'float reductions of neighbouring axes', problems: stretchReductions, runs: 60 },
  { name: 'float reductions of pixels', problems: reductions, runs: 30 },
];
