import type { Tensor } from '../tensor/index.ts';
import { dataTypeOf } from './dataTypes.ts';
import type { AttributeProto, GraphProto, ModelProto, NodeProto, ValueInfo, ValueTypeProto } from './model.ts';
import { WireWriter } from './wireWriter.ts';
import { InvariantError } from '../base/index.ts';

/** An ONNX file; tensors are written as `raw_data`. The same model gives the same bytes. */
export function writeModel(model: ModelProto): Uint8Array {
  const writer = new WireWriter()
    .int64(1, model.irVersion)
    .optionalString(2, model.producerName)
    .optionalString(3, model.producerVersion)
    .optionalString(4, model.domain);
  if (model.modelVersion !== 0) writer.int64(5, model.modelVersion);
  writer.message(7, graphMessage(model.graph));
  for (const { domain, version } of model.opsetImports)
    writer.message(8, new WireWriter().optionalString(1, domain).int64(2, version));
  for (const [key, value] of model.metadata) writer.message(14, new WireWriter().string(1, key).string(2, value));
  return writer.finish();
}

/** A file that holds one TensorProto (`*.pb`). */
export function writeTensorProto(value: Tensor, name = ''): Uint8Array {
  return tensorMessage(value, name).finish();
}

function graphMessage(graph: GraphProto): WireWriter {
  const writer = new WireWriter();
  for (const node of graph.nodes) writer.message(1, nodeMessage(node));
  writer.string(2, graph.name);
  for (const { name, tensor } of graph.initializers) writer.message(5, tensorMessage(tensor, name));
  for (const input of graph.inputs) writer.message(11, valueInfoMessage(input));
  for (const output of graph.outputs) writer.message(12, valueInfoMessage(output));
  return writer;
}

function nodeMessage(node: NodeProto): WireWriter {
  const writer = new WireWriter();
  for (const input of node.inputs) writer.string(1, input);
  for (const output of node.outputs) writer.string(2, output);
  writer.optionalString(3, node.name).string(4, node.opType);
  for (const attribute of node.attributes) writer.message(5, attributeMessage(attribute));
  return writer.optionalString(7, node.domain);
}

/** Field and AttributeProto.AttributeType of each kind. */
function attributeMessage(attribute: AttributeProto): WireWriter {
  const writer = new WireWriter().string(1, attribute.name);
  switch (attribute.kind) {
    case 'float':
      return writer.float(2, attribute.value).int64(20, 1);
    case 'int':
      return writer.int64(3, attribute.value).int64(20, 2);
    case 'string':
      return writer.string(4, attribute.value).int64(20, 3);
    case 'tensor':
      return writer.message(5, tensorMessage(attribute.value, '')).int64(20, 4);
    case 'floats':
      return writer.floats(7, attribute.value).int64(20, 6);
    case 'ints':
      return writer.int64s(8, attribute.value).int64(20, 7);
    case 'strings':
      for (const value of attribute.value) writer.string(9, value);
      return writer.int64(20, 8);
    default:
      throw new InvariantError(`attribute '${attribute.name}' of kind ${attribute.kind} cannot be written`);
  }
}

function tensorMessage({ dtype, shape, data }: Tensor, name: string): WireWriter {
  return new WireWriter()
    .int64s(1, shape)
    .int64(2, dataTypeOf[dtype])
    .optionalString(8, name)
    .bytes(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

function valueInfoMessage({ name, type }: ValueInfo): WireWriter {
  const writer = new WireWriter().string(1, name);
  return type.kind === 'none' ? writer : writer.message(2, typeMessage(type));
}

function typeMessage(type: ValueTypeProto): WireWriter {
  if (type.kind !== 'tensor') throw new InvariantError(`a value of kind ${type.kind} cannot be written`);
  const tensorType = new WireWriter().int64(1, type.elementType);
  if (type.shape) {
    const shape = new WireWriter();
    for (const dim of type.shape) shape.message(1, dimMessage(dim));
    tensorType.message(2, shape);
  }
  return new WireWriter().message(1, tensorType);
}

function dimMessage(dim: number | string | undefined): WireWriter {
  const writer = new WireWriter();
  if (dim === undefined) return writer;
  return typeof dim === 'number' ? writer.int64(1, dim) : writer.string(2, dim);
}
