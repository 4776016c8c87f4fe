import { numberAttribute, type Node } from '../../graph/index.ts';
import { elementCount, tensor, type Tensor } from '../../tensor/index.ts';
import { asFloat32, floatInput, integersOf, requiredInput, resolveAxis, type Kernel } from '../kernel.ts';
import { invalid } from '../spatial.ts';
import { binaryKernels, broadcastBinary } from './binary.ts';
import { convert } from './cast.ts';
import { conv } from './conv.ts';
import { gemm, matMul } from './matmul.ts';
import { averagePool, globalAveragePool } from './pool.ts';
import { dequantizeLinear, dequantizeTensor, quantizeLinear, quantizeTensor } from './quantize.ts';
import { softmax } from './reduce.ts';
import { concat } from './select.ts';
import { unaryKernels } from './unary.ts';

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

/** QLinearSoftmax: along `axis`, or before operator set 13 over all dimensions from `axis` on. */
const qLinearSoftmax: Kernel = (node, inputs) => {
  if (numberAttribute(node, 'opset') >= 13) return qLinearUnary(softmax)(node, inputs);
  const x = requiredInput(node, inputs, 0);
  const axis = resolveAxis(node, numberAttribute(node, 'axis', -1), x.shape.length);
  const rows = elementCount(x.shape.slice(0, axis));
  const flat = { ...x, shape: [rows, x.data.length / Math.max(rows, 1)] };
  const [y] = qLinearUnary(softmax)({ ...node, attributes: new Map([['axis', 1]]) }, [flat, ...inputs.slice(1)]);
  return [{ ...y!, shape: x.shape }];
};

/** QGemm: a, b (also per column) and y each with scale and zero point, c int32 at scale alpha · a · b; y float without its scale. */
const qGemm: Kernel = (node, inputs) => {
  const columns = numberAttribute(node, 'transB', 0) !== 0 ? 0 : 1;
  const a = dequantizedTriple(withoutAxis(node), inputs, 0);
  const b = dequantizedTriple({ ...node, attributes: new Map([['axis', columns]]) }, inputs, 3);
  const product = { ...node, attributes: new Map([...node.attributes].filter(([name]) => name !== 'beta')) };
  const c = inputs[6];
  const scale = numberAttribute(node, 'alpha', 1) * floatInput(node, inputs, 1).data[0]!;
  const scales = floatInput(node, inputs, 4).data;
  const reals = c && Float32Array.from(integersOf(c), (q, i) => q * scale * scales[i % scales.length]!);
  const operands = c && reals ? [a, b, tensor('float32', c.shape, reals)] : [a, b];
  if (!inputs[7]) return gemm(product, operands);
  return requantizing(node, inputs, operands, { kernel: gemm, scaleAt: 7, attributesOf: product });
};

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

/** Operators of ai.onnx that work on 8-bit values. */
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
  QLinearLeakyRelu: qLinearUnary(unaryKernels['LeakyRelu']!),
  QLinearSoftmax: qLinearSoftmax,
  QLinearGlobalAveragePool: nchwOnly(qLinearUnary(globalAveragePool)),
  QLinearAveragePool: nchwOnly(qLinearUnary(averagePool)),
  QLinearConcat: qLinearConcat,
  QGemm: qGemm,
};
