import { invariant, present } from '../../../base/index.ts';
import type { FloatOperation, ConcatOperation, LayoutOperation, Node } from '../../../graph/index.ts';
import { runNode } from '../../../reference/index.ts';
import { bytesPerElement, elementCount, tensor, type Tensor } from '../../../tensor/index.ts';
import { outermost } from '../../plan/homes.ts';
import { isContiguous, physicalOffsets, type Layout } from '../../plan/layout.ts';
import type { PlanContext } from '../../plan/step.ts';

/** An element's place that nothing lies in: padding of the layout, where any byte will do. */
export const ANY = -1;

/** An element that a Pad node adds. */
export const PAD = -2;

/** An element that lies at its place already, or a place that is another value's. */
export const KEPT = -3;

/** Where each element of an output comes from, in the order of its memory: input `operand`, element `offset` of its memory. */
export interface Sources {
  /** Also ANY, PAD or KEPT. */
  readonly operands: Int32Array;
  readonly offsets: Int32Array;
  readonly elementBytes: number;
}

/** A move, and the moves that follow it where they are one. */
export type MoveOperation = (FloatOperation | ConcatOperation | LayoutOperation) & {
  readonly then?: readonly MoveOperation[];
  /** The first of them, as it was. */
  readonly head?: MoveOperation;
};

/** What an operation moves, in the order of `Sources.operands`. */
export function movedInputs(operation: MoveOperation): readonly string[] {
  if (operation.kind === 'concat') return operation.inputs;
  if (operation.kind === 'layout') return [operation.input];
  return operation.node.opType === 'Concat' ? operation.node.inputs : operation.node.inputs.slice(0, 1);
}

/** Constants lie in order, unless they are quantized: then they are values of the arena. */
function layoutOf(name: string, { graph, layouts }: Pick<PlanContext, 'graph' | 'layouts'>): Layout {
  const held = graph.values.get(name)?.kind === 'quantized' || !graph.constants.has(name);
  return held ? present(layouts.get(name), name) : { kind: 'plain', byteLength: 0 };
}

function nodeOf(operation: MoveOperation): Node {
  if (operation.kind !== 'concat') return operation.node;
  const attributes = new Map([['axis', operation.axis]]);
  return { name: operation.name, opType: 'Concat', domain: '', inputs: operation.inputs, outputs: [], attributes };
}

/** The sources of one output, found by running the operator itself on element numbers; undefined where it is not a move. */
export function sourcesOf(
  operation: MoveOperation,
  { name, index }: { readonly name: string; readonly index: number },
  { graph, layouts, homes }: Pick<PlanContext, 'graph' | 'layouts' | 'homes'>,
): Sources | undefined {
  const shapeOf = (input: string) => present(graph.values.get(input) ?? graph.constants.get(input), input).shape;
  const inputs = movedInputs(operation);
  const counts = inputs.map((input) => elementCount(shapeOf(input)));
  const starts = counts.map((_, at) => counts.slice(0, at).reduce((sum, count) => sum + count, 0));
  const numbered = inputs.map((input, at) =>
    tensor(
      'int32',
      shapeOf(input),
      Int32Array.from({ length: counts[at]! }, (_, element) => starts[at]! + element),
    ),
  );
  const node = nodeOf(operation);
  const operands = node.inputs.map((input, at): Tensor | undefined => {
    if (at < numbered.length) return numbered[at];
    return input === '' ? undefined : graph.constants.get(input);
  });
  if (node.inputs.some((input, at) => input !== '' && !operands[at])) return undefined;
  if (node.opType === 'Pad') operands[2] = tensor('int32', [], Int32Array.of(PAD));
  let elements = runNode(node, operands)[index];
  for (const next of operation.then ?? []) {
    const { inputs: names } = nodeOf(next);
    const further = names.slice(1).map((input) => (input === '' ? undefined : graph.constants.get(input)));
    elements = runNode(nodeOf(next), [elements, ...further])[next.kind === 'layout' ? next.outputIndex : 0];
  }
  invariant(elements?.dtype === 'int32', 'moves keep the element type');
  const layout = present(layouts.get(name), name);
  const value = present(graph.values.get(name), name);
  const elementBytes = value.kind === 'quantized' ? 1 : bytesPerElement[value.dtype];
  const places = inputs.map((input, at) => physicalOffsets(layoutOf(input, { graph, layouts }), counts[at]!));
  const target = physicalOffsets(layout, elements.data.length);
  const slots = layout.byteLength / elementBytes;
  const sources = { operands: placesOf(layout, slots), offsets: new Int32Array(slots), elementBytes };
  const own = outermost(homes, name);
  /** How far elements of an input lie from their places in bytes of one pixel; undefined where they are of another value. */
  const distances = inputs.map((input) => {
    const { host, channel } = outermost(homes, input);
    return host === own.host ? channel - own.channel : undefined;
  });
  for (let at = 0; at < target.length; at++) {
    const element = elements.data[at]!;
    const slot = target[at]!;
    if (element === PAD) {
      sources.operands[slot] = PAD;
      continue;
    }
    let operand = starts.length - 1;
    while (starts[operand]! > element) operand--;
    const offset = places[operand]![element - starts[operand]!]!;
    const distance = distances[operand];
    sources.operands[slot] = distance !== undefined && offset + distance === slot ? KEPT : operand;
    sources.offsets[slot] = offset;
  }
  return sources;
}

/** ANY for what a kernel may write, KEPT between pixels that lie apart. */
function placesOf(layout: Layout, slots: number): Int32Array {
  const places = new Int32Array(slots).fill(ANY);
  if (layout.kind !== 'nhwc' || isContiguous(layout)) return places;
  const { channelStride, pixelStride } = layout;
  for (let pixel = 0; pixel < slots; pixel += pixelStride)
    places.fill(KEPT, pixel + channelStride, pixel + pixelStride);
  return places;
}
