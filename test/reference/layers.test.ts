import { describe, it } from 'vitest';
import { expectAsOracle, Tensors, type OperatorCase } from './oracle.ts';

type Attributes = NonNullable<OperatorCase['attributes']>;

const tensors = new Tensors(1);

function layer(
  opType: string,
  x: readonly number[],
  w: readonly number[],
  attributes: Attributes,
  bias = 0,
): OperatorCase {
  const inputs = [tensors.float(x), tensors.float(w), ...(bias > 0 ? [tensors.float([bias])] : [])];
  return { opType, attributes, inputs };
}

const convolutions: Record<string, OperatorCase> = {
  'pointwise, batch 2': layer('Conv', [2, 5, 4, 6], [7, 5, 1, 1], {}, 7),
  'pointwise, stride 2': layer('Conv', [1, 5, 5, 6], [3, 5, 1, 1], { strides: [2, 2] }),
  'pointwise with pads': layer('Conv', [1, 3, 4, 4], [3, 3, 1, 1], { pads: [1, 0, 2, 1] }, 3),
  '3x3': layer('Conv', [1, 3, 9, 8], [4, 3, 3, 3], {}, 4),
  '3x3, asymmetric pads': layer('Conv', [1, 3, 9, 8], [4, 3, 3, 3], { pads: [0, 1, 2, 3] }, 4),
  '3x3, strides 2 and 3': layer('Conv', [2, 3, 11, 10], [4, 3, 3, 3], { strides: [2, 3], pads: [1, 1, 1, 1] }),
  '3x3, dilations 2 and 3': layer('Conv', [1, 2, 12, 13], [4, 2, 3, 3], { dilations: [2, 3], pads: [2, 3, 2, 3] }),
  '5x2 of two groups': layer('Conv', [1, 6, 9, 7], [4, 3, 5, 2], { group: 2, pads: [2, 0, 2, 1] }, 4),
  'depthwise 3x3': layer('Conv', [2, 6, 8, 8], [6, 1, 3, 3], { group: 6, pads: [1, 1, 1, 1] }, 6),
  'depthwise 3x3, stride 2': layer('Conv', [1, 6, 9, 9], [6, 1, 3, 3], {
    group: 6,
    pads: [1, 1, 1, 1],
    strides: [2, 2],
  }),
  'depthwise with multiplier 2': layer('Conv', [1, 3, 8, 8], [6, 1, 3, 3], { group: 3, pads: [1, 1, 1, 1] }, 6),
  'depthwise 5x5, dilation 2': layer('Conv', [1, 4, 12, 12], [4, 1, 5, 5], {
    group: 4,
    dilations: [2, 2],
    pads: [4, 4, 4, 4],
  }),
  'one pixel': layer('Conv', [1, 3, 1, 1], [2, 3, 3, 3], { pads: [1, 1, 1, 1] }, 2),
  'windows in the padding alone': layer('Conv', [1, 1, 2, 2], [1, 1, 2, 2], { pads: [3, 3, 3, 3] }, 1),
  SAME_UPPER: layer('Conv', [1, 2, 7, 8], [3, 2, 4, 3], { auto_pad: 'SAME_UPPER', strides: [2, 2] }),
  SAME_LOWER: layer('Conv', [1, 2, 7, 8], [3, 2, 4, 3], { auto_pad: 'SAME_LOWER', strides: [2, 2] }),
  VALID: layer('Conv', [1, 2, 7, 8], [3, 2, 4, 3], { auto_pad: 'VALID', strides: [2, 2] }),
  'one dimension': layer('Conv', [2, 4, 17], [6, 2, 3], { group: 2, dilations: [2], pads: [1, 3], strides: [2] }, 6),
  'three dimensions': layer(
    'Conv',
    [1, 2, 5, 6, 4],
    [3, 2, 2, 3, 2],
    { pads: [1, 0, 1, 0, 2, 0], strides: [1, 2, 1] },
    3,
  ),
};

const transposed: Record<string, OperatorCase> = {
  '2x2, stride 2': layer('ConvTranspose', [1, 4, 3, 5], [4, 3, 2, 2], { strides: [2, 2] }, 3),
  '3x3 with pads': layer('ConvTranspose', [2, 2, 4, 4], [2, 3, 3, 3], { pads: [1, 0, 1, 2] }, 3),
  'output padding': layer('ConvTranspose', [1, 2, 3, 3], [2, 3, 3, 3], {
    ...{ strides: [3, 2], output_padding: [1, 1], pads: [1, 1, 1, 1] },
  }),
  'output shape': layer('ConvTranspose', [1, 2, 3, 3], [2, 2, 3, 3], { strides: [3, 2], output_shape: [10, 8] }),
  dilations: layer('ConvTranspose', [1, 1, 3, 3], [1, 2, 2, 3], { dilations: [2, 3] }),
  'two groups': layer(
    'ConvTranspose',
    [1, 4, 3, 3],
    [4, 3, 3, 3],
    { group: 2, strides: [2, 2], pads: [1, 1, 1, 1] },
    6,
  ),
  depthwise: layer('ConvTranspose', [1, 4, 3, 3], [4, 1, 4, 4], { group: 4, strides: [2, 2], pads: [1, 1, 1, 1] }, 4),
  SAME_UPPER: layer('ConvTranspose', [1, 2, 3, 4], [2, 2, 3, 3], { auto_pad: 'SAME_UPPER', strides: [2, 2] }),
  'one dimension': layer('ConvTranspose', [1, 3, 5], [3, 2, 4], { strides: [3], pads: [1, 1] }, 2),
};

const products: Record<string, OperatorCase> = {
  'Gemm with bias': { opType: 'Gemm', inputs: [tensors.float([3, 5]), tensors.float([5, 4]), tensors.float([4])] },
  'Gemm, all attributes': {
    opType: 'Gemm',
    attributes: { alpha: 0.25, beta: -1.5, transA: 1, transB: 1 },
    inputs: [tensors.float([5, 3]), tensors.float([4, 5]), tensors.float([3, 1])],
  },
  'Gemm without bias': {
    opType: 'Gemm',
    attributes: { transB: 1 },
    inputs: [tensors.float([1, 64]), tensors.float([10, 64])],
  },
  'MatMul of matrices': { opType: 'MatMul', inputs: [tensors.float([3, 5]), tensors.float([5, 4])] },
  'MatMul of batches that broadcast': {
    opType: 'MatMul',
    inputs: [tensors.float([2, 1, 3, 5]), tensors.float([4, 5, 2])],
  },
  'MatMul of a vector': { opType: 'MatMul', inputs: [tensors.float([5]), tensors.float([5, 4])] },
  'MatMul by a vector': { opType: 'MatMul', inputs: [tensors.float([2, 3, 5]), tensors.float([5])] },
};

const pool = (opType: string, x: readonly number[], attributes: Attributes, outputs = 1): OperatorCase => ({
  ...{ opType, attributes, inputs: [tensors.float(x)], outputs },
});

const pools: Record<string, OperatorCase> = {
  'max 2x2, stride 2': pool('MaxPool', [2, 3, 6, 8], { kernel_shape: [2, 2], strides: [2, 2] }),
  'max with pads': pool('MaxPool', [1, 3, 7, 7], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }),
  'max with indices': pool('MaxPool', [1, 2, 7, 7], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 0, 0] }, 2),
  'max, ceil mode': pool('MaxPool', [1, 2, 7, 8], { kernel_shape: [2, 3], strides: [2, 2], ceil_mode: 1 }),
  'max, ceil mode with pads': pool('MaxPool', [1, 1, 5, 5], {
    ...{ kernel_shape: [3, 3], strides: [3, 3], pads: [1, 1, 1, 1], ceil_mode: 1 },
  }),
  'max, dilations': pool('MaxPool', [1, 2, 9, 9], { kernel_shape: [3, 2], dilations: [2, 3] }),
  'max, SAME_LOWER': pool('MaxPool', [1, 2, 7, 8], { kernel_shape: [3, 2], strides: [2, 2], auto_pad: 'SAME_LOWER' }),
  'max of one dimension': pool('MaxPool', [2, 2, 9], { kernel_shape: [3], strides: [2] }),
  'max of three dimensions': pool('MaxPool', [1, 2, 4, 5, 6], { kernel_shape: [2, 3, 2], strides: [1, 2, 2] }),
  average: pool('AveragePool', [2, 3, 6, 8], { kernel_shape: [2, 2], strides: [2, 2] }),
  'average with pads': pool('AveragePool', [1, 3, 7, 7], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }),
  'average counting pads': pool('AveragePool', [1, 3, 7, 7], {
    ...{ kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1], count_include_pad: 1 },
  }),
  'average, ceil mode': pool('AveragePool', [1, 2, 7, 8], { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 }),
  'average, ceil mode, counting pads': pool('AveragePool', [1, 2, 8, 8], {
    ...{ kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1, pads: [1, 1, 1, 1], count_include_pad: 1 },
  }),
  'average, SAME_UPPER': pool('AveragePool', [1, 2, 7, 8], {
    kernel_shape: [3, 2],
    strides: [2, 2],
    auto_pad: 'SAME_UPPER',
  }),
  'global average': pool('GlobalAveragePool', [2, 5, 7, 3], {}),
  'global maximum': pool('GlobalMaxPool', [2, 5, 7, 3], {}),
  'global average of one dimension': pool('GlobalAveragePool', [2, 5, 7], {}),
};

const channel = (values: readonly number[]): ReturnType<Tensors['float']> => tensors.float(values, 0.5, 2);

const normalizations: Record<string, OperatorCase> = {
  BatchNormalization: {
    opType: 'BatchNormalization',
    attributes: { epsilon: 1e-3 },
    inputs: [tensors.float([2, 3, 4, 5]), channel([3]), tensors.float([3]), tensors.float([3]), channel([3])],
  },
  'BatchNormalization of [N, C]': {
    opType: 'BatchNormalization',
    inputs: [tensors.float([4, 3]), channel([3]), tensors.float([3]), tensors.float([3]), channel([3])],
  },
  InstanceNormalization: {
    opType: 'InstanceNormalization',
    attributes: { epsilon: 1e-2 },
    inputs: [tensors.float([2, 3, 4, 5]), channel([3]), tensors.float([3])],
  },
  'LRN, default attributes': { opType: 'LRN', attributes: { size: 5 }, inputs: [tensors.float([1, 7, 2, 2], -30, 30)] },
  LRN: {
    opType: 'LRN',
    attributes: { size: 3, alpha: 0.02, beta: 0.6, bias: 2 },
    inputs: [tensors.float([2, 9, 3, 3])],
  },
  LayerNormalization: {
    opType: 'LayerNormalization',
    attributes: { axis: -1, epsilon: 1e-4 },
    inputs: [tensors.float([2, 3, 8]), channel([8]), tensors.float([8])],
  },
};

const families = { Conv: convolutions, ConvTranspose: transposed, products, pools, normalizations };

describe.each(Object.entries(families))('%s as onnxruntime computes them', (_, cases) => {
  it.each(Object.entries(cases))('%s', async (_name, operator) => {
    await expectAsOracle(operator);
  });
});
