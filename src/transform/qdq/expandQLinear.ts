import { numberAttribute, type AttributeValue, type Graph, type Node, type ValueType } from '../../graph/index.ts';
import { tensor, type Tensor } from '../../tensor/index.ts';
import { inputName, isQuantize, numbersOf } from './parameters.ts';

/** One 8-bit operand of a QLinear node: value, scale and zero point names. */
type Operand = readonly [value: string, scale: string, zeroPoint: string];

/** A QLinear node as a float node between DequantizeLinear and QuantizeLinear. */
interface Expansion {
  readonly opType: string;
  readonly domain?: string;
  readonly inputs: readonly (Operand | string)[];
  /** Axis of a per-channel second operand. */
  readonly weightAxis?: number;
  /** Constant operands made for this node, by name. */
  readonly extra?: ReadonlyMap<string, Tensor>;
  /** Scale and zero point of the output; absent where the node returns float. */
  readonly output: readonly [scale: string, zeroPoint: string] | undefined;
  readonly attributes: ReadonlyMap<string, AttributeValue>;
}

type Expander = (node: Node, graph: Graph) => Expansion | undefined;

/** Operators that give their integer input's bytes back, in another order or fewer: scale and zero point stay. */
const byteMovers: ReadonlySet<string> = new Set([
  ...[
    'MaxPool',
    'GlobalMaxPool',
    'Reshape',
    'Flatten',
    'Squeeze',
    'Unsqueeze',
    'Transpose',
    'Slice',
    'Split',
    'Gather',
  ],
  ...['DepthToSpace', 'SpaceToDepth', 'Resize'],
]);

const operandAt = (node: Node, index: number): Operand => [
  inputName(node, index),
  inputName(node, index + 1),
  inputName(node, index + 2),
];

const resultAt = (node: Node, index: number): readonly [string, string] => [
  inputName(node, index),
  inputName(node, index + 1),
];

/** A constant int32 bias as DequantizeLinear reads it: scale f32(inputScale · weightScale[c]), zero point 0. */
function biasOperand(node: Node, graph: Graph, index: number): { operand: Operand; extra: Map<string, Tensor> } {
  const reals = (name: string): number[] => {
    const constant = graph.constants.get(name);
    return constant ? numbersOf(constant) : [];
  };
  const [inputScale = 1] = reals(inputName(node, 1));
  const scales = Float32Array.from(reals(inputName(node, 4)), (scale) => Math.fround(inputScale * scale));
  const [scaleName, zeroName] = [`${node.name}/biasScale`, `${node.name}/biasZeroPoint`];
  const shape = scales.length === 1 ? [] : [scales.length];
  const extra = new Map<string, Tensor>([
    [scaleName, tensor('float32', shape, scales)],
    [zeroName, tensor('int32', shape)],
  ]);
  return { operand: [inputName(node, index), scaleName, zeroName], extra };
}

function withoutKeys(node: Node, ...keys: readonly string[]): ReadonlyMap<string, AttributeValue> {
  return new Map([...node.attributes].filter(([key]) => !keys.includes(key)));
}

const linearLayer =
  (opType: string, weightAxis: number | undefined, attributes: (node: Node) => ReadonlyMap<string, AttributeValue>) =>
  (node: Node, graph: Graph): Expansion => {
    const gemm = opType === 'Gemm';
    const biasIndex = gemm ? 6 : 8;
    const hasBias = inputName(node, biasIndex) !== '';
    const bias = hasBias ? biasOperand(node, graph, biasIndex) : undefined;
    const [scale, zeroPoint] = resultAt(node, gemm ? 7 : 6);
    const transposed = gemm && numberAttribute(node, 'transB', 0) !== 0;
    return {
      opType,
      inputs: [operandAt(node, 0), operandAt(node, 3), ...(bias ? [bias.operand] : [])],
      weightAxis: weightAxis ?? (transposed ? 0 : 1),
      ...(bias ? { extra: bias.extra } : {}),
      output: scale === '' ? undefined : [scale, zeroPoint],
      attributes: attributes(node),
    };
  };

const unary =
  (opType: string): Expander =>
  (node) =>
    numberAttribute(node, 'channels_last', 0) !== 0
      ? undefined
      : {
          opType,
          inputs: [operandAt(node, 0)],
          output: resultAt(node, 3),
          attributes: withoutKeys(node, 'channels_last', 'opset'),
        };

const binary =
  (opType: string): Expander =>
  (node) => ({
    opType,
    inputs: [operandAt(node, 0), operandAt(node, 3)],
    output: resultAt(node, 6),
    attributes: node.attributes,
  });

const concat: Expander = (node) => ({
  opType: 'Concat',
  inputs: Array.from({ length: Math.floor((node.inputs.length - 2) / 3) }, (_, i) => operandAt(node, 2 + 3 * i)),
  output: resultAt(node, 0),
  attributes: node.attributes,
});

const expanders: ReadonlyMap<string, Expander> = new Map<string, Expander>([
  ['QLinearConv', linearLayer('Conv', 0, (node) => node.attributes)],
  ['QLinearMatMul', linearLayer('MatMul', 1, (node) => node.attributes)],
  ['com.microsoft.QGemm', linearLayer('Gemm', undefined, (node) => node.attributes)],
  ['com.microsoft.QLinearAdd', binary('Add')],
  ['com.microsoft.QLinearMul', binary('Mul')],
  ['com.microsoft.QLinearConcat', concat],
  ['com.microsoft.QLinearSigmoid', unary('Sigmoid')],
  ['com.microsoft.QLinearLeakyRelu', unary('LeakyRelu')],
  ['com.microsoft.QLinearAveragePool', unary('AveragePool')],
  ['com.microsoft.QLinearGlobalAveragePool', unary('GlobalAveragePool')],
  ['com.microsoft.QLinearSoftmax', unary('Softmax')],
]);

/**
 * Rewrites the operators that work on 8-bit values (QLinearConv, QLinearMatMul, com.microsoft QLinearAdd and the like,
 * MaxPool or Reshape of bytes) as float operators between DequantizeLinear and QuantizeLinear, so that one recognizer
 * serves all forms of a quantized model.
 */
export function expandQLinear(graph: Graph): Graph {
  const nodes: Node[] = [];
  const types = new Map(graph.types);
  const constants = new Map(graph.constants);
  /** Scale and zero point names of the integer values met so far. */
  const known = new Map<string, readonly [string, string]>();
  const write = (node: Node, { opType, inputs, weightAxis, extra, output, attributes }: Expansion): void => {
    for (const [name, value] of extra ?? []) {
      constants.set(name, value);
      types.set(name, value);
    }
    const floats = inputs.map((operand, index) => {
      if (typeof operand === 'string') return operand;
      const name = `${node.name}/real/${index}`;
      types.set(name, realType(types.get(operand[0])));
      const axis = index === 0 || weightAxis === undefined ? undefined : index === 2 ? 0 : weightAxis;
      nodes.push(dequantizeNode(name, operand, axis));
      return name;
    });
    const result = node.outputs[0] ?? '';
    const real = output ? `${node.name}/real` : result;
    nodes.push({ name: node.name, opType, domain: '', inputs: floats, outputs: [real], attributes });
    if (!output) return;
    types.set(real, realType(types.get(result)));
    nodes.push(quantizeNode(`${node.name}/quantize`, [real, ...output], result));
    known.set(result, output);
  };
  for (const original of graph.nodes) {
    const node = standardQuantization(original);
    const expander = expanders.get(node.domain === '' ? node.opType : `${node.domain}.${node.opType}`);
    const expansion = expander?.(node, graph) ?? moverExpansion(node, known, types);
    if (expansion) write(node, expansion);
    else nodes.push(node);
    if (isQuantize(node)) known.set(node.outputs[0] ?? '', resultAt(node, 1));
  }
  return { ...graph, nodes, types, constants };
}

/** The contrib forms of Q and DQ are the standard ones under another domain. */
function standardQuantization(node: Node): Node {
  const contrib = node.domain === 'com.microsoft';
  return contrib && (node.opType === 'QuantizeLinear' || node.opType === 'DequantizeLinear')
    ? { ...node, domain: '' }
    : node;
}

/** MaxPool, Reshape and the like of bytes whose meaning is known. Further outputs (Split) would need their own Q. */
function moverExpansion(
  node: Node,
  known: ReadonlyMap<string, readonly [string, string]>,
  types: ReadonlyMap<string, ValueType>,
): Expansion | undefined {
  const input = inputName(node, 0);
  const params = known.get(input);
  const dtype = types.get(input)?.dtype;
  if (!params || (dtype !== 'uint8' && dtype !== 'int8') || node.domain !== '') return undefined;
  if (node.opType === 'Concat') {
    const same = node.inputs.every((name) => known.get(name)?.[0] === params[0] && known.get(name)?.[1] === params[1]);
    const inputs = node.inputs.map((name): Operand => [name, ...params]);
    return same ? { opType: 'Concat', inputs, output: params, attributes: node.attributes } : undefined;
  }
  if (!byteMovers.has(node.opType) || node.outputs.filter((name) => name !== '').length !== 1) return undefined;
  const inputs = [[input, ...params] as Operand, ...node.inputs.slice(1)];
  return { opType: node.opType, inputs, output: params, attributes: node.attributes };
}

function realType(type: ValueType | undefined): ValueType {
  return { dtype: 'float32', shape: type?.shape ?? [] };
}

function dequantizeNode(output: string, inputs: Operand, axis: number | undefined): Node {
  const attributes = new Map<string, AttributeValue>(axis === undefined ? [] : [['axis', axis]]);
  return {
    name: `${output}/dequantize`,
    opType: 'DequantizeLinear',
    domain: '',
    inputs,
    outputs: [output],
    attributes,
  };
}

function quantizeNode(name: string, inputs: readonly string[], output: string): Node {
  return { name, opType: 'QuantizeLinear', domain: '', inputs, outputs: [output], attributes: new Map() };
}
