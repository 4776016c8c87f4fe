import { dataTypeOf, writeModel, type AttributeProto, type ValueInfo } from '../../../src/onnx/index.ts';
import { floatAttributes, type BuiltNetwork, type BuiltNode } from './networkBuilder.ts';

/** The first that has HardSwish and all else the networks use; IR 8 belongs to it. */
const opset = 17;
const irVersion = 8;

/** A built network as the bytes of an ONNX file, the batch free. */
export function toOnnx(network: BuiltNetwork): Uint8Array<ArrayBuffer> {
  const bytes = writeModel({
    irVersion,
    producerName: 'octet-bench',
    producerVersion: '1',
    domain: '',
    modelVersion: 1,
    opsetImports: [{ domain: '', version: opset }],
    metadata: new Map(),
    graph: {
      name: network.name,
      inputs: [floatValue(network.input)],
      outputs: [floatValue(network.output)],
      initializers: [...network.constants].map(([name, tensor]) => ({ name, tensor })),
      nodes: network.nodes.map((node) => ({
        name: node.name,
        opType: node.opType,
        domain: '',
        inputs: node.inputs,
        outputs: [node.output],
        attributes: attributesOf(node),
      })),
    },
  });
  return new Uint8Array(bytes);
}

function floatValue({ name, shape }: { name: string; shape: readonly number[] }): ValueInfo {
  return { name, type: { kind: 'tensor', elementType: dataTypeOf.float32, shape: ['N', ...shape] } };
}

function attributesOf(node: BuiltNode): AttributeProto[] {
  return Object.entries(node.attributes).map(([name, value]): AttributeProto => {
    if (typeof value === 'string') return { name, kind: 'string', value };
    if (typeof value === 'number') return { name, kind: floatAttributes.has(name) ? 'float' : 'int', value };
    return { name, kind: 'ints', value };
  });
}
