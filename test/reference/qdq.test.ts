import { describe, expect, it } from 'vitest';
import type { QuantizedGraph } from '../../src/graph/index.ts';
import { readModel, writeModel, type Initializer, type ModelProto, type NodeProto } from '../../src/onnx/index.ts';
import { openOnnxFile } from '../../src/onnxruntime/index.ts';
import { runQuantized } from '../../src/reference/index.ts';
import { scalar, Tensors, attributeProtos, int64s } from './oracle.ts';
import { tensor, type Tensor } from '../../src/tensor/index.ts';
import { importModel, lowerQdq } from '../../src/transform/index.ts';
import type { AttributeValue } from '../../src/graph/index.ts';

const tensors = new Tensors(6);

/** An operand of a node between DequantizeLinear and QuantizeLinear. */
interface Operand {
  /** 8-bit data; a feed where `fed`. */
  readonly data: Tensor;
  readonly scale: Tensor;
  readonly zeroPoint: Tensor;
  readonly axis?: number;
  readonly fed?: boolean;
}

interface QdqCase {
  readonly opType: string;
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  readonly operands: readonly Operand[];
  /** Constant operands that are not quantized: shapes, bounds. */
  readonly plain?: readonly Tensor[];
  readonly output: { readonly scale: number; readonly zeroPoint: Tensor };
  /** Relu or Clip after the node. */
  readonly activation?: { readonly opType: string; readonly operands: readonly Tensor[] };
  /** The operation that it must become. */
  readonly becomes: string;
}

const unsigned = (value: number): Tensor => tensor('uint8', [], Uint8Array.of(value));
const signed = (value: number): Tensor => tensor('int8', [], Int8Array.of(value));

function activation(shape: readonly number[], scale: number, zeroPoint: Tensor): Operand {
  const data = zeroPoint.dtype === 'int8' ? tensors.int8(shape, -128) : tensors.uint8(shape);
  return { data, scale: scalar(scale), zeroPoint, fed: true };
}

/** Symmetric int8 weights, per channel along `axis` where it is given. */
function weights(shape: readonly number[], axis?: number): Operand {
  const data = tensors.int8(shape);
  if (axis === undefined) return { data, scale: scalar(0.01), zeroPoint: signed(0) };
  const channels = shape[axis] ?? 1;
  return { data, scale: tensors.float([channels], 0.002, 0.02), zeroPoint: tensor('int8', [channels]), axis };
}

/** int32 bias at the accumulator's scale. */
function bias(input: Operand, weight: Operand): Operand {
  const inputScale = Number(input.scale.data[0]);
  const scales = Float32Array.from(weight.scale.data as Float32Array, (scale) => Math.fround(inputScale * scale));
  const channels = weight.axis === undefined ? (weight.data.shape[0] ?? 1) : scales.length;
  const data = tensors.int32([channels], -3000, 3000);
  const zeroPoint = tensor('int32', weight.scale.shape);
  const axis = weight.axis === undefined ? {} : { axis: 0 };
  return { data, scale: tensor('float32', weight.scale.shape, scales), zeroPoint, ...axis };
}

function modelOf({ opType, attributes = {}, operands, plain = [], output, activation: act }: QdqCase): ModelProto {
  const initializers: Initializer[] = [];
  const nodes: NodeProto[] = [];
  const constant = (name: string, value: Tensor): string => {
    initializers.push({ name, tensor: value });
    return name;
  };
  const push = (
    name: string,
    type: string,
    inputs: readonly string[],
    given: Record<string, AttributeValue> = {},
  ): string => {
    nodes.push({
      name,
      opType: type,
      domain: '',
      inputs,
      outputs: [`${name}_out`],
      attributes: attributeProtos(given),
    });
    return `${name}_out`;
  };
  const fed: { name: string; value: Tensor }[] = [];
  const reals = operands.map(({ data, scale, zeroPoint, axis, fed: isFed }, index) => {
    if (isFed) fed.push({ name: `x${index}`, value: data });
    else constant(`x${index}`, data);
    const parameters = [constant(`scale${index}`, scale), constant(`zero${index}`, zeroPoint)];
    return push(`dq${index}`, 'DequantizeLinear', [`x${index}`, ...parameters], axis === undefined ? {} : { axis });
  });
  const extra = plain.map((value, index) => constant(`plain${index}`, value));
  let result = push('node', opType, [...reals, ...extra], { ...attributes });
  if (act)
    result = push('activation', act.opType, [result, ...act.operands.map((value, i) => constant(`bound${i}`, value))]);
  nodes.push({
    ...{ name: 'q', opType: 'QuantizeLinear', domain: '', outputs: ['y'], attributes: [] },
    inputs: [result, constant('yScale', scalar(output.scale)), constant('yZero', output.zeroPoint)],
  });
  const type = (value: Tensor) => ({ elementType: value.dtype === 'int8' ? 3 : 2, shape: value.shape });
  return {
    ...{
      irVersion: 9,
      producerName: 'octet-test',
      producerVersion: '',
      domain: '',
      modelVersion: 1,
      metadata: new Map(),
    },
    opsetImports: [{ domain: '', version: 18 }],
    graph: {
      ...{ name: opType, nodes, initializers },
      inputs: fed.map(({ name, value }) => ({ name, type: { kind: 'tensor', ...type(value) } })),
      outputs: [
        { name: 'y', type: { kind: 'tensor', elementType: type(output.zeroPoint).elementType, shape: undefined } },
      ],
    },
  };
}

const feedsOf = ({ operands }: QdqCase): Map<string, Tensor> =>
  new Map(operands.flatMap(({ data, fed }, index) => (fed ? [[`x${index}`, data] as const] : [])));

function kindsOf(graph: QuantizedGraph): string[] {
  return graph.operations.map(({ kind }) => kind);
}

const image = activation([1, 6, 8, 8], 0.031, unsigned(113));
const signedImage = activation([1, 6, 8, 8], 0.031, signed(-9));

function conv(w: Operand, attributes: Record<string, AttributeValue>, rest: Partial<QdqCase> = {}): QdqCase {
  const [x = image] = rest.operands ?? [];
  const operands = [x, w, bias(x, w)];
  return {
    opType: 'Conv',
    attributes,
    becomes: 'conv',
    output: { scale: 0.13, zeroPoint: unsigned(121) },
    ...rest,
    operands,
  };
}

const relu6 = { opType: 'Clip', operands: [scalar(0), scalar(6)] };
const relu = { opType: 'Relu', operands: [] };

const layers: Record<string, QdqCase> = {
  'Conv 3x3 per channel': conv(weights([8, 6, 3, 3], 0), { pads: [1, 1, 1, 1] }),
  'Conv 3x3 per tensor': conv(weights([8, 6, 3, 3]), { pads: [1, 1, 1, 1] }),
  'Conv 1x1, stride 2': conv(weights([4, 6, 1, 1], 0), { strides: [2, 2] }),
  'Conv of two groups, asymmetric pads': conv(weights([4, 3, 3, 3], 0), { group: 2, pads: [0, 2, 1, 0] }),
  'depthwise Conv with Relu': conv(
    weights([6, 1, 3, 3], 0),
    { group: 6, pads: [1, 1, 1, 1] },
    {
      ...{ activation: relu, output: { scale: 0.06, zeroPoint: unsigned(0) } },
    },
  ),
  'depthwise Conv with Relu6': conv(
    weights([6, 1, 5, 5], 0),
    { group: 6, pads: [2, 2, 2, 2], strides: [2, 2] },
    {
      ...{ activation: relu6, output: { scale: 6 / 255, zeroPoint: unsigned(0) } },
    },
  ),
  'Conv with dilations': conv(weights([4, 6, 3, 3], 0), { dilations: [2, 1], pads: [2, 1, 2, 1] }),
  'Conv of int8 activations': conv(
    weights([8, 6, 3, 3], 0),
    { pads: [1, 1, 1, 1] },
    {
      ...{ operands: [signedImage], output: { scale: 0.13, zeroPoint: signed(5) } },
    },
  ),
  'Conv with SAME_UPPER': conv(weights([4, 6, 3, 3], 0), { auto_pad: 'SAME_UPPER', strides: [2, 2] }),
  ConvTranspose: (() => {
    const w = weights([6, 4, 3, 3], 1);
    const operands = [image, w, bias(image, w)];
    const attributes = { strides: [2, 2], pads: [1, 1, 0, 1], output_padding: [1, 0] };
    return {
      opType: 'ConvTranspose',
      attributes,
      operands,
      output: { scale: 0.11, zeroPoint: unsigned(127) },
      becomes: 'convTranspose',
    };
  })(),
  Gemm: (() => {
    const x = activation([2, 20], 0.02, unsigned(101));
    const w = weights([10, 20], 0);
    return {
      ...{ opType: 'Gemm', attributes: { transB: 1 }, operands: [x, w, bias(x, w)], becomes: 'fullyConnected' },
      output: { scale: 0.04, zeroPoint: unsigned(119) },
    };
  })(),
  MatMul: {
    ...{ opType: 'MatMul', operands: [activation([1, 5, 20], 0.02, unsigned(101)), weights([20, 7], 1)] },
    ...{ output: { scale: 0.04, zeroPoint: unsigned(119) }, becomes: 'fullyConnected' },
  },
};

const other = activation([1, 6, 8, 8], 0.057, unsigned(77));
const output = { scale: 0.06, zeroPoint: unsigned(93) };

const elementwise: Record<string, QdqCase> = {
  Add: { opType: 'Add', operands: [image, other], output, becomes: 'add' },
  'Add with Relu': {
    opType: 'Add',
    operands: [image, other],
    output: { scale: 0.04, zeroPoint: unsigned(0) },
    activation: relu,
    becomes: 'add',
  },
  'Add of int8': {
    opType: 'Add',
    operands: [signedImage, { ...signedImage, scale: scalar(0.05) }],
    output: { scale: 0.05, zeroPoint: signed(3) },
    becomes: 'add',
  },
  Sub: { opType: 'Sub', operands: [image, other], output, becomes: 'sub' },
  Mul: { opType: 'Mul', operands: [image, other], output: { scale: 0.2, zeroPoint: unsigned(93) }, becomes: 'mul' },
  'Mul by a channel': {
    ...{
      opType: 'Mul',
      operands: [image, activation([1, 6, 1, 1], 1 / 255, unsigned(0))],
      output: { scale: 0.03, zeroPoint: unsigned(113) },
    },
    becomes: 'mul',
  },
  Sigmoid: {
    opType: 'Sigmoid',
    operands: [image],
    output: { scale: 1 / 256, zeroPoint: unsigned(0) },
    becomes: 'table',
  },
  HardSwish: {
    opType: 'HardSwish',
    operands: [image],
    output: { scale: 0.02, zeroPoint: unsigned(17) },
    becomes: 'table',
  },
  LeakyRelu: {
    opType: 'LeakyRelu',
    attributes: { alpha: 0.1 },
    operands: [image],
    output: { scale: 0.025, zeroPoint: unsigned(30) },
    becomes: 'table',
  },
};

const same = { scale: 0.031, zeroPoint: unsigned(113) };

const shaping: Record<string, QdqCase> = {
  MaxPool: {
    opType: 'MaxPool',
    attributes: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
    operands: [image],
    output: same,
    becomes: 'maxPool',
  },
  AveragePool: {
    opType: 'AveragePool',
    attributes: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
    operands: [image],
    output,
    becomes: 'averagePool',
  },
  'AveragePool counting pads': {
    ...{
      opType: 'AveragePool',
      attributes: { kernel_shape: [3, 3], pads: [1, 1, 1, 1], count_include_pad: 1 },
      operands: [image],
      output,
    },
    becomes: 'averagePool',
  },
  GlobalAveragePool: {
    opType: 'GlobalAveragePool',
    operands: [image],
    output: { scale: 0.007, zeroPoint: unsigned(120) },
    becomes: 'averagePool',
  },
  ReduceMean: {
    opType: 'ReduceMean',
    attributes: { keepdims: 0 },
    operands: [image],
    plain: [int64s(2, 3)],
    output: { scale: 0.007, zeroPoint: unsigned(120) },
    becomes: 'averagePool',
  },
  Concat: { opType: 'Concat', attributes: { axis: 1 }, operands: [image, other], output, becomes: 'concat' },
  Reshape: { opType: 'Reshape', operands: [image], plain: [int64s(1, -1)], output: same, becomes: 'layout' },
  Transpose: {
    opType: 'Transpose',
    attributes: { perm: [0, 2, 3, 1] },
    operands: [image],
    output: same,
    becomes: 'layout',
  },
  Pad: { opType: 'Pad', operands: [image], plain: [int64s(0, 0, 1, 0, 0, 0, 2, 1)], output: same, becomes: 'layout' },
  'Pad with a constant': {
    opType: 'Pad',
    operands: [image],
    plain: [int64s(0, 0, 1, 0, 0, 0, 2, 1), scalar(1.5)],
    output: same,
    becomes: 'layout',
  },
  'Gather of channels': {
    opType: 'Gather',
    attributes: { axis: 1 },
    operands: [image],
    plain: [int64s(5, 0, 3, 3)],
    output: same,
    becomes: 'layout',
  },
  Slice: {
    opType: 'Slice',
    operands: [image],
    plain: [int64s(3, 7), int64s(6, 0), int64s(1, 2), int64s(1, -2)],
    output: same,
    becomes: 'layout',
  },
};

const families = { layers, elementwise, shaping };

describe.each(Object.entries(families))('%s between DequantizeLinear and QuantizeLinear', (_, cases) => {
  it.each(Object.entries(cases))('%s: within one step of onnxruntime', async (_name, qdq) => {
    const bytes = writeModel(modelOf(qdq));
    const graph = lowerQdq(importModel(readModel(bytes)));
    expect(kindsOf(graph)).toContain(qdq.becomes);
    expect(kindsOf(graph)).not.toContain('float');
    const actual = runQuantized(graph, feedsOf(qdq)).get('y')!;
    for (const optimization of ['none', 'all'] as const) {
      const session = await openOnnxFile(bytes, { threads: 1, optimization });
      const expected = (await session.run(feedsOf(qdq))).get('y')!;
      await session.close();
      expect({ dtype: actual.dtype, shape: actual.shape }).toEqual({ dtype: expected.dtype, shape: expected.shape });
      const differences = Array.from(actual.data as Uint8Array, (q, i) => Math.abs(q - Number(expected.data[i])));
      expect(Math.max(...differences), optimization).toBeLessThanOrEqual(1);
      // A rounding now and then, not a systematic difference.
      expect(differences.filter((d) => d > 0).length / differences.length, optimization).toBeLessThan(0.05);
      // The range is used: neither constant nor saturated throughout.
      expect(new Set(actual.data as Uint8Array).size).toBeGreaterThan(qdq.becomes === 'averagePool' ? 5 : 10);
    }
  });
});
