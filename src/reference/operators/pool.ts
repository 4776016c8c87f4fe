import { numberAttribute, numbersAttribute } from '../../graph/index.ts';
import { elementCount, tensor, type Tensor } from '../../tensor/index.ts';
import { floatInput, requiredInput, type Kernel } from '../kernel.ts';
import { spatialShape, windowOf, type Window } from '../spatial.ts';

type Visit = (inputIndex: number) => void;

/** Calls `visit` for every input element under the window at one output place, padding left out. */
function visitWindow(window: Window, place: readonly [number, number, number], visit: Visit): void {
  const [, inH, inW] = window.input;
  const start = (d: 0 | 1 | 2): number => place[d] * window.strides[d] - window.padsBegin[d];
  const inside = (at: number, d: 0 | 1 | 2): boolean => at >= 0 && at < window.input[d];
  for (let kd = 0; kd < window.kernel[0]; kd++) {
    const depth = start(0) + kd * window.dilations[0];
    if (!inside(depth, 0)) continue;
    for (let kh = 0; kh < window.kernel[1]; kh++) {
      const row = start(1) + kh * window.dilations[1];
      if (!inside(row, 1)) continue;
      for (let kw = 0; kw < window.kernel[2]; kw++) {
        const column = start(2) + kw * window.dilations[2];
        if (inside(column, 2)) visit((depth * inH + row) * inW + column);
      }
    }
  }
}

function visitOutput(window: Window, visit: (place: readonly [number, number, number], index: number) => void): void {
  let index = 0;
  for (let d = 0; d < window.output[0]; d++)
    for (let h = 0; h < window.output[1]; h++) for (let w = 0; w < window.output[2]; w++) visit([d, h, w], index++);
}

/**
 * The largest element under each window; padding never wins. Second output: its flat index in x, row-major (or
 * column-major in the plane with storage_order 1). Any numeric dtype.
 */
export const maxPool: Kernel = (node, inputs) => {
  const x = requiredInput(node, inputs, 0);
  const [batch = 1, channels = 1, ...spatial] = x.shape;
  const window = windowOf(node, spatial, numbersAttribute(node, 'kernel_shape'));
  const shape = [batch, channels, ...spatialShape(window, spatial.length)];
  const columnMajor = numberAttribute(node, 'storage_order', 0) === 1;
  const inputPlane = elementCount(spatial);
  const outputPlane = elementCount(window.output);
  const data = x.data.slice(0, 0).constructor as unknown as new (count: number) => typeof x.data;
  const y = new data(elementCount(shape));
  const indices = new BigInt64Array(y.length);
  for (let row = 0; row < batch * channels; row++) {
    const base = row * inputPlane;
    visitOutput(window, (place, index) => {
      let best = -1;
      visitWindow(window, place, (at) => {
        if (best < 0 || x.data[base + at]! > x.data[base + best]!) best = at;
      });
      y[row * outputPlane + index] = x.data[base + Math.max(best, 0)] as never;
      indices[row * outputPlane + index] = BigInt(base + (columnMajor ? transposePlane(best, spatial) : best));
    });
  }
  const values = { dtype: x.dtype, shape, data: y } as Tensor;
  return node.outputs.length > 1 ? [values, tensor('int64', shape, indices)] : [values];
};

/** A row-major index of a plane as a column-major one. */
function transposePlane(index: number, spatial: readonly number[]): number {
  let rest = index;
  const coordinates = [...spatial].reverse().map((size) => {
    const at = rest % size;
    rest = Math.floor(rest / size);
    return at;
  });
  return coordinates.reverse().reduceRight((sum, at, axis) => sum * (spatial[axis] ?? 1) + at, 0);
}

/** The mean under each window; padding counts only with count_include_pad, and never what ceil mode adds beyond it. */
export const averagePool: Kernel = (node, inputs) => {
  const x = floatInput(node, inputs, 0);
  const [batch = 1, channels = 1, ...spatial] = x.shape;
  const window = windowOf(node, spatial, numbersAttribute(node, 'kernel_shape'));
  const y = tensor('float32', [batch, channels, ...spatialShape(window, spatial.length)]);
  const withPads = numberAttribute(node, 'count_include_pad', 0) !== 0;
  const inputPlane = elementCount(spatial);
  const outputPlane = elementCount(window.output);
  for (let row = 0; row < batch * channels; row++) {
    visitOutput(window, (place, index) => {
      let sum = 0;
      let count = 0;
      visitWindow(window, place, (at) => {
        sum += x.data[row * inputPlane + at]!;
        count++;
      });
      y.data[row * outputPlane + index] = sum / (withPads ? paddedTaps(window, place) : count);
    });
  }
  return [y];
};

/** Taps of a window that lie inside the input or its declared padding. */
export function paddedTaps(window: Window, place: readonly [number, number, number]): number {
  return ([0, 1, 2] as const).reduce<number>((product, d) => {
    const start = place[d] * window.strides[d] - window.padsBegin[d];
    const end = window.input[d] + window.padsEnd[d];
    let taps = 0;
    for (let k = 0; k < window.kernel[d]; k++) if (start + k * window.dilations[d] < end) taps++;
    return product * taps;
  }, 1);
}

function globalPool(reduce: (values: Float32Array) => number): Kernel {
  return (node, inputs) => {
    const x = floatInput(node, inputs, 0);
    const [batch = 1, channels = 1, ...spatial] = x.shape;
    const plane = elementCount(spatial);
    const y = tensor('float32', [batch, channels, ...spatial.map(() => 1)]);
    for (let row = 0; row < y.data.length; row++) y.data[row] = reduce(x.data.subarray(row * plane, (row + 1) * plane));
    return [y];
  };
}

export const globalAveragePool = globalPool((values) => {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
});

export const globalMaxPool = globalPool((values) => {
  let best = -Infinity;
  for (const value of values) best = Math.max(best, value);
  return best;
});
