import { seededRandom, type Random } from '../../../src/base/index.ts';
import type {
  AttributeValue,
  FloatOperation,
  FloatValue,
  IntegerConstant,
  Operation,
} from '../../../src/graph/index.ts';
import { runNode } from '../../../src/reference/index.ts';
import { tensor, type Tensor } from '../../../src/tensor/index.ts';
import { graphOf, integerOf, problemOf, type Problem } from '../problem.ts';

/** A float node to test: inputs that are values by their shape, others as constants; undefined where one is absent. */
export interface FloatNode {
  readonly opType: string;
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  readonly inputs: readonly (readonly number[] | Tensor | undefined)[];
  /** How the second input, a constant, is stored. */
  readonly integers?: IntegerConstant | undefined;
}

export interface FloatCommon {
  readonly batch: number;
  readonly seed: number;
}

const special = [NaN, Infinity, -Infinity, 0, -0, 1e-45, -1e-45, 3.4e38, -3.4e38, 88.8, -104, 0.5, 1];

/** Real numbers of the size of activations, and now and then everything else that a float32 can be. */
export function realsOf(
  count: number,
  random: Random,
  specials: 'with specials' | 'ordinary' = 'ordinary',
): Float32Array {
  const rare = specials === 'with specials' ? 0.1 : 0;
  return Float32Array.from({ length: count }, () =>
    random() < rare ? special[integerOf(random, 0, special.length - 1)]! : (random() - 0.5) * 16,
  );
}

export function constantOf(shape: readonly number[], random: Random): Tensor {
  return tensor(
    'float32',
    shape,
    realsOf(
      shape.reduce((a, b) => a * b, 1),
      random,
    ),
  );
}

/** Weights as a file stores them, and the real numbers that they are. */
export interface StoredWeights {
  readonly reals: Tensor;
  readonly integers: IntegerConstant | undefined;
}

/** Float weights, or int8 or uint8 ones with a scale for all or for each element of `axis`. */
export function weightsOf(shape: readonly number[], axis: number, random: Random): StoredWeights {
  const kind = integerOf(random, 0, 3);
  if (kind === 0) return { reals: constantOf(shape, random), integers: undefined };
  const count = shape.reduce((a, b) => a * b, 1);
  const perChannel = kind !== 1;
  const data =
    kind === 3
      ? Uint8Array.from({ length: count }, () => integerOf(random, 0, 255))
      : Int8Array.from({ length: count }, () => integerOf(random, -128, 127));
  const scales = Float32Array.from({ length: perChannel ? shape[axis]! : 1 }, () => 0.001 + random() * 0.1);
  const zeroPoints = Int32Array.from(scales, () => (kind === 3 ? integerOf(random, 0, 255) : 0));
  const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const reals = Float32Array.from(data, (q, index) => {
    const channel = perChannel ? Math.floor(index / inner) % shape[axis]! : 0;
    return (q - zeroPoints[channel]!) * scales[channel]!;
  });
  return {
    reals: tensor('float32', shape, reals),
    integers: { data, scales, zeroPoints, axis: perChannel ? axis : undefined },
  };
}

const isTensor = (input: readonly number[] | Tensor | undefined): input is Tensor =>
  input !== undefined && 'dtype' in input;

/**
 * The node between two Relu-like neighbours, so that its images lie as they do inside a network: Neg in front of each input that
 * is a value, Neg behind an output of float32.
 */
export function floatProblem(
  { opType, attributes = {}, inputs, integers }: FloatNode,
  { batch, seed }: FloatCommon,
  expected: { readonly kernel: RegExp; readonly specials?: 'with specials' | 'ordinary'; readonly outputs?: number },
): Problem {
  const random = seededRandom(seed);
  const values: Record<string, FloatValue> = {};
  const constants: Record<string, Tensor> = {};
  const float = (shape: readonly number[]): FloatValue => ({ kind: 'float', dtype: 'float32', shape });
  const before: Operation[] = [];
  const names = inputs.map((input, index) => {
    if (input === undefined) return '';
    if (isTensor(input)) {
      constants[`c${index}`] = input;
      return `c${index}`;
    }
    values[`x${index}`] = float(input);
    values[`n${index}`] = float(input);
    before.push(operationOf('Neg', `before${index}`, [`x${index}`], [`n${index}`]));
    return `n${index}`;
  });
  const entering = before.map(({ name }) => name.replace('before', 'x'));
  const outputs = Array.from({ length: expected.outputs ?? 1 }, (_, index) => `y${index}`);
  const node = operationOf(opType, 'node', names, outputs, attributes);
  const zeros = inputs.map((input) => (input === undefined || isTensor(input) ? input : tensor('float32', input)));
  const results = runNode(node.node, zeros);
  const after = outputs.flatMap((name, index) => {
    const { dtype, shape } = results[index]!;
    values[name] = { kind: 'float', dtype, shape };
    if (dtype !== 'float32') return [];
    values[`z${index}`] = float(shape);
    return [operationOf('Neg', `after${index}`, [name], [`z${index}`])];
  });
  const leaving = after.length > 0 ? after.map(({ output }) => output) : outputs;
  return problemOf({
    graph: {
      ...graphOf([...before, node, ...after], values, { inputs: entering, outputs: leaving }, constants),
      ...(integers ? { integers: new Map([['c1', integers]]) } : {}),
    },
    kernels: { node: () => expected.kernel },
    feed: (_, count) => realsOf(count, random, expected.specials),
    ...{
      random,
      batch,
      sizes: { opType, attributes, shapes: inputs.map((input) => (isTensor(input) ? input.shape : input)), seed },
    },
  });
}

export function operationOf(
  opType: string,
  name: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
): FloatOperation {
  const node = { name, opType, domain: '', inputs, outputs, attributes: new Map(Object.entries(attributes)) };
  return { kind: 'float', name, node, outputs, output: outputs[0]! };
}
