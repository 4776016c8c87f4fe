import { gaussian, seededRandom } from '../../src/base/index.ts';
import {
  writeModel,
  type AttributeProto,
  type Initializer,
  type ModelProto,
  type NodeProto,
} from '../../src/onnx/index.ts';
import { tensor, type Tensor } from '../../src/tensor/index.ts';

/** Small networks as ONNX files, made here. */

export const FLOAT = 1;

export function node(
  opType: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: readonly AttributeProto[] = [],
): NodeProto {
  return { name: outputs[0] ?? opType, opType, domain: '', inputs, outputs, attributes };
}

export const float = (shape: readonly number[], values: Iterable<number>): Tensor =>
  tensor('float32', shape, Float32Array.from(values));

export interface NetworkParts {
  readonly nodes: readonly NodeProto[];
  readonly initializers: Readonly<Record<string, Tensor>>;
  readonly input: { readonly name: string; readonly shape: readonly (number | string | undefined)[] };
  readonly output: { readonly name: string; readonly shape: readonly (number | string)[] };
  readonly opset?: number;
  readonly metadata?: ReadonlyMap<string, string>;
}

export function modelOf(parts: NetworkParts): ModelProto {
  const initializers: Initializer[] = Object.entries(parts.initializers).map(([name, value]) => ({
    name,
    tensor: value,
  }));
  const value = ({ name, shape }: { name: string; shape: readonly (number | string | undefined)[] }) =>
    ({ name, type: { kind: 'tensor', elementType: FLOAT, shape } }) as const;
  return {
    irVersion: 8,
    producerName: 'octet-tests',
    producerVersion: '1',
    domain: '',
    modelVersion: 1,
    opsetImports: [{ domain: '', version: parts.opset ?? 13 }],
    graph: {
      name: 'network',
      nodes: parts.nodes,
      initializers,
      inputs: [value(parts.input)],
      outputs: [value(parts.output)],
    },
    metadata: parts.metadata ?? new Map(),
  };
}

export const colors = ['red', 'green', 'blue', 'gray'] as const;

/** Differences of colours, whose positive parts tell red, green, blue and gray apart. */
const detectors = [
  [1, -1, 0],
  [1, 0, -1],
  [-1, 1, 0],
  [0, 1, -1],
  [-1, 0, 1],
  [0, -1, 1],
  [0.3, 0.3, 0.3],
  [0, 0, 0],
];

const decisions = [
  [3, 3, -3, -1, -3, -1, 0, 0],
  [-3, -1, 3, 3, -1, -3, 0, 0],
  [-1, -3, -1, -3, 3, 3, 0, 0],
  [-2, -2, -2, -2, -2, -2, 2, 0],
];

/** Parts of a classifier of colours: Conv 1x1, BatchNormalization, Relu, GlobalAveragePool, Flatten, Gemm on [N, 3, 8, 8]. */
export function colorParts(): NetworkParts {
  const random = seededRandom(7);
  const noisy = (values: readonly (readonly number[])[]) =>
    values.flat().map((value) => value + 0.01 * gaussian(random));
  return {
    nodes: [
      node('Conv', ['image', 'w', 'b'], ['conv'], [{ name: 'kernel_shape', kind: 'ints', value: [1, 1] }]),
      node('BatchNormalization', ['conv', 'gamma', 'beta', 'mean', 'variance'], ['norm']),
      node('Relu', ['norm'], ['relu']),
      node('GlobalAveragePool', ['relu'], ['pool']),
      node('Flatten', ['pool'], ['flat']),
      node('Gemm', ['flat', 'fc', 'bias'], ['scores'], [{ name: 'transB', kind: 'int', value: 1 }]),
    ],
    initializers: {
      w: float([8, 3, 1, 1], noisy(detectors)),
      b: float([8], new Array<number>(8).fill(0)),
      gamma: float([8], new Array<number>(8).fill(1.5)),
      beta: float([8], new Array<number>(8).fill(0)),
      mean: float([8], new Array<number>(8).fill(0)),
      variance: float([8], new Array<number>(8).fill(1)),
      fc: float([4, 8], noisy(decisions)),
      bias: float([4], [0, 0, 0, 0.2]),
    },
    input: { name: 'image', shape: ['N', 3, 8, 8] },
    output: { name: 'scores', shape: ['N', 4] },
  };
}

export function colorNetwork(changes: Partial<NetworkParts> = {}): Uint8Array {
  return writeModel(modelOf({ ...colorParts(), ...changes }));
}
