import { numberAttribute, type Node } from '../../graph/index.ts';
import { elementCount, tensor, type Dtype, type Tensor } from '../../tensor/index.ts';
import { asFloat32, floatInput, integersOf, requiredInput, resolveAxis, type Kernel } from '../kernel.ts';
import { nearestEven } from '../requantize.ts';
import { invalid } from '../spatial.ts';
import { conv } from './conv.ts';
import { convert } from './layout.ts';
import { matMul } from './matmul.ts';
import { averagePool, globalAveragePool } from './pool.ts';
import { concat } from './layout.ts';
import { binaryKernels, broadcastBinary } from './binary.ts';
import { unaryKernels } from './unary.ts';

const limits: Partial<Record<Dtype, readonly [number, number]>> = {
  uint8: [0, 255],
  int8: [-128, 127],
  uint16: [0, 65_535],
  int16: [-32_768, 32_767],
};

/** For each element of `shape`, the index of its scale: 0 per tensor, the coordinate on `axis` per axis. */
function scaleIndex(node: Node, shape: readonly number[], scales: Tensor): (element: number) => number {
  if (scales.data.length === 1) return () => 0;
  const axis = resolveAxis(node, numberAttribute(node, 'axis', 1), shape.length);
  const size = shape[axis] ?? 1;
  if (scales.data.length !== size)
    throw invalid(node, `has ${scales.data.length} scales for ${size} elements along axis ${axis}`);
  const inner = elementCount(shape.slice(axis + 1));
  return (element) => Math.floor(element / inner) % size;
}

/** y = saturate(nearestEven(f32(x / scale)) + zero_point). */
export function quantizeTensor(node: Node, x: Tensor, scale: Tensor, zeroPoint: Tensor | undefined): Tensor {
  const dtype = zeroPoint?.dtype ?? 'uint8';
  const range = limits[dtype];
  if (!range) throw invalid(node, `quantizes to ${dtype}`);
  const reals = asFloat32(x).data;
  const scales = asFloat32(scale).data;
  const zeros = zeroPoint ? integersOf(zeroPoint) : [0];
  const at = scaleIndex(node, x.shape, scale);
  const q = new Float64Array(reals.length);
  for (let i = 0; i < q.length; i++) {
    const channel = at(i);
    const value = nearestEven(Math.fround(reals[i]! / scales[channel]!)) + (zeros[channel] ?? 0);
    q[i] =
      value < range[0] ? range[0] : value > range[1] ? range[1] : Number.isNaN(value) ? (zeros[channel] ?? 0) : value;
  }
  return convert(tensor('float64', x.shape, q), dtype);
}

/** y = f32((x − zero_point) · scale). */
export function dequantizeTensor(
  node: Node,
  x: Tensor,
  scale: Tensor,
  zeroPoint: Tensor | undefined,
): Tensor & { dtype: 'float32' } {
  const scales = asFloat32(scale).data;
  const zeros = zeroPoint ? integersOf(zeroPoint) : [0];
  const at = scaleIndex(node, x.shape, scale);
  const y = new Float32Array(x.data.length);
  for (let i = 0; i < y.length; i++) {
    const channel = at(i);
    y[i] = (Number(x.data[i]!) - (zeros[channel] ?? 0)) * scales[channel]!;
  }
  return tensor('float32', x.shape, y);
}

export const quantizeLinear: Kernel = (node, inputs) => [
  quantizeTensor(node, requiredInput(node, inputs, 0), requiredInput(node, inputs, 1), inputs[2]),
];

export const dequantizeLinear: Kernel = (node, inputs) => [
  dequantizeTensor(node, requiredInput(node, inputs, 0), requiredInput(node, inputs, 1), inputs[2]),
];

/** Three inputs that stand for one real tensor: data, scale, zero point. */
function dequantizedTriple(node: Node, inputs: readonly (Tensor | undefined)[], index: number): Tensor {
  return dequantizeTensor(
    node,
    requiredInput(node, inputs, index),
    requiredInput(node, inputs, index + 1),
    inputs[index + 2],
  );
}

/** y = quantize(f(dequantize(…)), scale, zero point). */
function requantizing(
  node: Node,
  inputs: readonly (Tensor | undefined)[],
  reals: readonly Tensor[],
  options: { kernel: Kernel; scaleAt: number; attributesOf?: Node },
): Tensor[] {
  const [y] = options.kernel(options.attributesOf ?? node, reals);
  return [
    quantizeTensor(withoutAxis(node), y!, requiredInput(node, inputs, options.scaleAt), inputs[options.scaleAt + 1]),
  ];
}

const withoutAxis = (node: Node): Node => ({ ...node, attributes: new Map() });

/** QLinearConv: x, w and y each with scale and zero point (w per output channel), bias int32 at scale x · w. */
export const qLinearConv: Kernel = (node, inputs) => {
  const perFilter: Node = { ...node, attributes: new Map([['axis', 0]]) };
  const x = dequantizedTriple(withoutAxis(node), inputs, 0);
  const w = dequantizedTriple(perFilter, inputs, 3);
  const bias = inputs[8];
  const xScale = floatInput(node, inputs, 1).data[0]!;
  const wScales = floatInput(node, inputs, 4).data;
  const reals =
    bias && Float32Array.from(integersOf(bias), (b, m) => b * xScale * wScales[wScales.length === 1 ? 0 : m]!);
  const operands = reals ? [x, w, tensor('float32', [reals.length], reals)] : [x, w];
  return requantizing(node, inputs, operands, { kernel: conv, scaleAt: 6 });
};

/** QLinearMatMul: a, b and y each with scale and zero point; b also per column. */
export const qLinearMatMul: Kernel = (node, inputs) => {
  const columns: Node = { ...node, attributes: new Map([['axis', -1]]) };
  const rows: Node = { ...node, attributes: new Map([['axis', -2]]) };
  const operands = [dequantizedTriple(rows, inputs, 0), dequantizedTriple(columns, inputs, 3)];
  return requantizing(node, inputs, operands, { kernel: matMul, scaleAt: 6 });
};

const qLinearBinary =
  (opType: 'Add' | 'Mul'): Kernel =>
  (node, inputs) => {
    const operands = [dequantizedTriple(node, inputs, 0), dequantizedTriple(node, inputs, 3)];
    return requantizing(node, inputs, operands, { kernel: binaryKernels[opType]!, scaleAt: 6 });
  };

const qLinearUnary =
  (kernel: Kernel): Kernel =>
  (node, inputs) =>
    requantizing(node, inputs, [dequantizedTriple(withoutAxis(node), inputs, 0)], { kernel, scaleAt: 3 });

const nchwOnly =
  (kernel: Kernel): Kernel =>
  (node, inputs) => {
    if (numberAttribute(node, 'channels_last', 0) !== 0)
      throw invalid(node, 'has channels_last 1; only 0 is supported');
    return kernel(node, inputs);
  };

/** QLinearConcat: output scale and zero point, then a triple for each part. */
const qLinearConcat: Kernel = (node, inputs) => {
  const parts: Tensor[] = [];
  for (let index = 2; index < inputs.length; index += 3)
    parts.push(dequantizedTriple(withoutAxis(node), inputs, index));
  return requantizing(node, inputs, parts, { kernel: concat, scaleAt: 0 });
};

/** ConvInteger and MatMulInteger: int32 sums of (x − zx) · (w − zw). */
const integerProduct =
  (kernel: Kernel): Kernel =>
  (node, inputs) => {
    const shifted = [0, 1].map((index) => {
      const x = requiredInput(node, inputs, index);
      const zero = inputs[index + 2];
      const real = asFloat32(x);
      return zero ? broadcastBinary(node, real, asFloat32(zero), (a, b) => a - b) : real;
    });
    const [y] = kernel(node, shifted);
    return [convert(y!, 'int32')];
  };

export const quantizationKernels: Readonly<Record<string, Kernel>> = {
  QuantizeLinear: quantizeLinear,
  DequantizeLinear: dequantizeLinear,
  QLinearConv: qLinearConv,
  QLinearMatMul: qLinearMatMul,
  ConvInteger: integerProduct(conv),
  MatMulInteger: integerProduct(matMul),
};

/** Operators of com.microsoft. */
export const microsoftKernels: Readonly<Record<string, Kernel>> = {
  QuantizeLinear: quantizeLinear,
  DequantizeLinear: dequantizeLinear,
  QLinearAdd: qLinearBinary('Add'),
  QLinearMul: qLinearBinary('Mul'),
  QLinearSigmoid: qLinearUnary(unaryKernels['Sigmoid']!),
  QLinearLeakyRelu: (node, inputs) =>
    requantizing(node, inputs, [dequantizedTriple(withoutAxis(node), inputs, 0)], {
      kernel: unaryKernels['LeakyRelu']!,
      scaleAt: 3,
    }),
  QLinearGlobalAveragePool: nchwOnly(qLinearUnary(globalAveragePool)),
  QLinearAveragePool: nchwOnly(qLinearUnary(averagePool)),
  QLinearConcat: qLinearConcat,
};
