import fc from 'fast-check';
import { seededRandom } from '../../../src/base/index.ts';
import { upTo, type Problem, type Suite } from '../problem.ts';
import { floatCommon } from './elementwise.ts';
import { constantOf, floatProblem, weightsOf, type FloatCommon } from './node.ts';

interface ConvSizes {
  readonly channels: number;
  readonly filters: number;
  readonly group: number;
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  readonly pads: readonly [number, number, number, number];
  readonly extra: readonly [number, number];
  readonly bias: boolean;
  readonly common: FloatCommon;
}

/** Sizes around whole vectors and whole panels. */
const widths = fc.oneof(fc.constantFrom(4, 8, 16, 32), upTo(37));
const two = (most: number) => fc.tuple(upTo(most), upTo(most));

const base = fc.record({
  ...{ strides: two(2), dilations: two(2), extra: two(9), bias: fc.boolean(), common: floatCommon },
  pads: fc.tuple(fc.nat(2), fc.nat(2), fc.nat(2), fc.nat(2)),
});

const dense = fc.tuple(base, upTo(19), widths, two(4)).map(([rest, channels, filters, kernel]): ConvSizes => {
  return { ...rest, channels, filters, kernel, group: 1 };
});

const pointwise = fc.tuple(base, upTo(40), widths).map(([rest, channels, filters]): ConvSizes => {
  return { ...rest, channels, filters, kernel: [1, 1], strides: [1, 1], pads: [0, 0, 0, 0], group: 1 };
});

/** More weights than stay in the cache while pixels pass. */
const heavy = fc
  .tuple(base, fc.integer({ min: 500, max: 520 }), fc.integer({ min: 200, max: 230 }))
  .map(([rest, channels, filters]): ConvSizes => ({
    ...rest,
    channels,
    filters,
    kernel: [1, 1],
    extra: [3, 4],
    group: 1,
  }));

const grouped = fc
  .tuple(base, upTo(4), upTo(6), upTo(9), two(3))
  .map(([rest, group, inner, outer, kernel]): ConvSizes => {
    return { ...rest, channels: group * inner, filters: group * outer, kernel, group };
  });

const depthwise = fc.tuple(base, widths, two(5)).map(([rest, channels, kernel]): ConvSizes => {
  return { ...rest, channels, filters: channels, kernel, group: channels };
});

function convProblem(sizes: ConvSizes): Problem {
  const { channels, filters, group, kernel, strides, dilations, pads, extra, bias, common } = sizes;
  const random = seededRandom(common.seed + 1);
  const sizeOf = (d: 0 | 1): number => {
    const extent = (kernel[d] - 1) * dilations[d] + 1;
    return Math.max(1, extent - pads[d] - pads[d + 2]!) + extra[d] - 1;
  };
  const { reals, integers } = weightsOf([filters, channels / group, ...kernel], 0, random);
  const inputs = [[1, channels, sizeOf(0), sizeOf(1)], reals, bias ? constantOf([filters], random) : undefined];
  const attributes = { strides, dilations, pads, group };
  return floatProblem({ opType: 'Conv', attributes, inputs, integers }, common, { kernel: /^float\.conv/ });
}

const transposed = fc
  .tuple(
    fc.record({ strides: two(3), dilations: two(2), kernel: two(4), size: two(5), extra: two(2) }),
    fc.record({ group: upTo(3), inner: upTo(5), outer: upTo(9), common: floatCommon }),
    fc.boolean(),
  )
  .map(([{ strides, dilations, kernel, size, extra }, { group, inner, outer, common }, bias]): Problem => {
    const random = seededRandom(common.seed + 1);
    const { reals, integers } = weightsOf([group * inner, outer, ...kernel], 1, random);
    // padding cuts off no whole tap
    const pad = ([0, 1] as const).map((d) => Math.min(1, (kernel[d] - 1) * dilations[d]));
    const output_padding = ([0, 1] as const).map((d) => Math.min(extra[d] - 1, strides[d] - 1));
    const attributes = { strides, dilations, group, pads: [...pad, ...pad], output_padding };
    const inputs = [[1, group * inner, ...size], reals, bias ? constantOf([group * outer], random) : undefined];
    return floatProblem({ opType: 'ConvTranspose', attributes, inputs, integers }, common, {
      kernel: /^float\.convtranspose/,
    });
  });

const gemms = fc
  .tuple(
    fc.constantFrom('Gemm', 'MatMul'),
    upTo(40),
    widths,
    fc.boolean(),
    fc.constantFrom('none', 'row', 'one'),
    floatCommon,
  )
  .map(([opType, depth, columns, transposed, bias, common]): Problem => {
    const random = seededRandom(common.seed + 1);
    const swap = opType === 'Gemm' && transposed;
    const { reals, integers } = weightsOf(swap ? [columns, depth] : [depth, columns], swap ? 0 : 1, random);
    const added = opType === 'MatMul' || bias === 'none' ? [] : [constantOf(bias === 'row' ? [columns] : [1], random)];
    const attributes = swap ? { transB: 1 } : {};
    return floatProblem({ opType, attributes, inputs: [[1, depth], reals, ...added], integers }, common, {
      kernel: /^float\.(gemm|matmul)/,
    });
  });

/** Rows of tokens. */
const matMuls = fc.tuple(upTo(40), upTo(20), widths, floatCommon).map(([rows, depth, columns, common]): Problem => {
  const weights = constantOf([depth, columns], seededRandom(common.seed + 1));
  return floatProblem({ opType: 'MatMul', inputs: [[1, rows, depth], weights] }, common, { kernel: /^float\.matmul/ });
});

/** Leading dimensions of two operands and of their product, the batch in front. */
const leading = fc.constantFrom<readonly [readonly number[], readonly number[]]>(
  [[1], [1]],
  [
    [1, 3],
    [1, 3],
  ],
  [
    [1, 1],
    [1, 2],
  ],
  [
    [1, 2, 3],
    [1, 1, 3],
  ],
  [[1, 2], [1]],
);

/** Products of two values, as attention has them, or of a value and a stack of constant matrices. */
const valueMatMuls = fc
  .tuple(leading, fc.oneof(upTo(9), fc.integer({ min: 60, max: 140 })), upTo(20), widths, fc.nat(3), floatCommon)
  .map(([[left, right], rows, depth, columns, constant, common]): Problem => {
    const shapes = [
      [...left, rows, depth],
      [...right, depth, columns],
    ];
    // a batch goes through the first dimension of both
    const inputs = shapes.map((shape, at) => {
      if (constant !== at || shape.length !== 4) return shape;
      return constantOf(shape.slice(1), seededRandom(common.seed + 1));
    });
    const batch = left.length === right.length ? common.batch : 1;
    return floatProblem({ opType: 'MatMul', inputs }, { ...common, batch }, { kernel: /^float\.matmul\.values$/ });
  });

export const floatProductSuites: readonly Suite[] = [
  { name: 'float convolution', problems: dense.map(convProblem), runs: 40 },
  { name: 'float pointwise convolution', problems: pointwise.map(convProblem), runs: 25 },
  { name: 'float convolution of many weights', problems: heavy.map(convProblem), runs: 6 },
  { name: 'float grouped convolution', problems: grouped.map(convProblem), runs: 25 },
  { name: 'float depthwise convolution', problems: depthwise.map(convProblem), runs: 30 },
  { name: 'float transposed convolution', problems: transposed, runs: 25 },
  { name: 'float products of two values', problems: valueMatMuls, runs: 40 },
  { name: 'float fully connected', problems: fc.oneof(gemms, matMuls), runs: 30 },
];
