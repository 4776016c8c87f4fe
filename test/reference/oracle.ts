import { expect } from 'vitest';
import type { AttributeValue, Node } from '../../src/graph/index.ts';
import {
  dataTypeOf,
  writeModel,
  type AttributeProto,
  type Initializer,
  type ModelProto,
  type NodeProto,
} from '../../src/onnx/index.ts';
import { openOnnxFile } from '../../src/onnxruntime/index.ts';
import { runNode } from '../../src/reference/index.ts';
import { tensor, type Dtype, type Shape, type Tensor, type TensorOf } from '../../src/tensor/index.ts';
import { seededRandom, type Random } from '../../src/base/index.ts';

/** One operator with its inputs: run by the reference kernels and by onnxruntime. */
export interface OperatorCase {
  readonly opType: string;
  readonly domain?: string;
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  readonly inputs: readonly (Tensor | undefined)[];
  readonly outputs?: number;
  /** Operator set of ai.onnx; the canonical one unless an operator is younger. */
  readonly opset?: number;
}

export function nodeOf({ opType, domain = '', attributes = {}, inputs, outputs = 1 }: OperatorCase): Node {
  return {
    name: `the ${opType}`,
    opType,
    domain,
    inputs: inputs.map((input, index) => (input ? `in${index}` : '')),
    outputs: Array.from({ length: outputs }, (_, index) => `out${index}`),
    attributes: new Map(Object.entries(attributes)),
  };
}

function attributeProto(name: string, value: AttributeValue): AttributeProto {
  if (typeof value === 'string') return { name, kind: 'string', value };
  if (typeof value === 'number') return { name, kind: floatAttributes.has(name) ? 'float' : 'int', value };
  if ('dtype' in value) return { name, kind: 'tensor', value };
  if (value.every((item) => typeof item === 'number')) return { name, kind: 'ints', value };
  return { name, kind: 'strings', value: value };
}

/** Attributes as a file writes them. */
export function attributeProtos(attributes: Readonly<Record<string, AttributeValue>>): AttributeProto[] {
  return Object.entries(attributes).map(([name, value]) => attributeProto(name, value));
}

const floatAttributes = new Set([
  ...['alpha', 'beta', 'gamma', 'epsilon', 'bias', 'cubic_coeff_a', 'extrapolation_value', 'ratio', 'lambd'],
]);

/** A model of one node whose first inputs are fed and the others are initializers. */
export function modelOf(operator: OperatorCase, fed = 1): ModelProto {
  const node = nodeOf(operator);
  const inputs: { name: string; tensor: Tensor }[] = operator.inputs.flatMap((input, index) =>
    input ? [{ name: `in${index}`, tensor: input }] : [],
  );
  const proto: NodeProto = {
    ...{ name: node.name, opType: node.opType, domain: node.domain, inputs: node.inputs, outputs: node.outputs },
    attributes: [...node.attributes].map(([name, value]) => attributeProto(name, value)),
  };
  const initializers: Initializer[] = inputs.slice(fed);
  return {
    ...{ irVersion: 9, producerName: 'octet-test', producerVersion: '', domain: '', modelVersion: 1 },
    opsetImports: [
      { domain: '', version: operator.opset ?? 18 },
      { domain: 'com.microsoft', version: 1 },
    ],
    metadata: new Map(),
    graph: {
      name: node.opType,
      nodes: [proto],
      initializers,
      inputs: inputs.slice(0, fed).map(({ name, tensor: { dtype, shape } }) => ({
        ...{ name, type: { kind: 'tensor', elementType: dataTypeOf[dtype], shape } },
      })),
      outputs: node.outputs.map((name) => ({ name, type: { kind: 'none' } })),
    },
  };
}

/** What onnxruntime makes of the operator. */
export async function runOracle(operator: OperatorCase): Promise<Tensor[]> {
  const session = await openOnnxFile(writeModel(modelOf(operator)), { threads: 1, optimization: 'none' });
  try {
    const first = operator.inputs[0];
    const results = await session.run(new Map(first ? [['in0', first]] : []));
    return nodeOf(operator).outputs.map((name) => results.get(name)!);
  } finally {
    await session.close();
  }
}

/** What the reference kernel makes of it. */
export function runReference(operator: OperatorCase): Tensor[] {
  return runNode(nodeOf(operator), operator.inputs);
}

export interface Tolerance {
  readonly relative: number;
  readonly absolute: number;
}

export const floatTolerance: Tolerance = { relative: 1e-3, absolute: 1e-5 };

/** Fails with the first element that is off. */
export function expectTensorClose(actual: Tensor | undefined, expected: Tensor, tolerance: Tolerance): void {
  if (!actual) throw new Error('the output is missing');
  expect({ dtype: actual.dtype, shape: actual.shape }).toEqual({ dtype: expected.dtype, shape: expected.shape });
  for (let i = 0; i < expected.data.length; i++) {
    const [is, should] = [Number(actual.data[i]), Number(expected.data[i])];
    const same = is === should || (Number.isNaN(is) && Number.isNaN(should));
    if (!same && !(Math.abs(is - should) <= tolerance.absolute + tolerance.relative * Math.abs(should)))
      throw new Error(`element ${i} of ${expected.data.length} is ${is}, expected ${should}`);
  }
}

/** Runs both and compares every output. */
export async function expectAsOracle(operator: OperatorCase, tolerance: Tolerance = floatTolerance): Promise<void> {
  const expected = await runOracle(operator);
  const actual = runReference(operator);
  expect(actual.length).toBeGreaterThanOrEqual(expected.length);
  for (const [index, output] of expected.entries()) expectTensorClose(actual[index], output, tolerance);
}

/** Reproducible tensors. */
export class Tensors {
  readonly random: Random;

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  float(shape: Shape, low = -3, high = 3): TensorOf<'float32'> {
    return this.#fill('float32', shape, () => low + this.random() * (high - low));
  }

  uint8(shape: Shape, low = 0, high = 255): TensorOf<'uint8'> {
    return this.#fill('uint8', shape, () => this.integer(low, high));
  }

  int8(shape: Shape, low = -127, high = 127): TensorOf<'int8'> {
    return this.#fill('int8', shape, () => this.integer(low, high));
  }

  int32(shape: Shape, low = -1000, high = 1000): TensorOf<'int32'> {
    return this.#fill('int32', shape, () => this.integer(low, high));
  }

  integer(low: number, high: number): number {
    return low + Math.floor(this.random() * (high - low + 1));
  }

  #fill<D extends Exclude<Dtype, 'int64' | 'uint64'>>(dtype: D, shape: Shape, next: () => number): TensorOf<D> {
    const result = tensor(dtype, shape);
    for (let i = 0; i < result.data.length; i++) result.data[i] = next();
    return result;
  }
}

/** float32 [values.length]. */
export function floats(...values: readonly number[]): TensorOf<'float32'> {
  return tensor('float32', [values.length], Float32Array.from(values));
}

export function scalar(value: number): TensorOf<'float32'> {
  return tensor('float32', [], Float32Array.of(value));
}

/** int64 [values.length], as shapes, axes and pads are given. */
export function int64s(...values: readonly number[]): TensorOf<'int64'> {
  return tensor('int64', [values.length], BigInt64Array.from(values, BigInt));
}
