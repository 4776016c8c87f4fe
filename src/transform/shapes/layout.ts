import { numberAttribute, numbersAttribute, stringAttribute, type Node } from '../../graph/index.ts';
import { elementCount, formatShape, type Shape } from '../../tensor/index.ts';
import {
  broadcast,
  dim,
  integers,
  invalid,
  mismatch,
  need,
  normalizeAxis,
  unsupported,
  type ShapeRule,
} from './rule.ts';

/** The shape that a Reshape target means for `shape`; undefined where it does not fit. 0 copies, one −1 is inferred. */
export function reshapeShape(shape: Shape, target: readonly number[]): Shape | undefined {
  const result = target.map((size, axis) => (size === 0 ? (shape[axis] ?? Number.NaN) : size));
  const free = result.flatMap((size, axis) => (size === -1 ? [axis] : []));
  if (free.length > 1 || result.some((size) => !(size >= -1))) return undefined;
  const known = elementCount(result.filter((size) => size !== -1));
  const total = elementCount(shape);
  const [axis] = free;
  if (axis === undefined) return known === total ? result : undefined;
  if (known === 0 || total % known !== 0) return undefined;
  result[axis] = total / known;
  return result;
}

export const reshape: ShapeRule = (node, inputs) => {
  const { dtype, shape } = need(node, inputs, 0);
  const target = integers(node, inputs, 1, 'target dimensions');
  const result = reshapeShape(shape, target);
  if (!result) throw mismatch(node, `${formatShape(shape)} cannot become ${formatShape(target)}`);
  return [{ dtype, shape: result }];
};

export const flatten: ShapeRule = (node, inputs) => {
  const { dtype, shape } = need(node, inputs, 0);
  const axis = numberAttribute(node, 'axis', 1);
  const at = axis === shape.length ? axis : normalizeAxis(node, axis, shape.length);
  return [{ dtype, shape: [elementCount(shape.slice(0, at)), elementCount(shape.slice(at))] }];
};

export const squeeze: ShapeRule = (node, inputs) => {
  const { dtype, shape } = need(node, inputs, 0);
  const axes = integers(node, inputs, 1, 'axes').map((axis) => normalizeAxis(node, axis, shape.length));
  for (const axis of axes)
    if (shape[axis] !== 1) throw mismatch(node, `axis ${axis} of ${formatShape(shape)} is not 1`);
  return [{ dtype, shape: shape.filter((_, axis) => !axes.includes(axis)) }];
};

export const unsqueeze: ShapeRule = (node, inputs) => {
  const { dtype, shape } = need(node, inputs, 0);
  const axes = integers(node, inputs, 1, 'axes');
  const rank = shape.length + axes.length;
  const places = new Set(axes.map((axis) => normalizeAxis(node, axis, rank)));
  if (places.size !== axes.length) throw mismatch(node, `axes ${formatShape(axes)} repeat`);
  const rest = shape[Symbol.iterator]();
  return [
    { dtype, shape: Array.from({ length: rank }, (_, axis) => (places.has(axis) ? 1 : (rest.next().value ?? 1))) },
  ];
};

export const transpose: ShapeRule = (node, inputs) => {
  const { dtype, shape } = need(node, inputs, 0);
  const perm = numbersAttribute(
    node,
    'perm',
    shape.map((_, axis) => shape.length - 1 - axis),
  );
  if (
    perm.length !== shape.length ||
    new Set(perm).size !== perm.length ||
    perm.some((axis) => !(axis >= 0 && axis < perm.length))
  )
    throw mismatch(node, `perm ${formatShape(perm)} does not order ${shape.length} dimensions`);
  return [{ dtype, shape: perm.map((axis) => dim(shape, axis)) }];
};

export const concat: ShapeRule = (node, inputs) => {
  const known = node.inputs.map((_, index) => need(node, inputs, index));
  const { dtype, shape } = need(node, inputs, 0);
  const axis = normalizeAxis(node, numberAttribute(node, 'axis'), shape.length);
  let total = 0;
  for (const other of known) {
    if (other.dtype !== dtype) throw mismatch(node, `its inputs are of ${dtype} and ${other.dtype}; they must agree`);
    const fits =
      other.shape.length === shape.length && shape.every((size, at) => at === axis || size === other.shape[at]);
    if (!fits)
      throw mismatch(node, `${formatShape(shape)} and ${formatShape(other.shape)} differ outside axis ${axis}`);
    total += dim(other.shape, axis);
  }
  return [{ dtype, shape: shape.map((size, at) => (at === axis ? total : size)) }];
};

export const split: ShapeRule = (node, inputs) => {
  const { dtype, shape } = need(node, inputs, 0);
  const axis = normalizeAxis(node, numberAttribute(node, 'axis', 0), shape.length);
  const sizes = integers(node, inputs, 1, 'sizes');
  if (
    sizes.length !== node.outputs.length ||
    sizes.some((size) => !(size >= 0)) ||
    sizes.reduce((a, b) => a + b, 0) !== dim(shape, axis)
  )
    throw mismatch(
      node,
      `sizes ${formatShape(sizes)} do not split ${dim(shape, axis)} into ${node.outputs.length} outputs`,
    );
  return sizes.map((size) => ({ dtype, shape: shape.map((whole, at) => (at === axis ? size : whole)) }));
};

export const slice: ShapeRule = (node, inputs) => {
  const { dtype, shape } = need(node, inputs, 0);
  const [starts, ends, axes, steps] = (['starts', 'ends', 'axes', 'steps'] as const).map((what, index) =>
    integers(node, inputs, index + 1, what),
  );
  const result = [...shape];
  axes?.forEach((raw, index) => {
    const axis = normalizeAxis(node, raw, shape.length);
    const step = steps?.[index] ?? 1;
    if (step === 0) throw invalid(node, 'a step of 0');
    const range = sliceRange(dim(shape, axis), starts?.[index] ?? 0, ends?.[index] ?? 0, step);
    result[axis] = Math.max(0, Math.ceil((range.end - range.start) / step));
  });
  return [{ dtype, shape: result }];
};

/** Start and end as ONNX Slice clamps them: [0, size] forwards, [−1, size − 1] backwards. */
export function sliceRange(size: number, start: number, end: number, step: number): { start: number; end: number } {
  const low = step > 0 ? 0 : -1;
  const high = step > 0 ? size : size - 1;
  const clamp = (at: number, least: number): number => Math.min(Math.max(at < 0 ? at + size : at, least), high);
  return { start: clamp(start, step > 0 ? low : 0), end: clamp(end, low) };
}

export const pad: ShapeRule = (node, inputs) => {
  const { dtype, shape } = need(node, inputs, 0);
  const pads = integers(node, inputs, 1, 'pads');
  if (pads.length !== 2 * shape.length)
    throw mismatch(node, `${pads.length} pads do not fit ${shape.length} dimensions`);
  const result = shape.map((size, axis) => size + dim(pads, axis) + dim(pads, axis + shape.length));
  if (result.some((size) => !(size >= 0)))
    throw mismatch(node, `pads ${formatShape(pads)} leave nothing of ${formatShape(shape)}`);
  if (
    stringAttribute(node, 'mode', 'constant') === 'reflect' &&
    pads.some((by, at) => by >= Math.max(1, dim(shape, at % shape.length)))
  )
    throw mismatch(node, `reflecting pads ${formatShape(pads)} are not smaller than ${formatShape(shape)}`);
  return [{ dtype, shape: result }];
};

export const gather: ShapeRule = (node, inputs) => {
  const { dtype, shape } = need(node, inputs, 0);
  const axis = normalizeAxis(node, numberAttribute(node, 'axis', 0), shape.length);
  const indices = need(node, inputs, 1);
  if (indices.constant) for (const raw of indices.constant.data) normalizeAxis(node, Number(raw), dim(shape, axis));
  return [{ dtype, shape: [...shape.slice(0, axis), ...indices.shape, ...shape.slice(axis + 1)] }];
};

export const expand: ShapeRule = (node, inputs) => {
  const { dtype, shape } = need(node, inputs, 0);
  return [{ dtype, shape: broadcast(node, [shape, integers(node, inputs, 1, 'dimensions')]) }];
};

export const tile: ShapeRule = (node, inputs) => {
  const { dtype, shape } = need(node, inputs, 0);
  const repeats = integers(node, inputs, 1, 'repeats');
  if (repeats.length !== shape.length || repeats.some((count) => !(count >= 0)))
    throw mismatch(node, `repeats ${formatShape(repeats)} do not fit ${formatShape(shape)}`);
  return [{ dtype, shape: shape.map((size, axis) => size * dim(repeats, axis)) }];
};

function blockOf(node: Node, shape: Shape): number {
  if (shape.length !== 4) throw unsupported(node, `its input ${formatShape(shape)} is not NCHW`);
  const block = numberAttribute(node, 'blocksize');
  if (!Number.isInteger(block) || block < 1) throw mismatch(node, `blocksize ${block} must be a positive integer`);
  return block;
}

export const depthToSpace: ShapeRule = (node, inputs) => {
  const { dtype, shape } = need(node, inputs, 0);
  const block = blockOf(node, shape);
  const [batch = 1, channels = 1, height = 1, width = 1] = shape;
  if (channels % block ** 2 !== 0) throw mismatch(node, `${channels} channels do not divide by ${block ** 2}`);
  return [{ dtype, shape: [batch, channels / block ** 2, height * block, width * block] }];
};

export const spaceToDepth: ShapeRule = (node, inputs) => {
  const { dtype, shape } = need(node, inputs, 0);
  const block = blockOf(node, shape);
  const [batch = 1, channels = 1, height = 1, width = 1] = shape;
  if (height % block !== 0 || width % block !== 0)
    throw mismatch(node, `${height} x ${width} does not divide by ${block}`);
  return [{ dtype, shape: [batch, channels * block ** 2, height / block, width / block] }];
};
