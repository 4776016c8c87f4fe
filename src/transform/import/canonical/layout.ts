import { numberAttribute, numbersAttribute, stringAttribute, type Node } from '../../../graph/index.ts';
import { elementCount, formatShape, shapesEqual, tensor, type Shape } from '../../../tensor/index.ts';
import {
  broadcast,
  dim,
  invalid,
  mismatch,
  normalizeAxis,
  reshapeShape,
  sliceRange,
  unsupported,
} from '../../shapes/index.ts';
import { sharedShape } from '../value.ts';
import {
  hasInput,
  hasOutput,
  identity,
  listsOf,
  onlyAttributes,
  rankOf,
  shapesOf,
  withInputs,
  type Canonicalizer,
  type Context,
} from './context.ts';

/** Axes of an input where newer versions have them, else of the attribute; undefined where the node has neither. */
export function axesOf(node: Node, index: number, context: Context): readonly number[] | undefined {
  if (node.attributes.has('axes')) return numbersAttribute(node, 'axes');
  if (!hasInput(node, index)) return undefined;
  const constant = context.constant(node, index);
  if (!constant) throw unsupported(node, 'its axes are computed from the data; they must be constant');
  return Array.from<number | bigint, number>(constant.data, Number);
}

function batchAxisOf(shapes: readonly Shape[]): boolean {
  return new Set(shapes.map((shape) => shape[0])).size > 1;
}

export const squeeze: Canonicalizer = (node, context) => {
  const shapes = shapesOf(node, 0, context);
  const rank = rankOf(node, 0, context);
  const given = axesOf(node, 1, context)?.map((axis) => normalizeAxis(node, axis, rank));
  if (!given && context.fileBatch === 1 && batchAxisOf(shapes))
    throw invalid(node, 'without axes it also drops a batch of one');
  const axes = given ?? dimsOfOne(shapes);
  return onlyAttributes(withInputs(node, [node.inputs[0] ?? '', context.makeIntegers(node, 'axes', axes)]), {});
};

function dimsOfOne(shapes: readonly Shape[]): number[] {
  return (shapes[0] ?? []).flatMap((_, axis) => (shapes.every((shape) => shape[axis] === 1) ? [axis] : []));
}

export const unsqueeze: Canonicalizer = (node, context) => {
  const axes = axesOf(node, 1, context);
  if (!axes) throw invalid(node, 'it has no axes');
  const rank = rankOf(node, 0, context) + axes.length;
  const places = axes.map((axis) => normalizeAxis(node, axis, rank));
  return onlyAttributes(withInputs(node, [node.inputs[0] ?? '', context.makeIntegers(node, 'axes', places)]), {});
};

/**
 * The target becomes numbers, with the batch as 0 (copied) or −1. A file made for a fixed batch that writes that batch
 * into the target is freed from it.
 */
export const reshape: Canonicalizer = (node, context) => {
  const shapes = shapesOf(node, 0, context);
  const targets = listsOf(node, 1, context);
  if (!targets) throw unsupported(node, 'its target shape is computed from the data; it must be constant');
  const literalZero = numberAttribute(node, 'allowzero', 0) !== 0 && targets.some((target) => target.includes(0));
  if (literalZero) throw unsupported(node, 'empty values (allowzero) are not supported');
  const result = resultShapes(shapes, targets, context);
  if (!result) {
    const [shape = [], target = []] = [shapes[0], targets[0]];
    if (!reshapeShape(shape, target))
      throw mismatch(node, `${formatShape(shape)} cannot become ${formatShape(target)}`);
    throw invalid(node, `it mixes the samples of a batch: ${formatShape(shape)} becomes ${formatShape(target)}`);
  }
  if (result.every((shape, probe) => shapesEqual(shape, shapes[probe] ?? []))) return identity(node);
  return reshapeTo(node, context, shapes, result);
};

/** Reshape of the node's first input to shapes that are the same for all probes but for the batch. */
export function reshapeTo(node: Node, context: Context, from: readonly Shape[], to: readonly Shape[]): Node {
  const shared = sharedShape(to, context.probes) ?? [];
  const copies = batchAxisOf(from) && from.every((shape, probe) => shape[0] === to[probe]?.[0]);
  const target = shared.map((size, axis) => (axis === 0 && size === -1 && copies ? 0 : size));
  const inputs = [node.inputs[0] ?? '', context.makeIntegers(node, 'shape', target)];
  return onlyAttributes({ ...withInputs(node, inputs), opType: 'Reshape' }, {});
}

function resultShapes(
  shapes: readonly Shape[],
  targets: readonly (readonly number[])[],
  context: Context,
): readonly Shape[] | undefined {
  const attempt = (change: (target: readonly number[], probe: number) => readonly number[]) => {
    const found = shapes.map((shape, probe) => reshapeShape(shape, change(targets[probe] ?? [], probe)));
    const complete = found.filter((shape) => shape !== undefined);
    if (complete.length < found.length) return undefined;
    const shared = sharedShape(complete, context.probes);
    return shared && (shared[0] === -1 || !batchAxisOf(shapes)) ? complete : undefined;
  };
  const asWritten = attempt((target) => target);
  if (asWritten || context.fileBatch === undefined) return asWritten;
  return attempt((target, probe) =>
    target[0] === context.fileBatch ? [context.probes[probe] ?? 1, ...target.slice(1)] : target,
  );
}

export const flatten: Canonicalizer = (node, context) => {
  const rank = rankOf(node, 0, context);
  const axis = numberAttribute(node, 'axis', 1);
  if (axis === 1 && rank === 2) return identity(node);
  return onlyAttributes(node, { axis: axis === rank ? rank : normalizeAxis(node, axis, rank) });
};

export const transpose: Canonicalizer = (node, context) => {
  const rank = rankOf(node, 0, context);
  const perm = numbersAttribute(
    node,
    'perm',
    Array.from({ length: rank }, (_, axis) => rank - 1 - axis),
  );
  return perm.every((from, axis) => from === axis) ? identity(node) : onlyAttributes(node, { perm });
};

export const concat: Canonicalizer = (node, context) => {
  const axis = normalizeAxis(node, numberAttribute(node, 'axis'), rankOf(node, 0, context));
  return node.inputs.length === 1 ? identity(node) : onlyAttributes(node, { axis });
};

export const gather: Canonicalizer = (node, context) =>
  onlyAttributes(node, { axis: normalizeAxis(node, numberAttribute(node, 'axis', 0), rankOf(node, 0, context)) });

/** Sizes are always an input: from the attribute, or equal parts (the last smaller, where the version allows it). */
export const split: Canonicalizer = (node, context) => {
  const axis = normalizeAxis(node, numberAttribute(node, 'axis', 0), rankOf(node, 0, context));
  const attributes = { axis };
  if (hasInput(node, 1)) return onlyAttributes(node, attributes);
  const size = dim(shapesOf(node, 0, context)[0] ?? [], axis);
  const parts = numberAttribute(node, 'num_outputs', node.outputs.length);
  const part = Math.ceil(size / parts);
  const equal = Array.from({ length: parts }, (_, index) => Math.min(part, size - index * part));
  const sizes = numbersAttribute(node, 'split', equal);
  return onlyAttributes(
    withInputs(node, [node.inputs[0] ?? '', context.makeIntegers(node, 'split', sizes)]),
    attributes,
  );
};

/** Starts and ends become positions inside the value; axes that are taken whole (the batch, too) are dropped. */
export const slice: Canonicalizer = (node, context) => {
  const shapes = shapesOf(node, 0, context);
  const rank = rankOf(node, 0, context);
  const lists = sliceLists(node, context);
  const kept: { start: number; end: number; axis: number; step: number }[] = [];
  (lists[0]?.starts ?? []).forEach((_, index) => {
    const axis = normalizeAxis(node, lists[0]?.axes[index] ?? index, rank);
    const ranges = lists.map(({ starts, ends, steps }, probe) => {
      const step = steps[index] ?? 1;
      if (step === 0) throw invalid(node, 'a step of 0');
      const size = dim(shapes[probe] ?? [], axis);
      return { size, step, ...sliceRange(size, starts[index] ?? 0, ends[index] ?? 0, step) };
    });
    const [first] = ranges;
    if (!first || ranges.every(({ size, start, end, step }) => start === 0 && end === size && step === 1)) return;
    if (ranges.some(({ start, end, step }) => start !== first.start || end !== first.end || step !== first.step))
      throw unsupported(node, 'its bounds depend on the size of the batch');
    // An end of −1 means "before the first" in a range, but "the last" to the operator.
    const end = first.step < 0 && first.end === -1 ? -(2 ** 31) : first.end;
    kept.push({ start: first.start, end, axis, step: first.step });
  });
  if (kept.length === 0) return identity(node);
  const column = (name: string, pick: (range: (typeof kept)[number]) => number) =>
    context.makeIntegers(node, name, kept.map(pick));
  const inputs = [
    node.inputs[0] ?? '',
    column('starts', ({ start }) => start),
    column('ends', ({ end }) => end),
    column('axes', ({ axis }) => axis),
    column('steps', ({ step }) => step),
  ];
  return onlyAttributes(withInputs(node, inputs), {});
};

interface SliceLists {
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  readonly axes: readonly number[];
  readonly steps: readonly number[];
}

function sliceLists(node: Node, context: Context): readonly SliceLists[] {
  if (node.attributes.has('starts')) {
    const starts = numbersAttribute(node, 'starts');
    const ends = numbersAttribute(node, 'ends');
    const axes = numbersAttribute(
      node,
      'axes',
      starts.map((_, axis) => axis),
    );
    return context.probes.map(() => ({ starts, ends, axes, steps: [] }));
  }
  const columns = [1, 2, 3, 4].map((index) => {
    const lists = hasInput(node, index) ? listsOf(node, index, context) : context.probes.map(() => undefined);
    if (!lists) throw unsupported(node, 'its bounds are computed from the data; they must be constant');
    return lists;
  });
  return context.probes.map((_, probe) => {
    const [starts = [], ends = [], axes, steps = []] = columns.map((lists) => lists[probe]);
    return { starts, ends, axes: axes ?? starts.map((_, axis) => axis), steps };
  });
}

/** Pads of every axis as an input, the fill as an input; nothing to pad: dissolved. */
export const pad: Canonicalizer = (node, context) => {
  const rank = rankOf(node, 0, context);
  const mode = stringAttribute(node, 'mode', 'constant');
  if (!['constant', 'reflect', 'edge'].includes(mode)) throw unsupported(node, `mode '${mode}' is not supported`);
  const attribute = node.attributes.has('pads') ? numbersAttribute(node, 'pads') : undefined;
  const given = attribute ?? constantList(node, 1, context, 'pads');
  const axes =
    (attribute ? undefined : axesOf(node, 3, context)) ?? given.slice(given.length / 2).map((_, axis) => axis);
  if (given.length !== 2 * axes.length) throw mismatch(node, `${given.length} pads do not fit ${axes.length} axes`);
  const pads = new Array<number>(2 * rank).fill(0);
  axes.forEach((raw, index) => {
    const axis = normalizeAxis(node, raw, rank);
    pads[axis] = given[index] ?? 0;
    pads[axis + rank] = given[index + axes.length] ?? 0;
  });
  if (pads.every((by) => by === 0)) return identity(node);
  const fill = attribute ? makeFill(node, context) : (node.inputs[2] ?? '');
  const inputs = [node.inputs[0] ?? '', context.makeIntegers(node, 'pads', pads), fill];
  return onlyAttributes(withInputs(node, inputs), { mode });
};

function makeFill(node: Node, context: Context): string {
  return context.makeConstant(node, 'value', tensor('float32', [], Float32Array.of(numberAttribute(node, 'value', 0))));
}

export function constantList(node: Node, index: number, context: Context, what: string): readonly number[] {
  const constant = context.constant(node, index);
  if (!constant) throw unsupported(node, `its ${what} are computed from the data; they must be constant`);
  return Array.from<number | bigint, number>(constant.data, Number);
}

/** The target is what the output has; 1 stands for the batch, which the input brings along. */
export const expand: Canonicalizer = (node, context) => {
  const shapes = shapesOf(node, 0, context);
  const targets = listsOf(node, 1, context);
  if (!targets) throw unsupported(node, 'its target shape is computed from the data; it must be constant');
  if (context.value(node.inputs[0] ?? '')?.tensors) return onlyAttributes(node, {});
  const results = shapes.map((shape, probe) => broadcast(node, [shape, targets[probe] ?? []]));
  const shared = sharedShape(results, context.probes);
  if (!shared) throw invalid(node, 'it mixes the samples of a batch');
  if (results.every((shape, probe) => shapesEqual(shape, shapes[probe] ?? []))) return identity(node);
  const target = shared.map((size) => (size === -1 ? 1 : size));
  return onlyAttributes(withInputs(node, [node.inputs[0] ?? '', context.makeIntegers(node, 'shape', target)]), {});
};

/** Shape [start, end) of a value, known without computing it. */
export const shape: Canonicalizer = (node, context) => {
  const start = numberAttribute(node, 'start', 0);
  const end = node.attributes.has('end') ? numberAttribute(node, 'end') : undefined;
  const tensors = shapesOf(node, 0, context).map((sizes) => {
    const part = sizes.slice(start, end);
    return tensor('int64', [part.length], BigInt64Array.from(part, BigInt));
  });
  context.define(node, tensors);
  return [];
};

export const size: Canonicalizer = (node, context) => {
  context.define(
    node,
    shapesOf(node, 0, context).map((sizes) => tensor('int64', [], BigInt64Array.of(BigInt(elementCount(sizes))))),
  );
  return [];
};

export const dropout: Canonicalizer = (node, context) => {
  if (hasOutput(node, 1)) throw unsupported(node, 'its second output (the mask) is not supported');
  const training = hasInput(node, 2) ? context.constant(node, 2) : tensor('bool', []);
  if (!training || Number(training.data[0] ?? 0) !== 0) throw unsupported(node, 'training mode is not supported');
  return identity(node);
};
