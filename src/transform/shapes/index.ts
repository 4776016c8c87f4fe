import { hasKernel } from '../../reference/index.ts';
import { globalPool, conv, convInteger, convTranspose, pool, qLinearConv } from './convolution.ts';
import { alongAxis, broadcasting, cast, comparing, perChannel, power, prelu, same, where } from './elementwise.ts';
import { constantOfShape, range } from './generate.ts';
import * as layout from './layout.ts';
import { gemm, matMul, matMulInteger, qLinearMatMul } from './matrix.ts';
import * as quantized from './quantized.ts';
import { argReduce, layerNormalization, reduce } from './reduce.ts';
import { resize } from './resize.ts';
import type { ShapeRule } from './rule.ts';

const unary = [
  ...['Relu', 'LeakyRelu', 'Sigmoid', 'HardSigmoid', 'HardSwish', 'Tanh', 'Elu', 'Selu', 'Celu', 'Softplus'],
  ...['Softsign', 'ThresholdedRelu', 'Mish', 'Gelu', 'Erf', 'Exp', 'Log', 'Sqrt', 'Reciprocal', 'Abs', 'Neg'],
  ...['Floor', 'Ceil', 'Round', 'Sign', 'Sin', 'Cos', 'Not', 'Clip', 'LRN', 'Identity'],
];
const variadic = ['Add', 'Sub', 'Mul', 'Div', 'Sum', 'Max', 'Min', 'Mean', 'Mod', 'And', 'Or', 'Xor'];
const comparisons = ['Equal', 'Greater', 'Less', 'GreaterOrEqual', 'LessOrEqual'];
const reductions = [
  'ReduceMean',
  'ReduceSum',
  'ReduceMax',
  'ReduceMin',
  'ReduceProd',
  'ReduceL1',
  'ReduceL2',
  'ReduceSumSquare',
];

function all(names: readonly string[], rule: ShapeRule): Record<string, ShapeRule> {
  return Object.fromEntries(names.map((name) => [name, rule]));
}

/** Rules of ai.onnx operators in canonical form. */
const onnxRules: Readonly<Record<string, ShapeRule>> = {
  ...all(unary, same),
  ...all(variadic, broadcasting),
  ...all(comparisons, comparing),
  ...all(reductions, reduce),
  ...all(['MaxPool', 'AveragePool'], pool),
  ...all(['GlobalAveragePool', 'GlobalMaxPool'], globalPool),
  ...all(['Softmax', 'LogSoftmax'], alongAxis),
  ...all(['BatchNormalization', 'InstanceNormalization'], perChannel),
  ...all(['ArgMax', 'ArgMin'], argReduce),
  Conv: conv,
  ConvTranspose: convTranspose,
  Gemm: gemm,
  MatMul: matMul,
  LayerNormalization: layerNormalization,
  PRelu: prelu,
  Pow: power,
  Where: where,
  Cast: cast,
  Reshape: layout.reshape,
  Flatten: layout.flatten,
  Squeeze: layout.squeeze,
  Unsqueeze: layout.unsqueeze,
  Transpose: layout.transpose,
  Concat: layout.concat,
  Split: layout.split,
  Slice: layout.slice,
  Pad: layout.pad,
  Gather: layout.gather,
  Expand: layout.expand,
  Tile: layout.tile,
  DepthToSpace: layout.depthToSpace,
  SpaceToDepth: layout.spaceToDepth,
  Resize: resize,
  ConstantOfShape: constantOfShape,
  Range: range,
  QuantizeLinear: quantized.quantizeLinear,
  DequantizeLinear: quantized.dequantizeLinear,
  ConvInteger: convInteger,
  MatMulInteger: matMulInteger,
  QLinearConv: qLinearConv,
  QLinearMatMul: qLinearMatMul,
};

/** Rules of com.microsoft operators that quantizers write. */
const microsoftRules: Readonly<Record<string, ShapeRule>> = {
  QLinearAdd: quantized.qLinearBinary,
  QLinearMul: quantized.qLinearBinary,
  QLinearSigmoid: same,
  QLinearLeakyRelu: same,
  QLinearSoftmax: same,
  QLinearAveragePool: quantized.qLinearAveragePool,
  QLinearGlobalAveragePool: quantized.qLinearGlobalAveragePool,
  QLinearConcat: quantized.qLinearConcat,
  QGemm: quantized.qGemm,
};

/** The rule of an operator in canonical form; undefined where it is not supported. */
export function shapeRule(opType: string, domain: string): ShapeRule | undefined {
  if (domain === 'com.microsoft') return Object.hasOwn(microsoftRules, opType) ? microsoftRules[opType] : undefined;
  return domain === '' && hasKernel(opType) && Object.hasOwn(onnxRules, opType) ? onnxRules[opType] : undefined;
}

export { checkArity } from './arity.ts';
export { checkOperandTypes } from './operandTypes.ts';
export { sliceRange, reshapeShape } from './layout.ts';
export { broadcast, dim, integers, invalid, mismatch, need, normalizeAxis, unsupported } from './rule.ts';
export type { FixedType, Known, ShapeRule } from './rule.ts';
export { checkImage, windowOf } from './window.ts';
export type { Window } from './window.ts';
