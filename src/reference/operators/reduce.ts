import { numberAttribute, type Node } from '../../graph/index.ts';
import { elementCount, rowMajorStrides, tensor, type Tensor } from '../../tensor/index.ts';
import { exp, log } from '../math.ts';
import { floatInput, integersOf, requiredInput, resolveAxis, type Kernel } from '../kernel.ts';
import { convert } from './cast.ts';

/** Axes from the second input (canonical form); none means all, unless noop_with_empty_axes. */
function reducedAxes(node: Node, axes: Tensor | undefined, rank: number): Set<number> {
  const given = axes ? integersOf(axes) : [];
  if (given.length > 0) return new Set(given.map((axis) => resolveAxis(node, axis, rank)));
  const all = numberAttribute(node, 'noop_with_empty_axes', 0) === 0;
  return new Set(all ? Array.from({ length: rank }, (_, axis) => axis) : []);
}

/** Folds the elements along the reduced axes in float64, in x's dtype at last; `finish` sees the sum and the count. */
function reduction(
  start: number,
  step: (acc: number, x: number) => number,
  finish: (acc: number, count: number) => number = (acc) => acc,
): Kernel {
  return (node, inputs) => {
    const x = requiredInput(node, inputs, 0);
    const axes = reducedAxes(node, inputs[1], x.shape.length);
    const keep = numberAttribute(node, 'keepdims', 1) !== 0;
    const kept = x.shape.map((dim, axis) => (axes.has(axis) ? 1 : dim));
    const strides = rowMajorStrides(kept).map((stride, axis) => (axes.has(axis) ? 0 : stride));
    const acc = new Float64Array(elementCount(kept)).fill(start);
    const counter = new Array<number>(x.shape.length).fill(0);
    let target = 0;
    for (const value of x.data) {
      acc[target] = step(acc[target]!, Number(value));
      for (let axis = counter.length - 1; axis >= 0; axis--) {
        target += strides[axis]!;
        if (++counter[axis]! < x.shape[axis]!) break;
        target -= strides[axis]! * x.shape[axis]!;
        counter[axis] = 0;
      }
    }
    const count = x.data.length / Math.max(acc.length, 1);
    const shape = keep ? kept : x.shape.filter((_, axis) => !axes.has(axis));
    const results = acc.map((value) => finish(value, count));
    return [convert(tensor('float64', shape, results), x.dtype)];
  };
}

export const reduceKernels: Readonly<Record<string, Kernel>> = {
  ReduceMean: reduction(
    0,
    (acc, x) => acc + x,
    (acc, count) => acc / count,
  ),
  ReduceSum: reduction(0, (acc, x) => acc + x),
  ReduceSumSquare: reduction(0, (acc, x) => acc + x * x),
  ReduceL1: reduction(0, (acc, x) => acc + Math.abs(x)),
  ReduceL2: reduction(
    0,
    (acc, x) => acc + x * x,
    (acc) => Math.sqrt(acc),
  ),
  ReduceMax: reduction(-Infinity, (acc, x) => (x > acc ? x : acc)),
  ReduceMin: reduction(Infinity, (acc, x) => (x < acc ? x : acc)),
  ReduceProd: reduction(1, (acc, x) => acc * x),
};

/** Rows along `axis`: calls `visit` with the start and step of each. */
function forEachRow(shape: readonly number[], axis: number, visit: (start: number, step: number) => void): void {
  const step = elementCount(shape.slice(axis + 1));
  const outer = elementCount(shape.slice(0, axis));
  for (let o = 0; o < outer; o++) for (let i = 0; i < step; i++) visit(o * (shape[axis] ?? 1) * step + i, step);
}

function softmaxOf(logarithm: boolean): Kernel {
  return (node, inputs) => {
    const x = floatInput(node, inputs, 0);
    const axis = resolveAxis(node, numberAttribute(node, 'axis', -1), Math.max(x.shape.length, 1));
    const size = x.shape[axis] ?? 1;
    const y = new Float32Array(x.data.length);
    forEachRow(x.shape, axis, (start, step) => {
      let max = -Infinity;
      for (let k = 0; k < size; k++) max = Math.max(max, x.data[start + k * step]!);
      let sum = 0;
      for (let k = 0; k < size; k++) sum += exp(x.data[start + k * step]! - max);
      for (let k = 0; k < size; k++) {
        const shifted = x.data[start + k * step]! - max;
        y[start + k * step] = logarithm ? shifted - log(sum) : exp(shifted) / sum;
      }
    });
    return [tensor('float32', x.shape, y)];
  };
}

/** e^(x − max) / Σ along one axis. */
export const softmax = softmaxOf(false);
export const logSoftmax = softmaxOf(true);

function argOf(better: (candidate: number, best: number) => boolean): Kernel {
  return (node, inputs) => {
    const x = floatInput(node, inputs, 0);
    const axis = resolveAxis(node, numberAttribute(node, 'axis', 0), x.shape.length);
    const size = x.shape[axis] ?? 1;
    const last = numberAttribute(node, 'select_last_index', 0) !== 0;
    const result: bigint[] = [];
    forEachRow(x.shape, axis, (start, step) => {
      let best = 0;
      for (let k = 1; k < size; k++) {
        const candidate = x.data[start + k * step]!;
        const current = x.data[start + best * step]!;
        if (better(candidate, current) || (last && candidate === current)) best = k;
      }
      result.push(BigInt(best));
    });
    const keep = numberAttribute(node, 'keepdims', 1) !== 0;
    const shape = keep ? x.shape.map((dim, d) => (d === axis ? 1 : dim)) : x.shape.filter((_, d) => d !== axis);
    return [tensor('int64', shape, BigInt64Array.from(result))];
  };
}

export const argMax = argOf((candidate, best) => candidate > best);
export const argMin = argOf((candidate, best) => candidate < best);
