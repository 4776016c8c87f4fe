import fc from 'fast-check';
import type { Clamp, ConvOperation, Operation, QuantizedGraph, QuantizedValue } from '../../src/graph/index.ts';
import { runQuantized } from '../../src/reference/index.ts';
import { seededRandom } from '../../src/base/index.ts';
import { tensor, type Shape, type Tensor } from '../../src/tensor/index.ts';

export const wholeByte: Clamp = { qmin: 0, qmax: 255 };

export function quantized(shape: Shape, scale: number, zeroPoint: number): QuantizedValue {
  return { kind: 'quantized', shape, scale: Math.fround(scale), zeroPoint, storedAs: 'uint8' };
}

/** A graph of one operation; its inputs are `inputs`, its output 'y'. */
export function graphOf(
  operation: Operation,
  inputs: Readonly<Record<string, QuantizedValue>>,
  output: QuantizedGraph['values'] extends ReadonlyMap<string, infer V> ? V : never,
  constants: Readonly<Record<string, Tensor>> = {},
): QuantizedGraph {
  return {
    name: operation.kind,
    inputs: Object.keys(inputs),
    outputs: [operation.output],
    operations: [operation],
    values: new Map([...Object.entries(inputs), [operation.output, output] as const]),
    constants: new Map(Object.entries(constants)),
  };
}

/** Runs a graph of uint8 inputs and one output. */
export function runBytes(graph: QuantizedGraph, feeds: Readonly<Record<string, Uint8Array>>): number[] {
  const tensors = Object.entries(feeds).map(([name, bytes]): [string, Tensor] => {
    const shape = graph.values.get(name)!.shape;
    return [name, tensor('uint8', shape, new Uint8Array(bytes))];
  });
  const result = runQuantized(graph, new Map(tensors)).get(graph.outputs[0]!)!;
  return Array.from<number | bigint, number>(result.data, Number);
}

/** A convolution with everything that can vary, small enough to check by other means. */
export interface ConvProblem {
  readonly operation: ConvOperation;
  readonly from: QuantizedValue;
  readonly to: QuantizedValue;
  readonly x: Uint8Array;
  readonly seed: number;
}

interface ConvSizes {
  readonly group: number;
  readonly perGroup: number;
  readonly filtersPerGroup: number;
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  readonly pads: readonly [number, number, number, number];
  readonly size: readonly [number, number];
  readonly zeroPoints: readonly [number, number];
  readonly asymmetric: boolean;
  readonly seed: number;
}

const small = (max: number): fc.Arbitrary<number> => fc.integer({ min: 1, max });

/** Random convolutions: groups, strides, dilations, pads up to windows in the padding alone, odd zero points. */
export function convProblem(): fc.Arbitrary<ConvProblem> {
  const byte = fc.integer({ min: 0, max: 255 });
  const pad = fc.integer({ min: 0, max: 4 });
  return fc
    .record<ConvSizes>({
      ...{ group: small(3), perGroup: small(6), filtersPerGroup: small(3) },
      ...{ kernel: fc.tuple(small(4), small(4)), strides: fc.tuple(small(3), small(3)) },
      ...{ dilations: fc.tuple(small(2), small(3)), pads: fc.tuple(pad, pad, pad, pad) },
      ...{ size: fc.tuple(small(7), small(9)), zeroPoints: fc.tuple(byte, byte) },
      ...{ asymmetric: fc.boolean(), seed: fc.integer({ min: 0, max: 2 ** 31 }) },
    })
    .filter(({ kernel, dilations, pads, size }) =>
      [0, 1].every((d) => size[d]! + pads[d]! + pads[d + 2]! > (kernel[d]! - 1) * dilations[d]!),
    )
    .map(buildConv);
}

function buildConv(sizes: ConvSizes): ConvProblem {
  const { group, perGroup, filtersPerGroup, kernel, strides, dilations, pads, size, seed } = sizes;
  const random = seededRandom(seed);
  const integer = (min: number, max: number): number => min + Math.floor(random() * (max - min + 1));
  const filters = group * filtersPerGroup;
  const weightCount = filters * perGroup * kernel[0] * kernel[1];
  const out = [0, 1].map(
    (d) => Math.floor((size[d]! + pads[d]! + pads[d + 2]! - (kernel[d]! - 1) * dilations[d]! - 1) / strides[d]!) + 1,
  );
  const channels = <T>(make: () => T): T[] => Array.from({ length: filters }, make);
  const operation: ConvOperation = {
    ...{ kind: 'conv', name: 'conv', input: 'x', output: 'y', strides, dilations, pads, group, clamp: wholeByte },
    weights: {
      data: Int8Array.from({ length: weightCount }, () => integer(-128, 127)),
      shape: [filters, perGroup, ...kernel],
      zeroPoints: Int32Array.from(channels(() => (sizes.asymmetric ? integer(-128, 127) : 0))),
      scales: new Float32Array(filters).fill(1),
      bias: Int32Array.from(channels(() => integer(-20000, 20000))),
      multipliers: Float32Array.from(channels(() => 2 ** -9 * (1 + random()))),
    },
  };
  return {
    operation,
    from: quantized([1, group * perGroup, ...size], 0.1, sizes.zeroPoints[0]),
    to: quantized([1, filters, ...out], 0.2, sizes.zeroPoints[1]),
    x: Uint8Array.from({ length: group * perGroup * size[0] * size[1] }, () => integer(0, 255)),
    seed,
  };
}

export function runConv({ operation, from, to, x }: ConvProblem): number[] {
  return runBytes(graphOf(operation, { x: from }, to), { x });
}
