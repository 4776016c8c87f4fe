import { describe, it } from 'vitest';
import { tensor } from '../../src/tensor/index.ts';
import { expectAsOracle, floats, int64s, scalar, Tensors, type OperatorCase } from './oracle.ts';

type Attributes = NonNullable<OperatorCase['attributes']>;

const tensors = new Tensors(2);
const edges = floats(0, -0, 1, -1, 0.5, -0.5, 2.5, -2.5, 1e-20, -1e-20, 6, -6, 88, -88, 1e10, -1e10, 3, -3);
const positive = tensors.float([3, 7], 0.01, 20);

const functions: Record<string, OperatorCase[]> = Object.fromEntries(
  (
    [
      ['Relu', {}],
      ['LeakyRelu', { alpha: 0.1 }],
      ['LeakyRelu', {}],
      ['Sigmoid', {}],
      ['HardSigmoid', { alpha: 0.3, beta: 0.4 }],
      ['HardSigmoid', {}],
      ['HardSwish', {}],
      ['Tanh', {}],
      ['Elu', { alpha: 1.5 }],
      ['Selu', {}],
      ['Celu', { alpha: 2 }],
      ['ThresholdedRelu', { alpha: 0.7 }],
      ['Softplus', {}],
      ['Softsign', {}],
      ['Mish', {}],
      ['Erf', {}],
      ['Abs', {}],
      ['Neg', {}],
      ['Floor', {}],
      ['Ceil', {}],
      ['Round', {}],
      ['Sign', {}],
      ['Identity', {}],
    ] satisfies [string, Attributes][]
  ).map(([opType, attributes]) => [
    `${opType} ${JSON.stringify(attributes)}`,
    [edges, tensors.float([2, 3, 4], -8, 8)].map((input) => ({ opType, attributes, inputs: [input] })),
  ]),
);

const ofPositives: Record<string, OperatorCase[]> = Object.fromEntries(
  ['Exp', 'Log', 'Sqrt', 'Reciprocal'].map((opType) => [opType, [{ opType, inputs: [positive] }]]),
);

const gelu: Record<string, OperatorCase[]> = {
  'Gelu, exact': [{ opType: 'Gelu', inputs: [tensors.float([40], -5, 5)], opset: 20 }],
  'Gelu, by tanh': [
    { opType: 'Gelu', attributes: { approximate: 'tanh' }, inputs: [tensors.float([40], -5, 5)], opset: 20 },
  ],
};

const shapes: [readonly number[], readonly number[]][] = [
  [
    [2, 3, 4],
    [2, 3, 4],
  ],
  [
    [2, 3, 4],
    [3, 1],
  ],
  [[2, 3, 4], []],
  [
    [1, 3, 1],
    [2, 1, 4],
  ],
  [[4], [2, 3, 4]],
  [
    [1, 5, 3, 3],
    [1, 5, 1, 1],
  ],
];

const pairs: Record<string, OperatorCase[]> = Object.fromEntries(
  ['Add', 'Sub', 'Mul', 'Div', 'Max', 'Min', 'Equal', 'Less', 'Greater', 'LessOrEqual', 'GreaterOrEqual'].map(
    (opType) => [opType, shapes.map(([a, b]) => ({ opType, inputs: [tensors.float(a), tensors.float(b, 0.5, 3)] }))],
  ),
);

const integers: Record<string, OperatorCase[]> = Object.fromEntries(
  ['Add', 'Sub', 'Mul', 'Div'].map((opType) => [
    `${opType} of int64 and int32`,
    [
      { opType, inputs: [int64s(7, -7, 100, 3), int64s(2)] },
      { opType, inputs: [tensors.int32([2, 3]), tensors.int32([3], 1, 9)] },
    ],
  ]),
);

const others: Record<string, OperatorCase[]> = {
  Pow: [
    { opType: 'Pow', inputs: [positive, scalar(2.5)] },
    { opType: 'Pow', inputs: [tensors.float([5]), scalar(2)] },
    { opType: 'Pow', inputs: [positive, tensors.float([7], -2, 2)] },
  ],
  'Sum, Mean, Max and Min of three': ['Sum', 'Mean', 'Max', 'Min'].map((opType) => ({
    opType,
    inputs: [tensors.float([2, 3]), tensors.float([3]), tensors.float([2, 1])],
  })),
  'Clip with both bounds, one or none': [
    { opType: 'Clip', inputs: [edges, scalar(-1), scalar(6)] },
    { opType: 'Clip', inputs: [edges, undefined, scalar(6)] },
    { opType: 'Clip', inputs: [edges, scalar(0)] },
    { opType: 'Clip', inputs: [edges] },
  ],
  PRelu: [
    { opType: 'PRelu', inputs: [tensors.float([2, 3, 4, 5]), tensors.float([3, 1, 1])] },
    { opType: 'PRelu', inputs: [tensors.float([2, 3]), tensors.float([1])] },
  ],
  Where: [
    {
      opType: 'Where',
      inputs: [tensor('bool', [3, 1], Uint8Array.of(1, 0, 1)), tensors.float([2, 1, 4]), tensors.float([4])],
    },
  ],
  'Softmax and LogSoftmax along any axis': ['Softmax', 'LogSoftmax'].flatMap((opType) =>
    [-1, 0, 1].map((axis) => ({ opType, attributes: { axis }, inputs: [tensors.float([3, 4, 5], -20, 20)] })),
  ),
};

const families = { functions, ofPositives, gelu, pairs, integers, others };

describe.each(Object.entries(families))('%s as onnxruntime computes them', (_, cases) => {
  it.each(Object.entries(cases))('%s', async (_name, operators) => {
    for (const operator of operators) await expectAsOracle(operator);
  });
});
