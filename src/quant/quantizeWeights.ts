import { AppError } from '../base/index.ts';
import { rowMajorStrides, type TensorOf } from '../tensor/index.ts';
import {
  quantParamsOf,
  quantize,
  smallestScale,
  type QuantParams,
  type QuantizerSpec,
  type Range,
} from './quantizer.ts';

/** int8 weights with one scale and zero point, or one an index of `axis`. */
export interface WeightTensor {
  readonly data: Int8Array<ArrayBuffer>;
  readonly shape: readonly number[];
  readonly scales: Float32Array<ArrayBuffer>;
  readonly zeroPoints: Int8Array<ArrayBuffer>;
  /** Absent where one scale serves the whole tensor. */
  readonly axis: number | undefined;
}

export interface WeightOptions {
  readonly spec: QuantizerSpec;
  /** Absent for per-tensor. */
  readonly axis: number | undefined;
  readonly calibrator: 'minMax' | 'mse';
  /** Least scale of each channel (or of the tensor), from the bias that must fit int32 beside it. */
  readonly leastScales?: ArrayLike<number>;
  /** Names the tensor in errors. */
  readonly name: string;
}

/** Walks the elements of one channel. `visit` gets each element's index in the row-major data. */
export function forEachOfChannel(
  shape: readonly number[],
  axis: number,
  channel: number,
  visit: (index: number) => void,
): void {
  const inner = rowMajorStrides(shape)[axis] ?? 1;
  const count = shape[axis] ?? 1;
  const total = shape.reduce((a, b) => a * b, 1);
  for (let start = channel * inner; start < total; start += count * inner)
    for (let index = start; index < start + inner; index++) visit(index);
}

/** Smallest and largest of 0 and each channel's elements, or the whole tensor's where `axis` is absent; NaN where one is. */
export function channelRanges(weights: TensorOf<'float32'>, axis: number | undefined): Range[] {
  const { shape, data } = weights;
  const count = axis === undefined ? 1 : (shape[axis] ?? 1);
  const inner = axis === undefined ? data.length : (rowMajorStrides(shape)[axis] ?? 1);
  const low = new Float64Array(count);
  const high = new Float64Array(count);
  for (let i = 0; i < data.length; i++) {
    const channel = Math.floor(i / inner) % count;
    // Math.min and Math.max keep a NaN.
    low[channel] = Math.min(low[channel]!, data[i]!);
    high[channel] = Math.max(high[channel]!, data[i]!);
  }
  return Array.from(low, (min, channel) => ({ min, max: high[channel]! }));
}

/**
 * Quantizes weights to int8, per channel or per tensor. A channel of zeros gets scale 1, or what its bias needs.
 *
 * @throws MODEL_NOT_FINITE for NaN and infinite weights
 */
export function quantizeWeights(weights: TensorOf<'float32'>, options: WeightOptions): WeightTensor {
  const { axis, spec, calibrator, name, leastScales } = options;
  const ranges = channelRanges(weights, axis);
  const data = new Int8Array(weights.data.length);
  const scales = new Float32Array(ranges.length);
  const zeroPoints = new Int8Array(ranges.length);
  const everywhere = Array.from(axis === undefined ? weights.data.keys() : []);
  for (const [channel, range] of ranges.entries()) {
    if (!Number.isFinite(range.min) || !Number.isFinite(range.max))
      throw new AppError(
        'MODEL_NOT_FINITE',
        `Weights '${name}' hold a value that is not finite (channel ${channel}).`,
        {
          tensor: name,
          channel,
        },
      );
    const members: number[] = everywhere;
    if (axis !== undefined) {
      members.length = 0;
      forEachOfChannel(weights.shape, axis, channel, (index) => members.push(index));
    }
    const best = calibrator === 'mse' ? leastSquaresRange(weights.data, members, range, spec, name) : range;
    const params = withLeastScale(
      quantParamsOf(best, spec, `Weights '${name}'`),
      best,
      spec,
      leastScales?.[channel] ?? 0,
    );
    scales[channel] = params.scale;
    zeroPoints[channel] = params.zeroPoint;
    for (const index of members) data[index] = quantize(weights.data[index]!, params);
  }
  return { data, shape: weights.shape, scales, zeroPoints, axis };
}

function withLeastScale(params: QuantParams, range: Range, spec: QuantizerSpec, least: number): QuantParams {
  if (params.scale >= least) return params;
  const scale = Math.max(nextFloat(least), smallestScale);
  const zeroPoint = spec.symmetric
    ? 0
    : Math.min(Math.max(Math.round(params.qmin - Math.min(range.min, 0) / scale), params.qmin), params.qmax);
  return { ...params, scale, zeroPoint };
}

/** A float32 that is not below `value` (> 0). */
function nextFloat(value: number): number {
  const rounded = Math.fround(value);
  return rounded >= value ? rounded : Math.fround(rounded * (1 + 2 ** -23));
}

/** The share of the range, in steps of 1 %, with the least squared error. */
function leastSquaresRange(
  data: Float32Array,
  members: readonly number[],
  range: Range,
  spec: QuantizerSpec,
  name: string,
): Range {
  let best = range;
  let least = Infinity;
  for (let percent = 100; percent >= 40; percent--) {
    const candidate = { min: (range.min * percent) / 100, max: (range.max * percent) / 100 };
    const params = quantParamsOf(candidate, spec, name);
    let error = 0;
    for (const index of members) {
      const w = data[index]!;
      const difference = w - (quantize(w, params) - params.zeroPoint) * params.scale;
      error += difference * difference;
      if (error >= least) break;
    }
    if (error < least) [least, best] = [error, candidate];
  }
  return best;
}

/** The real weights that the integers stand for: f32(scale · (q − zeroPoint)). */
export function dequantizeWeights(weights: WeightTensor): Float32Array<ArrayBuffer> {
  const { data, shape, scales, zeroPoints, axis } = weights;
  const inner = axis === undefined ? data.length : (rowMajorStrides(shape)[axis] ?? 1);
  return Float32Array.from(data, (q, index) => {
    const channel = Math.floor(index / inner) % scales.length;
    return Math.fround((q - zeroPoints[channel]!) * scales[channel]!);
  });
}
