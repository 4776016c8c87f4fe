import { BATCH, CANONICAL_OPSET, type AttributeValue, type Graph, type Node } from '../graph/index.ts';
import { dataTypeOf, type AttributeProto, type ModelProto, type NodeProto, type ValueInfo } from '../onnx/index.ts';

/** Attributes that ONNX stores as floats. */
const floatAttributes: ReadonlySet<string> = new Set([
  ...['alpha', 'beta', 'gamma', 'epsilon', 'bias', 'bias_value', 'lambd', 'cubic_coeff_a', 'extrapolation_value'],
]);

/** Operators and forms that came after `CANONICAL_OPSET`. */
function opsetFor(graph: Graph, node: Node): number {
  if (node.domain !== '') return CANONICAL_OPSET;
  if (node.opType === 'Gelu') return 20;
  if (node.opType !== 'QuantizeLinear' && node.opType !== 'DequantizeLinear') return CANONICAL_OPSET;
  const dtype = graph.types.get(node.inputs[2] ?? '')?.dtype;
  return node.attributes.has('block_size') || dtype === 'int16' || dtype === 'uint16' ? 21 : CANONICAL_OPSET;
}

/** The IR version that came with an operator set; `CANONICAL_OPSET` came with 8. */
function irVersionFor(opset: number): number {
  return opset >= 21 ? 10 : opset >= 19 ? 9 : 8;
}

/**
 * A graph as an ONNX model: operator set 18, or what its newest operator needs; the free batch is the symbol 'N';
 * metadata is kept.
 */
export function exportModel(graph: Graph): ModelProto {
  const opset = graph.nodes.reduce((most, node) => Math.max(most, opsetFor(graph, node)), CANONICAL_OPSET);
  const contrib = graph.nodes.some(({ domain }) => domain === 'com.microsoft');
  return {
    irVersion: irVersionFor(opset),
    producerName: 'octet',
    producerVersion: '',
    domain: '',
    modelVersion: 0,
    opsetImports: [{ domain: '', version: opset }, ...(contrib ? [{ domain: 'com.microsoft', version: 1 }] : [])],
    graph: {
      name: graph.name === '' ? 'network' : graph.name,
      nodes: graph.nodes.map(exportNode),
      initializers: [...graph.constants].map(([name, tensor]) => ({ name, tensor })),
      inputs: graph.inputs.map((name) => valueInfo(graph, name)),
      outputs: graph.outputs.map((name) => valueInfo(graph, name)),
    },
    metadata: graph.metadata,
  };
}

function exportNode({ name, opType, domain, inputs, outputs, attributes }: Node): NodeProto {
  return { name, opType, domain, inputs, outputs, attributes: [...attributes].map(exportAttribute) };
}

function exportAttribute([name, value]: readonly [string, AttributeValue]): AttributeProto {
  if (typeof value === 'number') return { name, kind: isFloat(name, [value]) ? 'float' : 'int', value };
  if (typeof value === 'string') return { name, kind: 'string', value };
  if ('dtype' in value) return { name, kind: 'tensor', value };
  if (value.some((item) => typeof item === 'string'))
    return { name, kind: 'strings', value: value as readonly string[] };
  const numbers = value as readonly number[];
  return { name, kind: isFloat(name, numbers) ? 'floats' : 'ints', value: numbers };
}

/** A file may also carry attributes that its operators do not have: fractions are floats. */
function isFloat(name: string, values: readonly number[]): boolean {
  return floatAttributes.has(name) || !values.every(Number.isInteger);
}

function valueInfo(graph: Graph, name: string): ValueInfo {
  const { dtype, shape } = graph.types.get(name) ?? { dtype: 'float32' as const, shape: [] };
  const dims = shape.map((size) => (size === BATCH ? 'N' : size));
  return { name, type: { kind: 'tensor', elementType: dataTypeOf[dtype], shape: dims } };
}
