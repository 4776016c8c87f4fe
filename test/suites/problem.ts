import fc from 'fast-check';
import type { Random } from '../../src/base/index.ts';
import type { FloatValue, Operation, QuantizedGraph, QuantizedValue } from '../../src/graph/index.ts';
import {
  elementCount,
  tensor,
  tensorsOf,
  type FeedMap,
  type Shape,
  type Tensor,
  type TensorMap,
} from '../../src/tensor/index.ts';

/** The fastest arithmetic of a tier's matrix kernels. */
export type DotName = 'pairs' | 'bytePairs' | 'unsigned' | 'signed';

/** Which kernel has to run an operation, given the arithmetic of the tier. */
export type ExpectedKernel = (dot: DotName) => RegExp;

/** A graph, its inputs, and the kernels that have to run it: everything that a runner must give the reference's bits for. */
export interface Problem {
  readonly graph: QuantizedGraph;
  readonly feeds: TensorMap;
  /** What the feeds are the tensors of, where an image comes as pixels. */
  readonly pixels?: FeedMap | undefined;
  /** By operation name. */
  readonly kernels: ReadonlyMap<string, ExpectedKernel>;
  /** Everything needed to build the problem by hand. */
  readonly description: string;
  /** What fast-check prints for a counterexample. */
  readonly [fc.toStringMethod]: () => string;
}

/** Random problems of one kind of operation, that every runner is tested with. */
export interface Suite {
  readonly name: string;
  readonly problems: fc.Arbitrary<Problem>;
  readonly runs: number;
}

/** A problem of a graph; `feed` makes one input for a batch, unless `pixels` are all of them. */
export function problemOf(parts: {
  readonly graph: QuantizedGraph;
  readonly kernels: Readonly<Record<string, ExpectedKernel>>;
  readonly random: Random;
  readonly batch: number;
  readonly pixels?: FeedMap | undefined;
  readonly feed?: (value: QuantizedValue | FloatValue, count: number) => Tensor['data'];
  readonly sizes?: unknown;
}): Problem {
  const { graph, random, batch, pixels } = parts;
  const feed = parts.feed ?? ((value, count) => randomElements(value, count, random));
  const tensors = new Map(
    (pixels ? [] : graph.inputs).map((name): [string, Tensor] => {
      const value = graph.values.get(name)!;
      const [unit = 1, ...rest] = value.shape;
      const shape = [unit * batch, ...rest];
      const dtype = value.kind === 'float' ? value.dtype : value.storedAs;
      return [name, { dtype, shape, data: feed(value, elementCount(shape)) } as Tensor];
    }),
  );
  const description = JSON.stringify(
    { sizes: parts.sizes, batch, values: [...graph.values], operations: graph.operations },
    (_, value: unknown) => (ArrayBuffer.isView(value) ? summaryOf(value) : value),
  );
  return {
    graph,
    feeds: pixels ? tensorsOf(pixels) : tensors,
    pixels,
    kernels: new Map(Object.entries(parts.kernels)),
    description,
    [fc.toStringMethod]: () => description,
  };
}

function summaryOf(view: ArrayBufferView): string {
  const elements = Array.from(view as Int32Array);
  const shown = elements.slice(0, 6).join(' ');
  return `${view.constructor.name}(${elements.length}) ${shown}${elements.length > 6 ? ' …' : ''}`;
}

/** Bytes of every kind of image: noise, extremes, one value. */
export function randomBytes(count: number, random: Random): Uint8Array {
  const kind = random();
  const level = Math.floor(random() * 256);
  return Uint8Array.from({ length: count }, () => {
    if (kind < 0.7) return Math.floor(random() * 256);
    if (kind < 0.9) return random() < 0.5 ? 0 : 255;
    return level;
  });
}

function randomElements(value: QuantizedValue | FloatValue, count: number, random: Random): Tensor['data'] {
  if (value.kind === 'float') return Float32Array.from({ length: count }, () => (random() - 0.5) * 8);
  const bytes = randomBytes(count, random);
  return value.storedAs === 'uint8' ? bytes : Int8Array.from(bytes, (q) => q - 128);
}

export function quantized(shape: Shape, zeroPoint: number, scale = 0.05): QuantizedValue {
  return { kind: 'quantized', shape, scale: Math.fround(scale), zeroPoint, storedAs: 'uint8' };
}

export function asInt8(value: QuantizedValue): QuantizedValue {
  return { ...value, storedAs: 'int8' };
}

/** A graph of operations in order; `inputs` are what no operation makes. */
export function graphOf(
  operations: readonly Operation[],
  values: Readonly<Record<string, QuantizedValue | FloatValue>>,
  ends: { readonly inputs: readonly string[]; readonly outputs: readonly string[] },
  constants: Readonly<Record<string, Tensor>> = {},
): QuantizedGraph {
  return {
    name: 'problem',
    ...ends,
    operations,
    values: new Map(Object.entries(values)),
    constants: new Map(Object.entries(constants)),
  };
}

export const int64 = (numbers: readonly number[]): Tensor =>
  tensor('int64', [numbers.length], BigInt64Array.from(numbers.map(BigInt)));

/** An integer in [min, max] of a seeded generator. */
export function integerOf(random: Random, min: number, max: number): number {
  return min + Math.floor(random() * (max - min + 1));
}

/** Seeds of data that need not shrink. */
export const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 });
export const bytes = fc.integer({ min: 0, max: 255 });
export const upTo = (max: number): fc.Arbitrary<number> => fc.integer({ min: 1, max });

/** One or two samples: the second finds what the first left behind. */
export const batches = fc.constantFrom(1, 1, 2);

/** Output bounds of an activation: none, half-open, narrow, a single value. */
export const clamps = fc.oneof(
  { weight: 2, arbitrary: fc.constant({ qmin: 0, qmax: 255 }) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(bytes, bytes)
      .map(([one, other]) => ({ qmin: Math.min(one, other), qmax: Math.max(one, other) })),
  },
);
