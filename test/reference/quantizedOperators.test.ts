import { describe, expect, it } from 'vitest';
import { tensor, type Tensor } from '../../src/tensor/index.ts';
import { expectAsOracle, floats, runReference, scalar, Tensors, type OperatorCase, type Tolerance } from './oracle.ts';

const tensors = new Tensors(5);
const oneStep: Tolerance = { relative: 0, absolute: 1 };
const exact: Tolerance = { relative: 0, absolute: 0 };

const byte = (value: number): Tensor => tensor('uint8', [], Uint8Array.of(value));
const signed = (value: number): Tensor => tensor('int8', [], Int8Array.of(value));
const signedBytes = (count: number): Tensor => tensor('int8', [count]);

type Attributes = NonNullable<OperatorCase['attributes']>;

/** QLinearConv with random weights, an odd zero point and an output scale that uses the whole range. */
function qLinearConv(
  x: readonly number[],
  w: readonly number[],
  attributes: Attributes,
  options: { readonly perChannel?: boolean; readonly bias?: boolean; readonly signed?: boolean } = {},
): OperatorCase {
  const [filters = 1, ...depth] = w;
  const taps = depth.reduce((a, b) => a * b, 1);
  const scales = options.perChannel ? tensors.float([filters], 0.001, 0.02) : scalar(0.01);
  const zeros = options.perChannel ? signedBytes(filters) : signed(0);
  const yScale = scalar(0.05 * 0.01 * 150 * 73 * 2 * (Math.sqrt(taps) / 255));
  const input = options.signed
    ? [tensors.int8(x, -128), scalar(0.05), signed(-7)]
    : [tensors.uint8(x), scalar(0.05), byte(113)];
  const bias = options.bias ? [tensors.int32([filters], -4000, 4000)] : [];
  const output = options.signed ? signed(13) : byte(141);
  const inputs = [...input, tensors.int8(w), scales, zeros, yScale, output, ...bias];
  return { opType: 'QLinearConv', attributes, inputs };
}

const convolutions: Record<string, OperatorCase> = {
  pointwise: qLinearConv([1, 16, 5, 5], [8, 16, 1, 1], {}, { bias: true }),
  '3x3, per channel, with bias': qLinearConv(
    [1, 3, 9, 9],
    [8, 3, 3, 3],
    { pads: [1, 1, 1, 1] },
    { perChannel: true, bias: true },
  ),
  'asymmetric pads and strides': qLinearConv(
    [2, 3, 9, 8],
    [4, 3, 3, 2],
    { pads: [0, 1, 2, 0], strides: [2, 1] },
    { perChannel: true },
  ),
  dilations: qLinearConv([1, 2, 12, 12], [4, 2, 3, 3], { dilations: [2, 3], pads: [2, 3, 2, 3] }, { bias: true }),
  'two groups': qLinearConv(
    [1, 6, 7, 7],
    [4, 3, 3, 3],
    { group: 2, pads: [1, 1, 1, 1] },
    { perChannel: true, bias: true },
  ),
  depthwise: qLinearConv(
    [1, 8, 7, 7],
    [8, 1, 3, 3],
    { group: 8, pads: [1, 1, 1, 1], strides: [2, 2] },
    { perChannel: true },
  ),
  'int8 activations': qLinearConv([1, 3, 6, 6], [4, 3, 3, 3], { pads: [1, 1, 1, 1] }, { signed: true, bias: true }),
};

describe('QLinearConv within one step of onnxruntime', () => {
  it.each(Object.entries(convolutions))('%s', async (_name, operator) => {
    await expectAsOracle(operator, oneStep);
  });
});

describe('QuantizeLinear and DequantizeLinear as onnxruntime computes them', () => {
  const reals = tensors.float([2, 3, 4], -9, 9);

  it('per tensor, uint8 and int8', async () => {
    await expectAsOracle({ opType: 'QuantizeLinear', inputs: [reals, scalar(0.037), byte(119)] }, exact);
    await expectAsOracle({ opType: 'QuantizeLinear', inputs: [reals, scalar(0.037), signed(-11)] }, exact);
    await expectAsOracle(
      { opType: 'DequantizeLinear', inputs: [tensors.uint8([2, 3]), scalar(0.37), byte(119)] },
      exact,
    );
    await expectAsOracle({ opType: 'DequantizeLinear', inputs: [tensors.int32([5]), scalar(0.0037)] }, exact);
  });

  it('per axis', async () => {
    const scales = floats(0.1, 0.03, 0.007);
    const zeros = tensor('uint8', [3], Uint8Array.of(0, 128, 255));
    await expectAsOracle({ opType: 'QuantizeLinear', attributes: { axis: 1 }, inputs: [reals, scales, zeros] }, exact);
    const weights = tensors.int8([3, 2, 2]);
    await expectAsOracle(
      { opType: 'DequantizeLinear', attributes: { axis: 0 }, inputs: [weights, scales, signedBytes(3)] },
      exact,
    );
  });

  it('takes ties to even before the zero point is added', async () => {
    const ties = floats(0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 254.5, 300, -300);
    const operator = { opType: 'QuantizeLinear', inputs: [ties, scalar(1), byte(1)] };
    expect([...runReference(operator)[0]!.data]).toEqual([1, 3, 3, 1, 0, 0, 255, 255, 0]);
    await expectAsOracle(operator, exact);
  });

  it('divides in float32', async () => {
    // As one real quotient the first would be 127.5 and round to 128.
    const operator = { opType: 'QuantizeLinear', inputs: [floats(0.273939937), scalar(0.00214854861), byte(0)] };
    expect([...runReference(operator)[0]!.data]).toEqual([127]);
    await expectAsOracle(operator, exact);
  });

  it('makes the zero point of NaN, and the limits of infinities', () => {
    const operator = { opType: 'QuantizeLinear', inputs: [floats(NaN, Infinity, -Infinity), scalar(0.1), byte(77)] };
    expect([...runReference(operator)[0]!.data]).toEqual([77, 255, 0]);
  });
});

const triple = (shape: readonly number[], scale: number, zeroPoint: number): Tensor[] => [
  ...[tensors.uint8(shape), scalar(scale), byte(zeroPoint)],
];

const others: Record<string, OperatorCase> = {
  QLinearMatMul: {
    opType: 'QLinearMatMul',
    inputs: [...triple([3, 8], 0.02, 111), ...triple([8, 5], 0.013, 131), scalar(0.03), byte(99)],
  },
  'QLinearMatMul, int8 weights per column': {
    opType: 'QLinearMatMul',
    inputs: [
      ...triple([3, 8], 0.02, 111),
      ...[tensors.int8([8, 5]), tensors.float([5], 0.005, 0.02), signedBytes(5), scalar(0.03), byte(99)],
    ],
  },
  QLinearAdd: microsoft('QLinearAdd', [
    ...triple([2, 3, 4], 0.02, 111),
    ...triple([2, 3, 4], 0.05, 7),
    scalar(0.06),
    byte(33),
  ]),
  'QLinearAdd with broadcasting': microsoft('QLinearAdd', [
    ...[...triple([1, 3, 4, 4], 0.02, 111), ...triple([3, 1, 1], 0.05, 7), scalar(0.06), byte(33)],
  ]),
  QLinearMul: microsoft('QLinearMul', [
    ...triple([2, 3, 4], 0.02, 111),
    ...triple([3, 1], 0.01, 3),
    scalar(0.02),
    byte(120),
  ]),
  QLinearGlobalAveragePool: microsoft(
    'QLinearGlobalAveragePool',
    [...triple([2, 5, 7, 7], 0.02, 111), scalar(0.011), byte(95)],
    {
      channels_last: 0,
    },
  ),
  QLinearAveragePool: microsoft('QLinearAveragePool', [...triple([1, 3, 8, 8], 0.02, 111), scalar(0.018), byte(105)], {
    kernel_shape: [3, 3],
    strides: [2, 2],
    pads: [1, 1, 1, 1],
  }),
  QLinearSigmoid: microsoft('QLinearSigmoid', [...triple([4, 9], 0.05, 128), scalar(1 / 256), byte(0)]),
  QLinearLeakyRelu: microsoft('QLinearLeakyRelu', [...triple([4, 9], 0.05, 128), scalar(0.04), byte(20)], {
    alpha: 0.1,
  }),
  'QLinearSoftmax along one axis': microsoft(
    'QLinearSoftmax',
    [...triple([2, 3, 5], 0.03, 128), scalar(1 / 256), byte(0)],
    {
      ...{ axis: 1, opset: 13 },
    },
  ),
  'QLinearSoftmax over the dimensions from an axis on': microsoft(
    'QLinearSoftmax',
    [...triple([2, 3, 5], 0.03, 128), scalar(1 / 256), byte(0)],
    { axis: 1, opset: 12 },
  ),
  QGemm: microsoft(
    'QGemm',
    [
      ...[...triple([3, 8], 0.02, 111), tensors.int8([5, 8]), tensors.float([5], 0.005, 0.02), signedBytes(5)],
      ...[tensors.int32([5], -3000, 3000), scalar(0.03), byte(99)],
    ],
    { transB: 1 },
  ),
  'QGemm to float': microsoft('QGemm', [
    ...[...triple([3, 8], 0.02, 111), tensors.int8([8, 5]), scalar(0.01), signed(0), tensors.int32([5], -3000, 3000)],
  ]),
  QLinearConcat: microsoft(
    'QLinearConcat',
    [scalar(0.03), byte(100), ...triple([1, 2, 3, 3], 0.02, 111), ...triple([1, 4, 3, 3], 0.05, 7)],
    { axis: 1 },
  ),
};

function microsoft(opType: string, inputs: readonly Tensor[], attributes: Attributes = {}): OperatorCase {
  return { opType, domain: 'com.microsoft', inputs, attributes };
}

describe('operators of quantized files within one step of onnxruntime', () => {
  it.each(Object.entries(others))('%s', async (_name, operator) => {
    await expectAsOracle(operator, oneStep);
  });
});
