import { AppError } from '../base/index.ts';
import type { ExternalParts } from './externalData.ts';
import type { GraphProto, Initializer, NodeProto, ValueInfo, ValueTypeProto } from './model.ts';
import { readNode } from './readNode.ts';
import { readNamedTensor } from './readTensor.ts';
import type { WireReader } from './wire.ts';

/** Fields of GraphProto (onnx.proto3). */
const field = { node: 1, name: 2, initializer: 5, input: 11, output: 12, sparseInitializer: 15 } as const;

export function readGraph(reader: WireReader, parts: ExternalParts): GraphProto {
  const nodes: NodeProto[] = [];
  const initializers: Initializer[] = [];
  const inputs: ValueInfo[] = [];
  const outputs: ValueInfo[] = [];
  let name = '';
  while (reader.next())
    switch (reader.field) {
      case field.node:
        reader.budget.node();
        nodes.push(readNode(reader.message('NodeProto'), parts));
        break;
      case field.name:
        name = reader.string();
        break;
      case field.initializer:
        reader.budget.initializer();
        initializers.push(readNamedTensor(reader.message('TensorProto'), parts));
        break;
      case field.input:
        inputs.push(readValueInfo(reader.message('ValueInfoProto')));
        break;
      case field.output:
        outputs.push(readValueInfo(reader.message('ValueInfoProto')));
        break;
      case field.sparseInitializer:
        throw new AppError('MODEL_OUT_OF_SCOPE', 'The model has sparse initializers; only dense ones are supported.');
      default:
        reader.skip();
    }
  return { name, nodes, initializers, inputs, outputs };
}

function readValueInfo(reader: WireReader): ValueInfo {
  let name = '';
  let type: ValueTypeProto = { kind: 'none' };
  while (reader.next())
    if (reader.field === 1) name = reader.string();
    else if (reader.field === 2) type = readType(reader.message('TypeProto'));
    else reader.skip();
  return { name, type };
}

const otherTypes = { 4: 'sequence', 5: 'map', 8: 'sparse', 9: 'optional' } as const;

function readType(reader: WireReader): ValueTypeProto {
  let type: ValueTypeProto = { kind: 'none' };
  while (reader.next())
    if (reader.field === 1) type = readTensorType(reader.message('TypeProto.Tensor'));
    else {
      if (reader.field in otherTypes) type = { kind: otherTypes[reader.field as keyof typeof otherTypes] };
      reader.skip();
    }
  return type;
}

function readTensorType(reader: WireReader): ValueTypeProto {
  let elementType = 0;
  let shape: (number | string | undefined)[] | undefined;
  while (reader.next())
    if (reader.field === 1) elementType = reader.number();
    else if (reader.field === 2) shape = readShape(reader.message('TensorShapeProto'));
    else reader.skip();
  return { kind: 'tensor', elementType, shape };
}

function readShape(reader: WireReader): (number | string | undefined)[] {
  const dims: (number | string | undefined)[] = [];
  while (reader.next()) {
    if (reader.field === 1) dims.push(readDim(reader.message('TensorShapeProto.Dimension')));
    else reader.skip();
    if (dims.length > reader.budget.limits.rank)
      throw reader.malformed(`more than ${reader.budget.limits.rank} dimensions`);
  }
  return dims;
}

function readDim(reader: WireReader): number | string | undefined {
  let dim: number | string | undefined;
  while (reader.next())
    if (reader.field === 1) dim = reader.number();
    else if (reader.field === 2) dim = reader.string();
    else reader.skip();
  return dim;
}
