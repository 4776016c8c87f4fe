import type { Tensor } from '../tensor/index.ts';
import type { ExternalParts } from './externalData.ts';
import type { AttributeProto, NodeProto } from './model.ts';
import { readNamedTensor } from './readTensor.ts';
import type { WireReader } from './wire.ts';

/** Fields of NodeProto and AttributeProto (onnx.proto3). */
const field = { input: 1, output: 2, name: 3, opType: 4, attribute: 5, domain: 7 } as const;
const attributeField = {
  name: 1,
  f: 2,
  i: 3,
  s: 4,
  t: 5,
  g: 6,
  floats: 7,
  ints: 8,
  strings: 9,
  tensors: 10,
  graphs: 11,
  tp: 14,
  typeProtos: 15,
  type: 20,
  refAttrName: 21,
  sparseTensor: 22,
  sparseTensors: 23,
} as const;

/** AttributeProto.AttributeType. */
const attributeTypes: Readonly<Record<number, AttributeProto['kind']>> = {
  1: 'float',
  2: 'int',
  3: 'string',
  4: 'tensor',
  5: 'graph',
  6: 'floats',
  7: 'ints',
  8: 'strings',
  9: 'tensors',
  10: 'graphs',
  11: 'sparse',
  12: 'sparse',
  13: 'type',
  14: 'type',
};

export function readNode(reader: WireReader, parts: ExternalParts): NodeProto {
  const inputs: string[] = [];
  const outputs: string[] = [];
  const attributes: AttributeProto[] = [];
  const text = { name: '', opType: '', domain: '' };
  while (reader.next())
    switch (reader.field) {
      case field.input:
        inputs.push(reader.string());
        break;
      case field.output:
        outputs.push(reader.string());
        break;
      case field.name:
        text.name = reader.string();
        break;
      case field.opType:
        text.opType = reader.string();
        break;
      case field.domain:
        text.domain = reader.string();
        break;
      case field.attribute:
        attributes.push(readAttribute(reader.message('AttributeProto'), parts));
        break;
      default:
        reader.skip();
    }
  const domain = text.domain === 'ai.onnx' ? '' : text.domain;
  return { name: text.name, opType: text.opType, domain, inputs, outputs, attributes };
}

/** All value fields of an AttributeProto; `type` says which one counts. */
interface AttributeFields {
  name: string;
  type: number;
  /** The last value field seen, for files older than `type` (IR version 1). */
  seen: AttributeProto['kind'] | undefined;
  f: number;
  i: number;
  s: string;
  t: Tensor | undefined;
  readonly floats: number[];
  readonly ints: number[];
  readonly strings: string[];
}

function readAttribute(reader: WireReader, parts: ExternalParts): AttributeProto {
  const fields: AttributeFields = {
    name: '',
    type: 0,
    seen: undefined,
    f: 0,
    i: 0,
    s: '',
    t: undefined,
    floats: [],
    ints: [],
    strings: [],
  };
  while (reader.next()) readAttributeField(reader, fields, parts);
  const kind = attributeTypes[fields.type] ?? fields.seen;
  if (kind === undefined) throw reader.malformed(`attribute '${fields.name}' without a value`);
  return attributeOf(reader, fields, kind);
}

function readAttributeField(reader: WireReader, fields: AttributeFields, parts: ExternalParts): void {
  switch (reader.field) {
    case attributeField.name:
      fields.name = reader.string();
      return;
    case attributeField.type:
      fields.type = reader.number();
      return;
    case attributeField.refAttrName:
      throw reader.malformed(`attribute '${fields.name}' that refers to a function's`);
    case attributeField.f:
      fields.f = reader.float();
      fields.seen = 'float';
      return;
    case attributeField.i:
      fields.i = reader.number();
      fields.seen = 'int';
      return;
    case attributeField.s:
      fields.s = reader.string();
      fields.seen = 'string';
      return;
    case attributeField.t:
      fields.t = readNamedTensor(reader.message('TensorProto'), parts).tensor;
      fields.seen = 'tensor';
      return;
    default:
      readAttributeList(reader, fields);
  }
}

function readAttributeList(reader: WireReader, fields: AttributeFields): void {
  switch (reader.field) {
    case attributeField.floats:
      reader.pushFloats(fields.floats);
      fields.seen = 'floats';
      return;
    case attributeField.ints:
      reader.pushInt64s(fields.ints);
      fields.seen = 'ints';
      return;
    case attributeField.strings:
      fields.strings.push(reader.string());
      fields.seen = 'strings';
      return;
    default:
      fields.seen = unread[reader.field] ?? fields.seen;
      reader.skip();
  }
}

/** Values that are noted, not read: no supported operator has them, and sub-graphs nest without end. */
const unread: Readonly<Record<number, AttributeProto['kind']>> = {
  [attributeField.g]: 'graph',
  [attributeField.graphs]: 'graphs',
  [attributeField.tensors]: 'tensors',
  [attributeField.tp]: 'type',
  [attributeField.typeProtos]: 'type',
  [attributeField.sparseTensor]: 'sparse',
  [attributeField.sparseTensors]: 'sparse',
};

function attributeOf(reader: WireReader, fields: AttributeFields, kind: AttributeProto['kind']): AttributeProto {
  const { name } = fields;
  switch (kind) {
    case 'float':
      return { name, kind, value: fields.f };
    case 'int':
      return { name, kind, value: fields.i };
    case 'string':
      return { name, kind, value: fields.s };
    case 'tensor':
      if (!fields.t) throw reader.malformed(`attribute '${name}' of type tensor without one`);
      return { name, kind, value: fields.t };
    case 'floats':
      return { name, kind, value: fields.floats };
    case 'ints':
      return { name, kind, value: fields.ints };
    case 'strings':
      return { name, kind, value: fields.strings };
    default:
      return { name, kind };
  }
}
