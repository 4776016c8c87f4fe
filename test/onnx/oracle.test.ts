import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import {
  GraphProtoSchema,
  ModelProtoSchema,
  TensorProtoSchema,
  TensorProto_DataType,
  type AttributeProto,
  type ModelProto as OracleModel,
} from 'onnx-buf';
import { describe, expect, it } from 'vitest';
import { dataTypeOf, readModel, readTensorProto, writeModel, type ModelProto } from '../../src/onnx/index.ts';
import { operatorCases } from '../transform/support/operatorCases.ts';
import { modelOf } from '../transform/support/build.ts';
import { everyKind } from './support/everyKind.ts';

/** What both readers say of a file, in one form. */
function ours(model: ModelProto): unknown {
  const { graph } = model;
  return {
    header: [model.irVersion, model.producerName, model.producerVersion, model.domain, model.modelVersion, graph.name],
    opsets: model.opsetImports.map(({ domain, version }) => [domain, version]),
    metadata: [...model.metadata],
    nodes: graph.nodes.map(({ name, opType, domain, inputs, outputs, attributes }) => {
      const plain = attributes.map((attribute) => [
        attribute.name,
        attribute.kind === 'tensor'
          ? [attribute.value.shape, dataTypeOf[attribute.value.dtype]]
          : 'value' in attribute
            ? attribute.value
            : null,
      ]);
      return [name, opType, domain, inputs, outputs, plain];
    }),
    initializers: graph.initializers.map(({ name, tensor }) => [name, tensor.shape, dataTypeOf[tensor.dtype]]),
    inputs: graph.inputs.map(({ name, type }) => [name, type.kind === 'tensor' ? [type.elementType, type.shape] : []]),
  };
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** Values by AttributeProto.AttributeType. */
function byType({ f, i, s, floats, ints }: AttributeProto): Readonly<Record<number, unknown>> {
  return { 1: f, 2: Number(i), 3: text(s), 6: floats, 7: ints.map(Number) };
}

function theirs(model: OracleModel): unknown {
  const graph = model.graph!;
  const dims = (list: readonly bigint[]): number[] => list.map(Number);
  return {
    header: [
      Number(model.irVersion),
      model.producerName,
      model.producerVersion,
      model.domain,
      Number(model.modelVersion),
      graph.name,
    ],
    opsets: model.opsetImport.map(({ domain, version }) => [domain === 'ai.onnx' ? '' : domain, Number(version)]),
    metadata: model.metadataProps.map(({ key, value }) => [key, value]),
    nodes: graph.node.map(({ name, opType, domain, input, output, attribute }) => {
      const plain = attribute.map((a) => [
        a.name,
        byType(a)[a.type] ?? (a.t ? [dims(a.t.dims), a.t.dataType] : a.strings.map(text)),
      ]);
      return [name, opType, domain === 'ai.onnx' ? '' : domain, input, output, plain];
    }),
    initializers: graph.initializer.map(({ name, dims: shape, dataType }) => [name, dims(shape), dataType]),
    inputs: graph.input.map(({ name, type }) => {
      if (type?.value.case !== 'tensorType') return [name, []];
      const shape = type.value.value.shape?.dim.map(({ value }) =>
        value.case === 'dimValue' ? Number(value.value) : value.value,
      );
      return [name, [type.value.value.elemType, shape]];
    }),
  };
}

const files = new Map<string, Uint8Array>([
  ['every kind of value', writeModel(everyKind)],
  ...Object.entries(operatorCases).map(([name, network]): [string, Uint8Array] => [name, writeModel(modelOf(network))]),
]);

const root = process.env.OCTET_TEST_MODELS;
if (root === undefined) console.log('skipped: files of the zoo against onnx-buf (OCTET_TEST_MODELS is not set)');
else for (const file of globSync('**/*.onnx', { cwd: root })) files.set(file, readFileSync(resolve(root, file)));

describe('onnx-buf', () => {
  it('says the same of every file', () => {
    for (const [name, bytes] of files)
      expect(ours(readModel(bytes)), name).toEqual(theirs(fromBinary(ModelProtoSchema, Uint8Array.from(bytes))));
  });

  it('reads the same weights', () => {
    for (const [name, bytes] of files) {
      const read = readModel(bytes).graph.initializers;
      fromBinary(ModelProtoSchema, Uint8Array.from(bytes)).graph!.initializer.forEach((expected, index) => {
        const { data } = read[index]!.tensor;
        if (expected.rawData.length === 0) return;
        expect(Buffer.compare(Buffer.from(data.buffer, data.byteOffset, data.byteLength), expected.rawData), name).toBe(
          0,
        );
      });
    }
  });

  it('writes typed data that is read', () => {
    const write = (fields: Parameters<typeof create<typeof TensorProtoSchema>>[1]): Uint8Array =>
      toBinary(TensorProtoSchema, create(TensorProtoSchema, fields));
    const { FLOAT, INT64, INT8, DOUBLE, UINT64 } = TensorProto_DataType;
    expect(readTensorProto(write({ dims: [2n], dataType: FLOAT, floatData: [0.5, -3] })).data).toEqual(
      Float32Array.of(0.5, -3),
    );
    expect(readTensorProto(write({ dims: [1n], dataType: DOUBLE, doubleData: [0.1] })).data).toEqual(
      Float64Array.of(0.1),
    );
    expect(readTensorProto(write({ dims: [2n], dataType: INT64, int64Data: [-1n, 7n] })).data).toEqual(
      BigInt64Array.of(-1n, 7n),
    );
    expect(readTensorProto(write({ dims: [2n], dataType: INT8, int32Data: [-128, 5] })).data).toEqual(
      Int8Array.of(-128, 5),
    );
    expect(readTensorProto(write({ dims: [1n], dataType: UINT64, uint64Data: [2n ** 63n] })).data).toEqual(
      BigUint64Array.of(2n ** 63n),
    );
  });

  it('writes an empty graph that is read', () => {
    const model = create(ModelProtoSchema, { irVersion: 9n, graph: create(GraphProtoSchema, { name: 'g' }) });
    expect(readModel(toBinary(ModelProtoSchema, model)).graph.name).toBe('g');
  });
});
