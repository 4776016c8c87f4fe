import type { Node } from '../../graph/index.ts';
import { invalid } from './rule.ts';

const one = ['Relu', 'LeakyRelu', 'Sigmoid', 'HardSigmoid', 'HardSwish', 'Tanh', 'Elu', 'Selu', 'Celu', 'Softplus'];
const moreOfOne = [
  'Softsign',
  'ThresholdedRelu',
  'Mish',
  'Gelu',
  'Erf',
  'Exp',
  'Log',
  'Sqrt',
  'Reciprocal',
  'Abs',
  'Neg',
];
const stillOne = ['Floor', 'Ceil', 'Round', 'Sign', 'LRN', 'Softmax', 'LogSoftmax', 'Flatten', 'Transpose', 'Cast'];
const pools = ['MaxPool', 'AveragePool', 'GlobalAveragePool', 'GlobalMaxPool', 'DepthToSpace', 'SpaceToDepth'];
const two = ['Add', 'Sub', 'Mul', 'Div', 'Pow', 'Mod', 'And', 'Or', 'Equal', 'Greater', 'Less', 'GreaterOrEqual'];
const moreOfTwo = ['LessOrEqual', 'MatMul', 'PRelu', 'Reshape', 'Gather', 'Expand', 'Tile'];

/** Fewest and most inputs of operators that do not take any number. */
const arities: ReadonlyMap<string, readonly [least: number, most: number]> = new Map<string, readonly [number, number]>(
  [
    ...[...one, ...moreOfOne, ...stillOne, ...pools].map((name) => [name, [1, 1]] as const),
    ...[...two, ...moreOfTwo].map((name) => [name, [2, 2]] as const),
    ['Conv', [2, 3]],
    ['ConvTranspose', [2, 3]],
    ['Gemm', [2, 3]],
    ['Clip', [1, 3]],
    ['Where', [3, 3]],
    ['Range', [3, 3]],
    ['BatchNormalization', [5, 5]],
    ['InstanceNormalization', [3, 3]],
    ['QuantizeLinear', [2, 3]],
    ['DequantizeLinear', [2, 3]],
    ['QLinearConv', [8, 9]],
    ['QLinearMatMul', [8, 8]],
    ['QLinearAdd', [8, 8]],
    ['QLinearMul', [8, 8]],
  ],
);

/** @throws AppError MODEL_INVALID for a number of inputs that the operator does not have, or one of them missing */
export function checkArity(node: Node): void {
  const { inputs } = node;
  const [least, most] = arities.get(node.opType) ?? [1, Infinity];
  if (inputs.length < least || inputs.length > most)
    throw invalid(node, `${inputs.length} inputs; it takes ${least === most ? least : `${least} to ${most}`}`);
  const missing = inputs.slice(0, least).indexOf('');
  if (missing >= 0) throw invalid(node, `input ${missing} is missing`);
}
