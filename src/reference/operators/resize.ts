import { numberAttribute, numbersAttribute, stringAttribute, type Node } from '../../graph/index.ts';
import { rowMajorStrides, tensor, type Tensor } from '../../tensor/index.ts';
import { asFloat32, integersOf, requiredInput, resolveAxis, type Kernel } from '../kernel.ts';
import { nearestEven } from '../requantize.ts';
import { invalid } from '../spatial.ts';
import { gatherElements, productIndices } from './indices.ts';

const f32 = Math.fround;

/** One resized dimension. */
interface Axis {
  readonly size: number;
  readonly output: number;
  /** The output's size before it is rounded down. */
  readonly length: number;
  readonly scale: number;
  /** Region of interest, for tf_crop_and_resize. */
  readonly start: number;
  readonly end: number;
}

/** Inputs: x, roi, scales, sizes. Output size is `sizes`, or floor(size · scale); scale is float32. */
function resizedAxes(node: Node, inputs: readonly (Tensor | undefined)[], x: Tensor): Axis[] {
  const rank = x.shape.length;
  const axes = node.attributes.has('axes')
    ? numbersAttribute(node, 'axes').map((axis) => resolveAxis(node, axis, rank))
    : x.shape.map((_, d) => d);
  const scales = inputs[2] && inputs[2].data.length > 0 ? Array.from(asFloat32(inputs[2]).data) : undefined;
  const sizes = inputs[3] && inputs[3].data.length > 0 ? integersOf(inputs[3]) : undefined;
  const roi = inputs[1] && inputs[1].data.length > 0 ? Array.from(asFloat32(inputs[1]).data) : undefined;
  if (!scales === !sizes) throw invalid(node, 'needs either scales or sizes');
  const policy = stringAttribute(node, 'keep_aspect_ratio_policy', 'stretch');
  const ratios = sizes?.map((target, i) => target / (x.shape[axes[i]!] ?? 1));
  const common = policy === 'not_larger' ? Math.min(...(ratios ?? [])) : Math.max(...(ratios ?? []));
  return x.shape.map((size, d) => {
    const i = axes.indexOf(d);
    if (i < 0) return { size, output: size, length: size, scale: 1, start: 0, end: 1 };
    const start = roi?.[i] ?? 0;
    const end = roi?.[i + axes.length] ?? 1;
    if (scales) {
      const scale = scales[i] ?? 1;
      const cropped = stringAttribute(node, 'coordinate_transformation_mode', '') === 'tf_crop_and_resize';
      const length = size * (cropped ? end - start : 1) * scale;
      return { size, output: Math.floor(length), length, scale, start, end };
    }
    const output = policy === 'stretch' ? (sizes?.[i] ?? size) : Math.floor(common * size + 0.5);
    return { size, output, length: output, scale: policy === 'stretch' ? f32(output / size) : common, start, end };
  });
}

/** Where output coordinate `at` lies in the input; every step in float32, as a nearest mode can tell. */
function sourceCoordinate(mode: string, at: number, axis: Axis): number {
  const { size, output, length, scale, start, end } = axis;
  const half = f32(f32(f32(at + 0.5) / scale) - 0.5);
  switch (mode) {
    case 'align_corners':
      return output === 1 ? 0 : f32(f32(at * (size - 1)) / f32(length - 1));
    case 'asymmetric':
      return f32(at / scale);
    case 'pytorch_half_pixel':
      return output > 1 ? half : 0;
    case 'tf_half_pixel_for_nn':
      return f32(f32(at + 0.5) / scale);
    case 'half_pixel_symmetric': {
      const adjustment = f32(output / f32(scale * size));
      const offset = f32((size / 2) * f32(1 - adjustment));
      return f32(f32(offset + f32(f32(at + 0.5) / scale)) - 0.5);
    }
    case 'tf_crop_and_resize':
      return output > 1
        ? start * (size - 1) + (at * (end - start) * (size - 1)) / (output - 1)
        : 0.5 * (start + end) * (size - 1);
    default:
      return half;
  }
}

function roundNearest(mode: string, x: number): number {
  if (mode === 'floor') return Math.floor(x);
  if (mode === 'ceil') return Math.ceil(x);
  if (mode === 'round_prefer_ceil') return Math.floor(x + 0.5);
  return Math.ceil(x - 0.5);
}

/** Taps of one output coordinate: input indices with weights in float32 that sum to 1. */
export interface Taps {
  readonly at: readonly number[];
  readonly weights: readonly number[];
}

const cubic = (t: number, a: number): number => {
  const d = Math.abs(t);
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
};

function taps(node: Node, mode: string, x: number, axis: Axis): Taps {
  const antialias = numberAttribute(node, 'antialias', 0) !== 0 && axis.scale < 1;
  const stretch = antialias ? 1 / axis.scale : 1;
  const reach = (mode === 'cubic' ? 2 : 1) * stretch;
  const a = numberAttribute(node, 'cubic_coeff_a', -0.75);
  const outside = numberAttribute(node, 'exclude_outside', 0) !== 0 || antialias;
  const first = Math.floor(x - reach) + 1;
  const at: number[] = [];
  const weights: number[] = [];
  for (let k = first; k < x + reach; k++) {
    const distance = (k - x) / stretch;
    const weight = mode === 'cubic' ? cubic(distance, a) : Math.max(0, 1 - Math.abs(distance));
    const inside = k >= 0 && k < axis.size;
    if (weight === 0 || (outside && !inside)) continue;
    at.push(Math.min(Math.max(k, 0), axis.size - 1));
    weights.push(weight);
  }
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return { at, weights: weights.map((weight) => f32(weight / sum)) };
}

/** Interpolates along one dimension, each product and each sum in float32; outside of the crop, where it extrapolates, −1 marks the fill value. */
function interpolate(x: Tensor & { dtype: 'float32' }, d: number, taken: readonly (Taps | undefined)[], fill: number) {
  const shape = x.shape.map((dim, axis) => (axis === d ? taken.length : dim));
  const inner = x.shape.slice(d + 1).reduce((a, b) => a * b, 1);
  const outer = x.shape.slice(0, d).reduce((a, b) => a * b, 1);
  const size = x.shape[d] ?? 1;
  const y = tensor('float32', shape);
  for (let o = 0; o < outer; o++) {
    for (const [place, tap] of taken.entries()) {
      for (let i = 0; i < inner; i++) {
        let sum = tap ? 0 : fill;
        tap?.at.forEach((k, t) => (sum = f32(sum + f32(x.data[(o * size + k) * inner + i]! * tap.weights[t]!))));
        y.data[(o * taken.length + place) * inner + i] = sum;
      }
    }
  }
  return y;
}

/** Where every output coordinate of a dimension lies in the input; undefined outside of the crop. */
function coordinatesOf(node: Node, axis: Axis): (number | undefined)[] {
  const transformation = stringAttribute(node, 'coordinate_transformation_mode', 'half_pixel');
  const crops = transformation === 'tf_crop_and_resize';
  return Array.from({ length: axis.output }, (_, place) => {
    const at = axis.size === axis.output && !crops ? place : sourceCoordinate(transformation, place, axis);
    return crops && (at < 0 || at > axis.size - 1) ? undefined : at;
  });
}

/**
 * The taps of a linear or cubic Resize along each dimension, which it takes one after the other; undefined where one stays as it
 * is, and for coordinates outside of the crop.
 */
export function resizeTaps(node: Node, inputs: readonly (Tensor | undefined)[]): ((Taps | undefined)[] | undefined)[] {
  const mode = stringAttribute(node, 'mode', 'nearest');
  const crops = stringAttribute(node, 'coordinate_transformation_mode', 'half_pixel') === 'tf_crop_and_resize';
  return resizedAxes(node, inputs, requiredInput(node, inputs, 0)).map((axis) => {
    if (axis.size === axis.output && !crops) return undefined;
    return coordinatesOf(node, axis).map((at) => (at === undefined ? undefined : taps(node, mode, at, axis)));
  });
}

/**
 * Resize in canonical form: inputs x, roi, scales, sizes; modes nearest (any dtype), linear and cubic (separable, the
 * result in float32, or rounded and saturated back to 8 bits).
 */
export const resize: Kernel = (node, inputs) => {
  const x = requiredInput(node, inputs, 0);
  const axes = resizedAxes(node, inputs, x);
  const shape = axes.map((axis) => axis.output);
  const fill = numberAttribute(node, 'extrapolation_value', 0);
  if (stringAttribute(node, 'mode', 'nearest') === 'nearest') {
    const rounding = stringAttribute(node, 'nearest_mode', 'round_prefer_floor');
    const sources = axes.map((axis) =>
      Int32Array.from(coordinatesOf(node, axis), (at) =>
        at === undefined ? -1 : Math.min(Math.max(roundNearest(rounding, at), 0), axis.size - 1),
      ),
    );
    return [gatherElements(x, shape, productIndices(shape, sources, rowMajorStrides(x.shape)), fill)];
  }
  let y = asFloat32(x);
  for (const [d, taken] of resizeTaps(node, inputs).entries()) if (taken) y = interpolate(y, d, taken, fill);
  if (x.dtype === 'uint8' || x.dtype === 'int8') {
    const [low, high] = x.dtype === 'uint8' ? [0, 255] : [-128, 127];
    const rounded = y.data.map((value) => Math.min(Math.max(nearestEven(value), low), high));
    return [
      x.dtype === 'uint8'
        ? tensor('uint8', shape, Uint8Array.from(rounded))
        : tensor('int8', shape, Int8Array.from(rounded)),
    ];
  }
  return [y];
};
