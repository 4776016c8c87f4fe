import { AppError } from '../base/index.ts';
import { dataTypeName, dtypeOfDataType, type ModelProto, type ValueInfo } from '../onnx/index.ts';
import type { Tensor } from '../tensor/index.ts';
import { readInputs } from './import/inputShapes.ts';
import { isConstantSource, readSource } from './import/source.ts';
import type { Summary, ValueSummary } from './summarize.ts';

/**
 * What a file says of itself, for a network that cannot be imported: inputs and outputs as its value infos state them. Its
 * multiply-accumulates are not known and given as 0.
 *
 * @throws AppError MODEL_OUT_OF_SCOPE for sub-graphs, and for inputs and outputs that are not tensors of known rank;
 *   UNSUPPORTED_OPSET, MODEL_INVALID
 */
export function outlineModel(model: ModelProto): Summary {
  const { graph } = model;
  const { opset, nodes, initializers } = readSource(model);
  const nested = graph.nodes.find(({ attributes }) => attributes.some(({ kind }) => kind.startsWith('graph')));
  if (nested)
    throw new AppError('MODEL_OUT_OF_SCOPE', `Node '${nested.name}' (${nested.opType}) has a graph of its own.`);
  const made = new Set(nodes.filter(isConstantSource).flatMap(({ outputs }) => outputs));
  const fed = new Set(readInputs(model, initializers, made, {}).map(({ name }) => name));
  const operators: Record<string, number> = {};
  for (const opType of nodes.map((node) => node.opType).toSorted()) operators[opType] = (operators[opType] ?? 0) + 1;
  return {
    inputs: graph.inputs.filter(({ name }) => fed.has(name)).map((value) => describe('Input', value)),
    outputs: graph.outputs.map((value) => describe('Output', value)),
    operators,
    parameters: [...initializers.values()].reduce((sum, value) => sum + parametersOf(value), 0),
    macs: 0,
    opset,
    producer: model.producerName,
  };
}

function describe(role: 'Input' | 'Output', { name, type }: ValueInfo): ValueSummary {
  const fail = (what: string): AppError =>
    new AppError('MODEL_OUT_OF_SCOPE', `${role} '${name}' ${what}.`, { value: name });
  if (type.kind !== 'tensor') throw fail(type.kind === 'none' ? 'has no type' : `is a ${type.kind}`);
  const dtype = dtypeOfDataType(type.elementType);
  if (dtype === undefined) throw fail(`is of ${dataTypeName(type.elementType)}`);
  if (type.shape === undefined) throw fail('has no shape');
  return { name, dtype, shape: type.shape.map((size) => (typeof size === 'number' && size > 0 ? size : -1)) };
}

/** Integers are shapes, axes and indices. */
function parametersOf({ dtype, data }: Tensor): number {
  return dtype.startsWith('float') ? data.length : 0;
}
