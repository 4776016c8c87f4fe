import { present } from '../../base/index.ts';
import type { Node } from '../../graph/index.ts';
import { runNode } from '../../reference/index.ts';
import { elementCount, tensor, type Tensor } from '../../tensor/index.ts';
import { dequantizedBytes, quantizeByte, quantizedTable, type ByteParams } from '../quantizedTable.ts';
import type { Lowering, Match, QuantizedForm, Target } from './lowering.ts';
import { activationParams, inputName, isDequantize, isQuantize } from './parameters.ts';

/** Operators that work on each element by itself; with two operands, the other one must be a scalar or the same source. */
export const elementwiseOperators: ReadonlySet<string> = new Set([
  ...['Relu', 'Clip', 'LeakyRelu', 'PRelu', 'Elu', 'Selu', 'Celu', 'ThresholdedRelu', 'Sigmoid', 'HardSigmoid'],
  ...['HardSwish', 'Tanh', 'Softplus', 'Softsign', 'Mish', 'Gelu', 'Erf', 'Abs', 'Neg', 'Exp', 'Log', 'Sqrt'],
  ...['Reciprocal', 'Floor', 'Ceil', 'Round', 'Add', 'Sub', 'Mul', 'Div', 'Pow', 'Min', 'Max', 'Sum'],
]);

/** Nodes, in order of execution, that compute a value from quantized leaves. */
interface Expression {
  readonly nodes: Node[];
  /** The float names of the leaves, with what they are made of. */
  readonly leaves: Map<string, QuantizedForm>;
}

/**
 * Recognizes any function of one quantized value: an activation, HardSwish or SiLU written as several nodes, with or
 * without quantization between them.
 */
export function matchTable(lowering: Lowering, value: string, target: Target): Match | undefined {
  const root = lowering.origin(value)?.node;
  if (!root || !elementwiseOperators.has(root.opType)) return undefined;
  const expression: Expression = { nodes: [], leaves: new Map() };
  if (!collect(lowering, value, expression)) return undefined;
  const source = singleSource(lowering, expression);
  if (!source || source.bytes || elementCount(source.shape) !== elementCount(lowering.shapeOf(value))) return undefined;
  return {
    uses: [source],
    emit: () => {
      const table = tableOf(lowering, expression, value, source, target.params);
      const input = source.emit();
      const opType = expression.nodes.length === 1 ? root.opType : describe(expression.nodes);
      lowering.emitTable({ opType, name: root.name, input, table }, source.params, target);
    },
  };
}

function describe(nodes: readonly Node[]): string {
  const kept = nodes.filter((node) => !isQuantize(node) && !isDequantize(node)).map(({ opType }) => opType);
  return kept.join('+');
}

/** Gathers what `value` is computed from, down to dequantized values; false where something else is in the way. */
function collect(lowering: Lowering, value: string, expression: Expression): boolean {
  if (expression.leaves.has(value) || expression.nodes.some((node) => node.outputs.includes(value))) return true;
  const form = lowering.dequantized(value);
  if (form) {
    if (form.bytes) return false;
    expression.leaves.set(value, form);
    return true;
  }
  const node = lowering.origin(value)?.node;
  if (!node || node.domain !== '' || !elementwiseOperators.has(node.opType)) return false;
  for (const input of node.inputs)
    if (input !== '' && !lowering.isScalar(input) && !collect(lowering, input, expression)) return false;
  expression.nodes.push(node);
  return true;
}

/** The one quantized value behind all leaves; a leaf that is itself a function of another leaf is taken apart. */
function singleSource(lowering: Lowering, expression: Expression): QuantizedForm | undefined {
  for (const [name, form] of [...expression.leaves]) {
    if (sourcesOf(expression).size === 1) break;
    const inner = insideOf(lowering, name, form);
    if (!inner) continue;
    const others = new Set([...expression.leaves].filter(([leaf]) => leaf !== name).map(([, { source }]) => source));
    const [innerSource, ...more] = sourcesOf(inner);
    if (more.length > 0 || !others.has(innerSource)) continue;
    expression.leaves.delete(name);
    for (const [leaf, leafForm] of inner.leaves) expression.leaves.set(leaf, leafForm);
    expression.nodes.unshift(...inner.nodes);
  }
  return sourcesOf(expression).size === 1 ? [...expression.leaves.values()][0] : undefined;
}

function sourcesOf({ leaves }: Expression): Set<string | undefined> {
  return new Set([...leaves.values()].map(({ source }) => source));
}

/** How the quantized value behind a leaf was computed, with its own quantization at the end. */
function insideOf(lowering: Lowering, leaf: string, { source }: QuantizedForm): Expression | undefined {
  const quantize = source === undefined ? undefined : lowering.origin(source)?.node;
  const dequantize = lowering.origin(leaf)?.node;
  if (!isQuantize(quantize) || !dequantize) return undefined;
  const inner: Expression = { nodes: [], leaves: new Map() };
  if (!collect(lowering, inputName(quantize, 0), inner) || inner.nodes.length === 0) return undefined;
  inner.nodes.push(quantize, dequantize);
  return inner;
}

function tableOf(
  lowering: Lowering,
  { nodes, leaves }: Expression,
  value: string,
  source: QuantizedForm,
  to: ByteParams,
): Uint8Array {
  return quantizedTable(source.params, to, () => {
    const reals = new Map<string, Tensor>();
    for (const [name, form] of leaves) reals.set(name, tensor('float32', [256], dequantizedBytes(form.params)));
    const operand = (name: string): Tensor | undefined => {
      const constant = lowering.constant(name);
      if (constant) return { ...constant, shape: [] };
      return name === '' ? undefined : present(reals.get(name), `operand '${name}' of a table`);
    };
    for (const node of nodes) {
      const results = isQuantize(node) || isDequantize(node) ? [recoded(lowering, node, operand)] : undefined;
      const outputs = results ?? runNode(node, node.inputs.map(operand));
      node.outputs.forEach((output, index) => {
        const result = outputs[index];
        if (output !== '' && result) reals.set(output, result);
      });
    }
    const result = present(reals.get(value), `value '${value}' of a table`);
    return Array.from<number | bigint, number>(result.data, Number);
  });
}

/** Q and DQ inside an expression: 256 bytes, or the reals that they mean. */
function recoded(lowering: Lowering, node: Node, operand: (name: string) => Tensor | undefined): Tensor {
  const integer = isQuantize(node) ? node.outputs[0] : node.inputs[0];
  const dtype = lowering.dtypeOf(integer ?? '');
  const params = present(activationParams(lowering.fileParams(node), dtype), `parameters of '${node.name}'`);
  const input = present(operand(inputName(node, 0)), `input of '${node.name}'`);
  const elements = Array.from<number | bigint, number>(input.data, Number);
  if (isQuantize(node))
    return tensor(
      'uint8',
      [256],
      Uint8Array.from(elements, (real) => quantizeByte(real, params)),
    );
  const reals = dequantizedBytes(params);
  return tensor(
    'float32',
    [256],
    Float32Array.from(elements, (q) => reals[q] ?? 0),
  );
}
