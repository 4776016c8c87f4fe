import { AppError } from '../../../src/base/index.ts';
import { tensorAttribute, type AttributeValue, type Graph, type Node } from '../../../src/graph/index.ts';
import { readModel, type AttributeProto, type ModelProto, type NodeProto } from '../../../src/onnx/index.ts';
import { referenceExecutor, runNode } from '../../../src/reference/index.ts';
import type { Tensor } from '../../../src/tensor/index.ts';
import { importModel } from '../../../src/transform/index.ts';
import { dataSets, modelBytes, type BackendCase, type DataSet } from './cases.ts';

/** How a case was run: as an imported graph, or node by node where the importer does not take it. */
export type Route = 'graph' | 'nodes';

export interface CaseResult {
  readonly route: Route;
  readonly actual: readonly (Tensor | undefined)[];
  readonly expected: readonly Tensor[];
}

/** Runs a case with the reference kernels. @throws AppError where it is refused */
export async function runCase(backendCase: BackendCase): Promise<readonly CaseResult[]> {
  const model = readModel(modelBytes(backendCase));
  const results: CaseResult[] = [];
  for (const data of dataSets(backendCase)) {
    const graph = tryImport(model, data);
    const outputs = graph ? await runGraph(graph, model, data) : runNodes(model, data);
    const actual = model.graph.outputs.map(({ name }) => outputs.get(name));
    results.push({ route: graph ? 'graph' : 'nodes', actual, expected: data.outputs });
  }
  return results;
}

/** What the service makes of a case. @throws AppError where it refuses the network */
export function importCase(backendCase: BackendCase): readonly Graph[] {
  const model = readModel(modelBytes(backendCase));
  return dataSets(backendCase).map((data) => importModel(prepared(model, data)));
}

/** The imported case, or undefined where it is out of the service's scope as a whole network. */
function tryImport(model: ModelProto, data: DataSet): Graph | undefined {
  // Imported float16 is computed and returned in float32.
  if ([...data.inputs, ...data.outputs].some(({ dtype }) => dtype === 'float16')) return undefined;
  try {
    return importModel(prepared(model, data));
  } catch (error) {
    if (error instanceof AppError) return undefined;
    throw error;
  }
}

async function runGraph(graph: Graph, model: ModelProto, data: DataSet): Promise<ReadonlyMap<string, Tensor>> {
  const feeds = new Map(fedNames(model).map((name, index) => [name, data.inputs[index]!]));
  const session = await referenceExecutor.load(graph, graph.outputs);
  const outputs = await session.run(new Map([...feeds].filter(([name]) => graph.inputs.includes(name))));
  await session.close();
  return outputs;
}

function fedNames({ graph }: ModelProto): readonly string[] {
  const constants = new Set(graph.initializers.map(({ name }) => name));
  return graph.inputs.map(({ name }) => name).filter((name) => !constants.has(name));
}

/**
 * The suite feeds shapes, axes, pads and bounds, which a network holds as constants: everything that is never a node's
 * first input and is int64, and what the operators below take beside their data. Models of operator sets 1 to 6 are
 * read as the oldest that is imported: its one difference in what they use is that broadcasting needs no attribute.
 */
function prepared(model: ModelProto, data: DataSet): ModelProto {
  const { graph } = model;
  const names = fedNames(model);
  const isConstant = (name: string, value: Tensor): boolean => {
    const first = graph.nodes.some(({ inputs }) => inputs[0] === name);
    if (first) return graph.nodes.some(({ opType }) => opType === 'ConstantOfShape');
    return value.dtype === 'int64' || graph.nodes.some(({ opType }) => withConstants.has(opType));
  };
  const bound = names.flatMap((name, index) => {
    const value = data.inputs[index];
    return value && isConstant(name, value) ? [{ name, tensor: value }] : [];
  });
  const boundNames = new Set(bound.map(({ name }) => name));
  return {
    ...model,
    opsetImports: model.opsetImports.map(({ domain, version }) => ({
      ...{ domain, version: domain === '' ? Math.max(version, oldestOpset) : version },
    })),
    graph: {
      ...graph,
      inputs: graph.inputs.filter(({ name }) => !boundNames.has(name)),
      initializers: [...graph.initializers, ...bound],
    },
  };
}

const oldestOpset = 7;

const withConstants = new Set([
  ...['Resize', 'Upsample', 'Clip', 'Pad', 'Dropout', 'BatchNormalization', 'QuantizeLinear', 'DequantizeLinear'],
  ...['QLinearConv', 'QLinearMatMul', 'InstanceNormalization', 'PRelu', 'Conv', 'ConvTranspose'],
]);

/** Executes the file's nodes as they are. */
function runNodes({ graph }: ModelProto, data: DataSet): ReadonlyMap<string, Tensor> {
  const values = new Map<string, Tensor>(graph.initializers.map(({ name, tensor }) => [name, tensor]));
  const constants = new Set(values.keys());
  graph.inputs
    .filter(({ name }) => !constants.has(name))
    .forEach(({ name }, index) => {
      const value = data.inputs[index];
      if (value) values.set(name, value);
    });
  for (const proto of graph.nodes) {
    const node = nodeOf(proto);
    const operands = node.inputs.map((name) => (name === '' ? undefined : values.get(name)));
    const constant = node.opType === 'Constant' ? tensorAttribute(node, 'value') : undefined;
    const results = constant ? [constant] : runNode(node, operands);
    node.outputs.forEach((name, index) => {
      const result = results[index];
      if (result) values.set(name, result);
    });
  }
  return values;
}

function nodeOf(proto: NodeProto): Node {
  const attributes = new Map(proto.attributes.map((attribute) => [attribute.name, attributeValue(attribute)]));
  const { name, opType, domain, inputs, outputs } = proto;
  return { name: name === '' ? opType : name, opType, domain, inputs, outputs, attributes };
}

function attributeValue(attribute: AttributeProto): AttributeValue {
  if ('value' in attribute) return attribute.value;
  throw new AppError('UNSUPPORTED_OPERATOR', `Attribute '${attribute.name}' is a ${attribute.kind}.`);
}
