import type { BinaryOperation, ConvOperation, Operation, QuantizedGraph, QuantizedValue } from '../../graph/index.ts';
import { inputsOf } from '../../reference/index.ts';
import { shapesEqual } from '../../tensor/index.ts';
import { roundingOf } from '../kernels/requantize.ts';
import { CHANNEL_BLOCK, chooseLayouts, type Layout } from './layout.ts';

/** A sum that the convolution computes which makes one of its operands. */
export interface Residual {
  readonly operation: BinaryOperation & { readonly kind: 'add' | 'sub' };
  /** What the convolution alone would give; it lies nowhere. */
  readonly result: QuantizedValue;
  readonly other: string;
  /** Of the result, and of the other operand. */
  readonly signs: readonly [number, number];
}

/** A convolution that writes the sum of its result and another value. */
export interface ResidualConv extends ConvOperation {
  readonly residual: Residual;
}

/** An operation that another one computes; it keeps its place in reports. */
export interface Absorbed extends BinaryOperation {
  readonly fusedInto: string;
}

export const isResidual = (operation: ConvOperation | Operation): operation is ResidualConv => 'residual' in operation;

/**
 * Sums of a convolution's result, which nothing else reads, and a value of the same shape become part of the convolution. It
 * runs where the sum stood, when both operands are there. In the sum's place an operation stays that reads the other operand
 * and makes nothing.
 */
export function fuseResiduals(graph: QuantizedGraph): QuantizedGraph {
  const layouts = chooseLayouts(graph);
  const readers = new Map<string, number>();
  for (const name of [...graph.outputs, ...graph.operations.flatMap(inputsOf)])
    readers.set(name, (readers.get(name) ?? 0) + 1);
  const made = new Map(graph.operations.map((operation, at) => [operation.output, { operation, at }]));
  const values = new Map(graph.values);
  const fused = new Set<Operation>();
  const operations = graph.operations.flatMap((operation): Operation[] => {
    const makers = operandsOf(operation).map((name) => made.get(name));
    makers.sort((a, b) => (b?.at ?? -1) - (a?.at ?? -1));
    for (const maker of makers) {
      if (maker?.operation.kind !== 'conv' || readers.get(maker.operation.output) !== 1) continue;
      const joined = joinedOf(operation, maker.operation, graph, layouts);
      if (!joined) continue;
      const { other } = joined.residual;
      const nothing = `${operation.name} inside ${joined.name}`;
      values.set(nothing, { ...joined.residual.result, shape: [1] });
      const absorbed: Absorbed = {
        ...joined.residual.operation,
        ...{ inputs: [other, other], output: nothing, fusedInto: joined.name },
      };
      fused.add(maker.operation);
      return [joined, absorbed];
    }
    return [operation];
  });
  if (fused.size === 0) return graph;
  return { ...graph, values, operations: operations.filter((operation) => !fused.has(operation)) };
}

const operandsOf = (operation: Operation): readonly string[] =>
  operation.kind === 'add' || operation.kind === 'sub' ? operation.inputs : [];

/** The convolution with the sum as its end, or undefined where no kernel takes it so. */
function joinedOf(
  sum: Operation,
  conv: ConvOperation,
  { values }: QuantizedGraph,
  layouts: ReadonlyMap<string, Layout>,
): ResidualConv | undefined {
  if (sum.kind !== 'add' && sum.kind !== 'sub') return undefined;
  const first = sum.inputs[0] === conv.output;
  const other = sum.inputs[first ? 1 : 0];
  const input = values.get(conv.input);
  const result = values.get(conv.output);
  const [added, y] = [values.get(other), values.get(sum.output)];
  if (input?.kind !== 'quantized' || result?.kind !== 'quantized') return undefined;
  if (added?.kind !== 'quantized' || y?.kind !== 'quantized') return undefined;
  if (!shapesEqual(added.shape, y.shape) || !shapesEqual(result.shape, y.shape)) return undefined;
  const dense = conv.group === 1 && (conv.weights.shape[1] ?? 1) > 1 && !conv.caps;
  const inVectors = [other, sum.output].map((name) => layouts.get(name)).every(isInVectors);
  if (!dense || !inVectors || layouts.get(conv.input)?.kind !== 'nhwc') return undefined;
  if (roundingOf(conv.weights, input.zeroPoint) !== 'magic') return undefined;
  const signs = sum.kind === 'add' ? ([1, 1] as const) : first ? ([1, -1] as const) : ([-1, 1] as const);
  const operation = { ...sum, kind: sum.kind };
  return { ...conv, output: sum.output, residual: { operation, result, other, signs } };
}

const isInVectors = (layout: Layout | undefined): boolean =>
  layout?.kind === 'nhwc' && layout.channelStride % CHANNEL_BLOCK === 0;
