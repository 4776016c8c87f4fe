import { numberAttribute } from '../../graph/index.ts';
import { allocate, elementCount, rowMajorStrides, type Tensor } from '../../tensor/index.ts';
import { integersOf, requiredInput, resolveAxis, type Kernel } from '../kernel.ts';
import { invalid } from '../spatial.ts';
import { gatherElements, stridedIndices } from './indices.ts';

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
