import { gaussian, seededRandom } from '../../../src/base/index.ts';
import type { AttributeProto, ModelProto, NodeProto } from '../../../src/onnx/index.ts';
import { elementCount, tensor, type Tensor, type TensorOf } from '../../../src/tensor/index.ts';

/** An attribute's value; numbers are ints unless wrapped by `f`. */
export type Attribute =
  number | string | readonly number[] | Tensor | { readonly float: number } | { readonly floats: readonly number[] };

export const f = (float: number): { readonly float: number } => ({ float });
export const fs = (...floats: readonly number[]): { readonly floats: readonly number[] } => ({ floats });

function attributeProto(name: string, value: Attribute): AttributeProto {
  if (typeof value === 'number') return { name, kind: 'int', value };
  if (typeof value === 'string') return { name, kind: 'string', value };
  if ('float' in value) return { name, kind: 'float', value: value.float };
  if ('floats' in value) return { name, kind: 'floats', value: value.floats };
  if ('dtype' in value) return { name, kind: 'tensor', value };
  return { name, kind: 'ints', value };
}

/** `y = OpType(a, b)` in one line: `op('Conv', 'x w', 'y', { strides: [2, 2] })`; `_` is an absent name. */
export function op(
  opType: string,
  inputs: string,
  outputs: string,
  attributes: Readonly<Record<string, Attribute>> = {},
  domain = '',
): NodeProto {
  const names = (text: string): string[] =>
    text === '' ? [] : text.split(' ').map((name) => (name === '_' ? '' : name));
  return {
    name: `${opType}_${names(outputs)[0] ?? ''}`,
    opType,
    domain,
    inputs: names(inputs),
    outputs: names(outputs),
    attributes: Object.entries(attributes).map(([name, value]) => attributeProto(name, value)),
  };
}

export interface Network {
  readonly opset?: number;
  /** Float inputs; a string is a symbol. */
  readonly inputs: Readonly<Record<string, readonly (number | string)[]>>;
  readonly outputs: readonly string[];
  readonly nodes: readonly NodeProto[];
  readonly initializers?: Readonly<Record<string, Tensor>>;
}

export function modelOf({ opset = 13, inputs, outputs, nodes, initializers = {} }: Network): ModelProto {
  const contrib = nodes.some(({ domain }) => domain === 'com.microsoft');
  return {
    irVersion: 8,
    producerName: 'test',
    producerVersion: '',
    domain: '',
    modelVersion: 0,
    opsetImports: [{ domain: '', version: opset }, ...(contrib ? [{ domain: 'com.microsoft', version: 1 }] : [])],
    graph: {
      name: 'g',
      nodes,
      initializers: Object.entries(initializers).map(([name, value]) => ({ name, tensor: value })),
      inputs: Object.entries(inputs).map(([name, shape]) => ({
        name,
        type: { kind: 'tensor', elementType: 1, shape },
      })),
      outputs: outputs.map((name) => ({ name, type: { kind: 'tensor', elementType: 1, shape: undefined } })),
    },
    metadata: new Map(),
  };
}

export const ints = (...values: readonly number[]): TensorOf<'int64'> =>
  tensor('int64', [values.length], BigInt64Array.from(values, BigInt));

export const int = (value: number): TensorOf<'int64'> => tensor('int64', [], BigInt64Array.of(BigInt(value)));

export const floats = (...values: readonly number[]): TensorOf<'float32'> =>
  tensor('float32', [values.length], Float32Array.from(values));

export const float = (value: number): TensorOf<'float32'> => tensor('float32', [], Float32Array.of(value));

/** Normal deviates, the same for the same shape and seed. */
export function normal(shape: readonly number[], seed = 1): TensorOf<'float32'> {
  const random = seededRandom(seed * 7919 + elementCount(shape));
  return tensor(
    'float32',
    shape,
    Float32Array.from({ length: elementCount(shape) }, () => gaussian(random)),
  );
}

/** Positive numbers, for variances. */
export function positive(shape: readonly number[], seed = 1): TensorOf<'float32'> {
  return tensor(
    'float32',
    shape,
    normal(shape, seed).data.map((value) => Math.abs(value) + 0.2),
  );
}
