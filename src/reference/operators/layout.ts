import { AppError } from '../../base/index.ts';
import { numberAttribute, numbersAttribute, stringAttribute, tensorAttribute } from '../../graph/index.ts';
import {
  allocate,
  elementCount,
  rowMajorStrides,
  tensor,
  type Dtype,
  type Shape,
  type Tensor,
} from '../../tensor/index.ts';
import { broadcastIndices, broadcastShape } from '../broadcast.ts';
import { integersOf, requiredInput, resolveAxis, type Kernel } from '../kernel.ts';
import { invalid } from '../spatial.ts';

/** The same elements in another shape. */
function reshaped(x: Tensor, shape: Shape): Tensor {
  return { ...x, shape };
}

/** A tensor whose element i is element `indices[i]` of x; −1 reads `fill`. */
export function gatherElements(x: Tensor, shape: Shape, indices: Int32Array, fill = 0): Tensor {
  const data: Tensor['data'] = allocate(x.dtype, indices.length);
  const absent = typeof x.data[0] === 'bigint' ? BigInt(fill) : fill;
  for (let i = 0; i < indices.length; i++) data[i] = (indices[i]! < 0 ? absent : x.data[indices[i]!]) as never;
  return { dtype: x.dtype, shape, data } as Tensor;
}

/** Indices of a strided view: for each output element, base + Σ coordinate · step. */
export function stridedIndices(shape: Shape, steps: readonly number[], base = 0): Int32Array {
  const indices = new Int32Array(elementCount(shape));
  const counter = new Array<number>(shape.length).fill(0);
  let at = base;
  for (let i = 0; i < indices.length; i++) {
    indices[i] = at;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += steps[axis]!;
      if (++counter[axis]! < shape[axis]!) break;
      at -= steps[axis]! * shape[axis]!;
      counter[axis] = 0;
    }
  }
  return indices;
}

/** 0 copies the input's dimension (unless allowzero), one −1 takes what is left. */
export const reshape: Kernel = (node, inputs) => {
  const x = requiredInput(node, inputs, 0);
  const wanted = integersOf(requiredInput(node, inputs, 1));
  const allowZero = numberAttribute(node, 'allowzero', 0) !== 0;
  const dims = wanted.map((dim, axis) => (dim === 0 && !allowZero ? (x.shape[axis] ?? 1) : dim));
  const known = elementCount(dims.filter((dim) => dim !== -1));
  const shape = dims.map((dim) => (dim === -1 ? (known === 0 ? 0 : x.data.length / known) : dim));
  if (elementCount(shape) !== x.data.length)
    throw invalid(node, `cannot give [${x.shape.join(', ')}] the shape [${wanted.join(', ')}]`);
  return [reshaped(x, shape)];
};

export const flatten: Kernel = (node, inputs) => {
  const x = requiredInput(node, inputs, 0);
  const axis = numberAttribute(node, 'axis', 1);
  const split = axis < 0 ? axis + x.shape.length : axis;
  return [reshaped(x, [elementCount(x.shape.slice(0, split)), elementCount(x.shape.slice(split))])];
};

export const squeeze: Kernel = (node, inputs) => {
  const x = requiredInput(node, inputs, 0);
  const axes = inputs[1] && integersOf(inputs[1]).map((axis) => resolveAxis(node, axis, x.shape.length));
  return [
    reshaped(
      x,
      x.shape.filter((dim, axis) => (axes ? !axes.includes(axis) : dim !== 1)),
    ),
  ];
};

export const unsqueeze: Kernel = (node, inputs) => {
  const x = requiredInput(node, inputs, 0);
  const added = integersOf(requiredInput(node, inputs, 1));
  const rank = x.shape.length + added.length;
  const axes = new Set(added.map((axis) => resolveAxis(node, axis, rank)));
  const rest = [...x.shape];
  return [
    reshaped(
      x,
      Array.from({ length: rank }, (_, axis) => (axes.has(axis) ? 1 : (rest.shift() ?? 1))),
    ),
  ];
};

export const transpose: Kernel = (node, inputs) => {
  const x = requiredInput(node, inputs, 0);
  const perm = numbersAttribute(node, 'perm', x.shape.map((_, axis) => axis).reverse());
  const strides = rowMajorStrides(x.shape);
  const shape = perm.map((axis) => x.shape[axis] ?? 1);
  return [
    gatherElements(
      x,
      shape,
      stridedIndices(
        shape,
        perm.map((axis) => strides[axis] ?? 0),
      ),
    ),
  ];
};

/** Inputs: data, starts, ends, axes (all), steps (1). NumPy slicing, also backwards. */
export const slice: Kernel = (node, inputs) => {
  const x = requiredInput(node, inputs, 0);
  const starts = integersOf(requiredInput(node, inputs, 1));
  const ends = integersOf(requiredInput(node, inputs, 2));
  const axes = inputs[3] ? integersOf(inputs[3]) : starts.map((_, axis) => axis);
  const steps = inputs[4] ? integersOf(inputs[4]) : starts.map(() => 1);
  const strides = rowMajorStrides(x.shape);
  const shape = [...x.shape];
  const jumps = [...strides];
  let base = 0;
  for (const [i, given] of axes.entries()) {
    const axis = resolveAxis(node, given, x.shape.length);
    const size = x.shape[axis]!;
    const step = steps[i] ?? 1;
    if (step === 0) throw invalid(node, 'slices with a step of 0');
    const limit = (at: number, low: number, high: number): number =>
      Math.min(Math.max(at < 0 ? at + size : at, low), high);
    const start = step > 0 ? limit(starts[i]!, 0, size) : limit(starts[i]!, -1, size - 1);
    const end = step > 0 ? limit(ends[i]!, 0, size) : ends[i]! < -size ? -1 : limit(ends[i]!, -1, size - 1);
    shape[axis] = Math.max(0, Math.ceil((end - start) / step));
    base += start * strides[axis]!;
    jumps[axis] = step * strides[axis]!;
  }
  return [gatherElements(x, shape, stridedIndices(shape, jumps, base))];
};

/** Sizes from the second input (canonical form), else equal parts. */
export const split: Kernel = (node, inputs) => {
  const x = requiredInput(node, inputs, 0);
  const axis = resolveAxis(node, numberAttribute(node, 'axis', 0), x.shape.length);
  const parts = numberAttribute(node, 'num_outputs', node.outputs.length);
  const size = x.shape[axis]!;
  const chunk = Math.ceil(size / parts);
  const sizes = inputs[1]
    ? integersOf(inputs[1])
    : Array.from({ length: parts }, (_, part) => Math.min(chunk, size - part * chunk));
  const strides = rowMajorStrides(x.shape);
  let start = 0;
  return sizes.map((length) => {
    const shape = x.shape.map((dim, d) => (d === axis ? length : dim));
    const part = gatherElements(x, shape, stridedIndices(shape, strides, start * strides[axis]!));
    start += length;
    return part;
  });
};

export const concat: Kernel = (node, inputs) => {
  const first = requiredInput(node, inputs, 0);
  const parts = inputs.map((_, index) => requiredInput(node, inputs, index));
  const axis = resolveAxis(node, numberAttribute(node, 'axis'), first.shape.length);
  const total = parts.reduce((sum, part) => sum + (part.shape[axis] ?? 0), 0);
  const shape = first.shape.map((dim, d) => (d === axis ? total : dim));
  const result = { dtype: first.dtype, shape, data: allocate(first.dtype, elementCount(shape)) } as Tensor;
  const inner = elementCount(first.shape.slice(axis + 1));
  const outer = elementCount(first.shape.slice(0, axis));
  let offset = 0;
  for (const part of parts) {
    const run = (part.shape[axis] ?? 0) * inner;
    if (part.dtype !== first.dtype || part.data.length !== run * outer)
      throw invalid(
        node,
        `cannot join ${part.dtype} [${part.shape.join(', ')}] to ${first.dtype} [${first.shape.join(', ')}]`,
      );
    for (let o = 0; o < outer; o++)
      result.data.set(part.data.subarray(o * run, (o + 1) * run) as never, o * total * inner + offset);
    offset += run;
  }
  return [result];
};

/** Inputs: data, indices (any shape, negative from the end). */
export const gather: Kernel = (node, inputs) => {
  const x = requiredInput(node, inputs, 0);
  const chosen = requiredInput(node, inputs, 1);
  const axis = resolveAxis(node, numberAttribute(node, 'axis', 0), x.shape.length);
  const size = x.shape[axis]!;
  const inner = elementCount(x.shape.slice(axis + 1));
  const outer = elementCount(x.shape.slice(0, axis));
  const at = integersOf(chosen).map((index) => (index < 0 ? index + size : index));
  const wrong = at.find((index) => index < 0 || index >= size);
  if (wrong !== undefined) throw invalid(node, `gathers index ${wrong} of ${size}`);
  const indices = new Int32Array(outer * at.length * inner);
  let i = 0;
  for (let o = 0; o < outer; o++)
    for (const index of at) for (let k = 0; k < inner; k++) indices[i++] = (o * size + index) * inner + k;
  return [gatherElements(x, [...x.shape.slice(0, axis), ...chosen.shape, ...x.shape.slice(axis + 1)], indices)];
};

/** Inputs: data, pads, value (0), axes (all). Modes constant, edge, reflect, wrap; negative pads cut. */
export const pad: Kernel = (node, inputs) => {
  const x = requiredInput(node, inputs, 0);
  const pads = inputs[1] ? integersOf(inputs[1]) : [...numbersAttribute(node, 'pads')];
  const rank = x.shape.length;
  const axes = inputs[3]
    ? integersOf(inputs[3]).map((axis) => resolveAxis(node, axis, rank))
    : x.shape.map((_, d) => d);
  const begins = x.shape.map((_, d) => (axes.includes(d) ? (pads[axes.indexOf(d)] ?? 0) : 0));
  const ends = x.shape.map((_, d) => (axes.includes(d) ? (pads[axes.indexOf(d) + axes.length] ?? 0) : 0));
  const fill = Number(inputs[2]?.data[0] ?? 0);
  const mode = stringAttribute(node, 'mode', 'constant');
  const shape = x.shape.map((dim, d) => dim + begins[d]! + ends[d]!);
  if (shape.some((dim) => dim < 0)) throw invalid(node, `pads [${x.shape.join(', ')}] to [${shape.join(', ')}]`);
  const sources = shape.map((dim, d) =>
    Int32Array.from({ length: dim }, (_, at) => paddedSource(at - begins[d]!, x.shape[d]!, mode)),
  );
  return [gatherElements(x, shape, productIndices(shape, sources, rowMajorStrides(x.shape)), fill)];
};

function paddedSource(at: number, size: number, mode: string): number {
  if (at >= 0 && at < size) return at;
  if (mode === 'edge') return at < 0 ? 0 : size - 1;
  if (mode === 'wrap') return ((at % size) + size) % size;
  if (mode !== 'reflect') return -1;
  if (size === 1) return 0;
  const period = 2 * (size - 1);
  const folded = ((at % period) + period) % period;
  return folded < size ? folded : period - folded;
}

/** Indices of an output whose coordinate in each dimension reads `sources[d][coordinate]`; −1 anywhere gives −1. */
export function productIndices(shape: Shape, sources: readonly Int32Array[], strides: readonly number[]): Int32Array {
  let indices = Int32Array.of(0);
  for (const [d, source] of sources.entries()) {
    const next = new Int32Array(indices.length * shape[d]!);
    for (let i = 0; i < indices.length; i++)
      for (let k = 0; k < source.length; k++)
        next[i * source.length + k] = indices[i]! < 0 || source[k]! < 0 ? -1 : indices[i]! + source[k]! * strides[d]!;
    indices = next;
  }
  return indices;
}

export const expand: Kernel = (node, inputs) => {
  const x = requiredInput(node, inputs, 0);
  const shape = broadcastShape(node, [x.shape, integersOf(requiredInput(node, inputs, 1))]);
  return [gatherElements(x, shape, broadcastIndices(x.shape, shape))];
};

export const tile: Kernel = (node, inputs) => {
  const x = requiredInput(node, inputs, 0);
  const repeats = integersOf(requiredInput(node, inputs, 1));
  const shape = x.shape.map((dim, d) => dim * (repeats[d] ?? 1));
  const sources = shape.map((dim, d) => Int32Array.from({ length: dim }, (_, at) => at % (x.shape[d] ?? 1)));
  return [gatherElements(x, shape, productIndices(shape, sources, rowMajorStrides(x.shape)))];
};

/** Channels to blocks of pixels; mode DCR takes the block from the slowest part of the channels, CRD from the fastest. */
export const depthToSpace: Kernel = (node, inputs) => {
  const x = requiredInput(node, inputs, 0);
  const block = numberAttribute(node, 'blocksize');
  const [n = 1, c = 1, h = 1, w = 1] = x.shape;
  const inner = c / (block * block);
  const dcr = stringAttribute(node, 'mode', 'DCR') === 'DCR';
  const from = dcr ? [n, block, block, inner, h, w] : [n, inner, block, block, h, w];
  const perm = dcr ? [0, 3, 4, 1, 5, 2] : [0, 1, 4, 2, 5, 3];
  return [reshaped(permuted(x, from, perm), [n, inner, h * block, w * block])];
};

export const spaceToDepth: Kernel = (node, inputs) => {
  const x = requiredInput(node, inputs, 0);
  const block = numberAttribute(node, 'blocksize');
  const [n = 1, c = 1, h = 1, w = 1] = x.shape;
  const moved = permuted(x, [n, c, h / block, block, w / block, block], [0, 3, 5, 1, 2, 4]);
  return [reshaped(moved, [n, c * block * block, h / block, w / block])];
};

function permuted(x: Tensor, from: Shape, perm: readonly number[]): Tensor {
  const strides = rowMajorStrides(from);
  const shape = perm.map((axis) => from[axis] ?? 1);
  return gatherElements(
    x,
    shape,
    stridedIndices(
      shape,
      perm.map((axis) => strides[axis] ?? 0),
    ),
  );
}

export const shapeOf: Kernel = (node, inputs) => {
  const { shape } = requiredInput(node, inputs, 0);
  const chosen = shape.slice(numberAttribute(node, 'start', 0), numberAttribute(node, 'end', shape.length));
  return [tensor('int64', [chosen.length], BigInt64Array.from(chosen, BigInt))];
};

export const size: Kernel = (node, inputs) => [
  tensor('int64', [], BigInt64Array.of(BigInt(requiredInput(node, inputs, 0).data.length))),
];

export const constantOfShape: Kernel = (node, inputs) => {
  const shape = integersOf(requiredInput(node, inputs, 0));
  const value = tensorAttribute(node, 'value') ?? tensor('float32', [1]);
  return [gatherElements(value, shape, new Int32Array(elementCount(shape)))];
};

export const range: Kernel = (node, inputs) => {
  const [start = 0, limit = 0, delta = 1] = [0, 1, 2].map((index) => integersOf(requiredInput(node, inputs, index))[0]);
  const { dtype } = requiredInput(node, inputs, 0);
  const count = Math.max(0, Math.ceil((limit - start) / delta));
  return [
    convert(
      tensor(
        'float64',
        [count],
        Float64Array.from({ length: count }, (_, i) => start + i * delta),
      ),
      dtype,
    ),
  ];
};

const castTargets: Readonly<Record<number, Dtype>> = {
  1: 'float32',
  2: 'uint8',
  3: 'int8',
  4: 'uint16',
  5: 'int16',
  6: 'int32',
  7: 'int64',
  9: 'bool',
  10: 'float16',
  11: 'float64',
  12: 'uint32',
  13: 'uint64',
};

/** A number as int64, truncated; what int64 cannot hold becomes its least value, as on x86. */
function toBigInt(value: number): bigint {
  return Math.abs(value) < 2 ** 63 ? BigInt(Math.trunc(value)) : -(2n ** 63n);
}

/** Elements in another dtype: floats truncate toward zero, integers wrap, anything but 0 is true. */
export function convert(x: Tensor, dtype: Dtype): Tensor {
  if (x.dtype === dtype) return x;
  const data: Tensor['data'] = allocate(dtype, x.data.length);
  const big = dtype === 'int64' || dtype === 'uint64';
  for (let i = 0; i < x.data.length; i++) {
    const value = x.data[i]!;
    if (dtype === 'bool') data[i] = Number(value) !== 0 ? 1 : 0;
    else if (big) data[i] = typeof value === 'bigint' ? value : toBigInt(value);
    else data[i] = Number(value);
  }
  return { dtype, shape: x.shape, data } as Tensor;
}

export const cast: Kernel = (node, inputs) => {
  const to = castTargets[numberAttribute(node, 'to')];
  if (to) return [convert(requiredInput(node, inputs, 0), to)];
  throw new AppError('MODEL_INVALID', `Node '${node.name}' (Cast) casts to an element type that is not supported.`, {
    nodeName: node.name,
  });
};

export const identity: Kernel = (node, inputs) => [requiredInput(node, inputs, 0)];

/** Inference keeps everything: the input, and a mask of ones. */
export const dropout: Kernel = (node, inputs) => {
  const x = requiredInput(node, inputs, 0);
  return node.outputs.length > 1 ? [x, tensor('bool', x.shape, new Uint8Array(x.data.length).fill(1))] : [x];
};
