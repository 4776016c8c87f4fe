import type { Node } from '../../graph/index.ts';
import { mismatch, type Known } from './rule.ts';

/** Operators of ai.onnx whose every operand is of real numbers. */
const floatOperators: ReadonlySet<string> = new Set([
  ...['Conv', 'ConvTranspose', 'BatchNormalization', 'InstanceNormalization', 'LayerNormalization', 'LRN'],
  ...['LeakyRelu', 'Sigmoid', 'HardSigmoid', 'HardSwish', 'Tanh', 'Elu', 'Selu', 'Celu', 'Softplus', 'Softsign'],
  ...['ThresholdedRelu', 'Mish', 'Gelu', 'Exp', 'Log', 'Sqrt', 'Reciprocal', 'Floor', 'Ceil', 'Round', 'Sin', 'Cos'],
  ...['Softmax', 'LogSoftmax', 'AveragePool', 'GlobalAveragePool'],
]);

/** Operators that take integers, too, but operands of one type alone. */
const uniformOperators: ReadonlySet<string> = new Set(['Gemm', 'MatMul', 'PRelu', 'Clip']);

/** @throws AppError SHAPE_MISMATCH for an operand of a type that the operator does not take */
export function checkOperandTypes(node: Node, inputs: readonly (Known | undefined)[]): void {
  if (node.domain !== '') return;
  const dtypes = inputs.flatMap((input) => (input ? [input.dtype] : []));
  const integer = dtypes.find((dtype) => !dtype.startsWith('float'));
  if (integer !== undefined && floatOperators.has(node.opType))
    throw mismatch(node, `an input is of ${integer}; it takes floats`);
  const other = dtypes.find((dtype) => dtype !== dtypes[0]);
  if (other !== undefined && uniformOperators.has(node.opType))
    throw mismatch(node, `its inputs are of ${dtypes[0] ?? 'nothing'} and ${other}; they must agree`);
}
