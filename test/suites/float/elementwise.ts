import fc from 'fast-check';
import { seededRandom } from '../../../src/base/index.ts';
import { tensor } from '../../../src/tensor/index.ts';
import { batches, seeds, upTo, type Problem, type Suite } from '../problem.ts';
import { constantOf, floatProblem, type FloatCommon, type FloatNode } from './node.ts';

export const floatCommon: fc.Arbitrary<FloatCommon> = fc.record({ batch: batches, seed: seeds });

export const floatShapes: fc.Arbitrary<readonly number[]> = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.constant(1), upTo(19), upTo(6), upTo(6)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant(1), upTo(40)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant(1), upTo(7), upTo(7)) },
);

const scalar = (value: number) => tensor('float32', [], Float32Array.of(value));

const unary: fc.Arbitrary<(shape: readonly number[]) => FloatNode> = fc.oneof(
  fc
    .constantFrom(
      'Relu',
      'Abs',
      'Neg',
      'Sqrt',
      'Floor',
      'Ceil',
      'Exp',
      'Sigmoid',
      'Tanh',
      'Elu',
      'HardSwish',
      'Log',
      'Softplus',
      ...['Erf', 'Gelu', 'Mish', 'Reciprocal', 'Softsign', 'Selu', 'Celu', 'ThresholdedRelu'],
    )
    .map((opType) => (shape: readonly number[]) => ({ opType, inputs: [shape] })),
  fc
    .tuple(
      fc.constantFrom('LeakyRelu', 'HardSigmoid', 'Elu', 'Selu', 'Celu', 'ThresholdedRelu'),
      fc.constantFrom(0.1, 0.01, 0.3, -0.5),
    )
    .map(([opType, alpha]) => (shape: readonly number[]) => ({ opType, attributes: { alpha }, inputs: [shape] })),
  fc.constant((shape: readonly number[]) => ({ opType: 'Gelu', attributes: { approximate: 'tanh' }, inputs: [shape] })),
  fc
    .constantFrom(2, 3, 0.5, 0.75, -1, -0.5, 0, 1, 1.7, 9)
    .map((exponent) => (shape: readonly number[]) => ({ opType: 'Pow', inputs: [shape, scalar(exponent)] })),
  fc
    .tuple(fc.option(fc.constantFrom(-1, 0)), fc.option(fc.constantFrom(1, 6)))
    .map(([low, high]) => (shape: readonly number[]) => ({
      opType: 'Clip',
      inputs: [shape, low === null ? undefined : scalar(low), high === null ? undefined : scalar(high)],
    })),
);

const unaries = fc
  .tuple(floatShapes, unary, floatCommon)
  .map(([shape, node, common]): Problem =>
    floatProblem(node(shape), common, { kernel: /^float\./, specials: 'with specials' }),
  );

/** Shapes that broadcast to `shape`: itself, a channel each, a pixel each, one element. */
function partners(shape: readonly number[]): readonly (readonly number[])[] {
  const [, channels = 1, ...rest] = shape;
  if (shape.length !== 4) return [shape, [shape.at(-1)!], []];
  return [shape, [1, channels, 1, 1], [channels, 1, 1], [1, 1, ...rest], [1, 1, 1, 1], []];
}

const binaries = fc
  .tuple(
    floatShapes,
    fc.constantFrom('Add', 'Sub', 'Mul', 'Div', 'PRelu', 'Max', 'Min'),
    fc.nat(5),
    fc.constantFrom('value', 'constant'),
    fc.boolean(),
    floatCommon,
  )
  .map(([shape, opType, at, kind, swapped, common]): Problem => {
    const choices = partners(shape);
    const chosen = choices[at % choices.length]!;
    // values have the batch in front
    const asValue = chosen.length === shape.length;
    const other = kind === 'value' && asValue ? chosen : constantOf(chosen, seededRandom(common.seed + 1));
    const inputs = swapped && opType !== 'PRelu' ? [other, shape] : [shape, other];
    return floatProblem({ opType, inputs }, common, { kernel: /^float\./, specials: 'with specials' });
  });

/** Shapes with an axis along which a kernel can take rows. */
const alongAxis = fc.oneof(
  fc.tuple(fc.constant(1), upTo(40)).map((shape) => ({ shape, axis: 1 })),
  fc.tuple(fc.constant(1), upTo(9), upTo(4), upTo(4)).map((shape) => ({ shape, axis: 1 })),
  fc
    .tuple(fc.constant(1), upTo(7), upTo(9))
    .chain((shape) => fc.constantFrom(-1, 1, 2).map((axis) => ({ shape, axis }))),
);

const softmaxes = fc
  .tuple(fc.constantFrom('Softmax', 'LogSoftmax'), alongAxis, floatCommon)
  .map(([opType, { shape, axis }, common]): Problem => {
    const node = { opType, attributes: { axis }, inputs: [shape] };
    return floatProblem(node, common, { kernel: /^float\.(log)?softmax$/, specials: 'with specials' });
  });

const argMaxes = fc
  .tuple(fc.constantFrom('ArgMax', 'ArgMin'), alongAxis, fc.constantFrom(0, 1), fc.constantFrom(0, 1), floatCommon)
  .map(([opType, { shape, axis }, keepdims, select_last_index, common]): Problem => {
    const node = { opType, attributes: { axis, keepdims, select_last_index }, inputs: [shape] };
    return floatProblem(node, common, { kernel: /^float\.arg/, specials: 'with specials' });
  });

export const floatElementwiseSuites: readonly Suite[] = [
  { name: 'float functions', problems: unaries, runs: 90 },
  { name: 'float operators of two', problems: binaries, runs: 60 },
  { name: 'float softmax', problems: softmaxes, runs: 30 },
  { name: 'float arg max', problems: argMaxes, runs: 30 },
];
