import { AppError } from '../../base/index.ts';
import type { Node, QuantizedWeights } from '../../graph/index.ts';
import { runNode } from '../../reference/index.ts';
import { tensor, type Shape, type Tensor } from '../../tensor/index.ts';
import { nearestEven } from '../quantizedTable.ts';
import type { Lowering } from './lowering.ts';
import { dequantizeConstant, inputName, isDequantize, numbersOf, type FileParams, type Params } from './parameters.ts';

/** 8-bit weights of a file: int8 bytes, one scale and zero point or one an index of `axis`. */
export interface FileWeights {
  readonly shape: Shape;
  readonly data: Int8Array;
  readonly scales: Float32Array;
  readonly zeroPoints: Int32Array;
  readonly axis: number | undefined;
}

/** Weights behind a float value: DequantizeLinear of a constant, also through one Transpose or Reshape. */
export function fileWeights(lowering: Lowering, value: string): FileWeights | undefined {
  const origin = lowering.origin(value);
  if (!origin) return undefined;
  const { node } = origin;
  if (isDequantize(node)) return dequantizedWeights(lowering, node);
  const moved = node.opType === 'Transpose' || node.opType === 'Reshape' || node.opType === 'Flatten';
  const inner = moved ? fileWeights(lowering, inputName(node, 0)) : undefined;
  if (!inner) return undefined;
  const axis = movedAxis(lowering, node, inner);
  if (axis === 'lost') return undefined;
  const [result] = runNode(node, [
    tensor('int8', inner.shape, new Int8Array(inner.data)),
    ...node.inputs.slice(1).map((name) => lowering.constant(name)),
  ]);
  if (result?.dtype !== 'int8') return undefined;
  return { ...inner, shape: result.shape, data: result.data, axis };
}

function movedAxis(lowering: Lowering, node: Node, { axis }: FileWeights): number | undefined | 'lost' {
  if (axis === undefined) return undefined;
  const perm = node.attributes.get('perm');
  if (node.opType !== 'Transpose') return 'lost';
  const rank = lowering.shapeOf(inputName(node, 0)).length;
  return Array.isArray(perm) ? (perm as number[]).indexOf(axis) : rank - 1 - axis;
}

function dequantizedWeights(lowering: Lowering, node: Node): FileWeights | undefined {
  const constant = lowering.constant(inputName(node, 0));
  const file = lowering.fileParams(node);
  if (!constant || !file || (constant.dtype !== 'int8' && constant.dtype !== 'uint8')) return undefined;
  const rank = constant.shape.length;
  const axis = file.axis === undefined ? undefined : file.axis < 0 ? file.axis + rank : file.axis;
  if (axis !== undefined && constant.shape[axis] !== file.scales.length) {
    throw new AppError(
      'QUANT_PARAMS_INVALID',
      `Node '${node.name}' has ${file.scales.length} scales; axis ${axis} of its input has ${constant.shape[axis] ?? 0} elements.`,
      { nodeName: node.name },
    );
  }
  const shift = constant.dtype === 'uint8' ? 128 : 0;
  return {
    shape: constant.shape,
    data: constant.dtype === 'int8' ? constant.data : new Int8Array(constant.data.map((q) => q - shift)),
    scales: file.scales,
    zeroPoints: file.zeroPoints.map((zeroPoint) => zeroPoint - shift),
    axis,
  };
}

/** What turns a node's constants into integers at one place of the graph. */
export interface WeightContext {
  readonly node: Node;
  readonly input: Params;
  /** Absent for a layer that returns float: multipliers are then inputScale · scales[c]. */
  readonly output: Params;
  readonly channels: number;
  /** The output channel of a weight, by its index in `data`. */
  readonly channelOf: (index: number) => number;
  /** The scale that an output channel's weights have in the file, by its index in `scales`. */
  readonly scaleOf: (channel: number) => number;
  /** Gemm's alpha. */
  readonly gain: number;
  /** Real bias of each output channel, or int32 that already has the accumulator's scale. */
  readonly bias: LayerBias | undefined;
}

export interface LayerBias {
  readonly reals: Float64Array;
  /** int32 of the file with their scales, where it has them. */
  readonly integers?: { readonly data: Int32Array; readonly scales: Float32Array };
}

/**
 * Weights, int32 bias and multipliers of one layer.
 *
 *   multipliers[c] = f32(f32(inputScale · scales[c]) / outputScale), bias[c] = nearestEven(real / (inputScale · scales[c]))
 *
 * @throws ACCUMULATOR_OVERFLOW where some input could take a sum out of int32; QUANT_PARAMS_INVALID for a multiplier
 *         that is not finite
 */
export function layerWeights(file: FileWeights, context: WeightContext): QuantizedWeights {
  const { channels, input, output, node } = context;
  const scales = new Float32Array(channels);
  const zeroPoints = new Int32Array(channels);
  const bias = new Int32Array(channels);
  const multipliers = new Float32Array(channels);
  for (let channel = 0; channel < channels; channel++) {
    const index = file.axis === undefined ? 0 : context.scaleOf(channel);
    scales[channel] = (file.scales[index] ?? 1) * context.gain;
    zeroPoints[channel] = file.zeroPoints[index] ?? 0;
    const accScale = Math.fround(input.scale * (scales[channel] ?? 1));
    bias[channel] = accumulatorBias(context, channel, accScale);
    const multiplier = Math.fround(accScale / output.scale);
    if (!Number.isFinite(multiplier) || !(accScale > 0))
      throw new AppError(
        'QUANT_PARAMS_INVALID',
        `Node '${node.name}' (${node.opType}): channel ${channel} would be multiplied by ${multiplier}; scales ${input.scale} (input), ${scales[channel] ?? 1} (weights) and ${output.scale} (output) do not fit.`,
        { nodeName: node.name, channel },
      );
    multipliers[channel] = multiplier;
  }
  const weights = { data: file.data, shape: file.shape, zeroPoints, scales, bias, multipliers };
  assertAccumulatorFits(node, weights, input.zeroPoint, context.channelOf);
  return weights;
}

function accumulatorBias({ bias, node }: WeightContext, channel: number, accScale: number): number {
  if (!bias) return 0;
  const stored = bias.integers;
  const storedScale = stored?.scales[stored.scales.length === 1 ? 0 : channel];
  const same = storedScale !== undefined && Math.abs(storedScale - accScale) <= accScale * 2 ** -22;
  const exact = same ? (stored?.data[channel] ?? 0) : nearestEven((bias.reals[channel] ?? 0) / accScale);
  if (Math.abs(exact) <= 2 ** 31 - 1) return exact;
  throw overflow(node, channel, `bias ${bias.reals[channel] ?? 0} is ${exact} steps of ${accScale}`);
}

/**
 * |x − zeroPoint| ≤ max(zeroPoint, 255 − zeroPoint), so every sum lies within that times Σ |w − zeroPointW| plus |bias|,
 * which must not exceed 2³¹ − 1. Partial sums may wrap; only the final one must fit.
 *
 * @throws ACCUMULATOR_OVERFLOW
 */
export function assertAccumulatorFits(
  node: Pick<Node, 'name' | 'opType'>,
  weights: Pick<QuantizedWeights, 'data' | 'zeroPoints' | 'bias'>,
  inputZeroPoint: number,
  channelOf: (index: number) => number,
): void {
  const largest = Math.max(inputZeroPoint, 255 - inputZeroPoint);
  const sums = new Float64Array(weights.bias.length);
  const { data, zeroPoints } = weights;
  for (let index = 0; index < data.length; index++) {
    const channel = channelOf(index);
    sums[channel] = (sums[channel] ?? 0) + Math.abs((data[index] ?? 0) - (zeroPoints[channel] ?? 0));
  }
  for (const [channel, sum] of sums.entries()) {
    const bound = sum * largest + Math.abs(weights.bias[channel] ?? 0);
    if (bound > 2 ** 31 - 1) throw overflow({ ...node }, channel, `a sum can reach ${bound}`);
  }
}

function overflow(node: Pick<Node, 'name' | 'opType'>, channel: number, what: string): AppError {
  return new AppError(
    'ACCUMULATOR_OVERFLOW',
    `Node '${node.name}' (${node.opType}), output channel ${channel}: ${what}; int32 holds up to 2147483647.`,
    { nodeName: node.name, channel },
  );
}

/** The constant bias of a layer, from float32, or from int32 behind a DequantizeLinear. Undefined: not constant. */
export function layerBias(lowering: Lowering, value: string, gain: number): LayerBias | undefined {
  const constant = lowering.constant(value);
  if (constant) return { reals: Float64Array.from(numbersOf(constant), (real) => real * gain) };
  const node = lowering.origin(value)?.node;
  if (!isDequantize(node)) return undefined;
  const integers = lowering.constant(inputName(node, 0));
  const file = lowering.fileParams(node);
  if (!integers || !file) return undefined;
  const reals = Float64Array.from(dequantizeConstant(integers, file), (real) => real * gain);
  const plain = integers.dtype === 'int32' && gain === 1 && file.zeroPoints.every((zero) => zero === 0);
  return plain ? { reals, integers: { data: integers.data, scales: file.scales } } : { reals };
}

/** A constant tensor as float32, through a DequantizeLinear too. */
export function constantReals(lowering: Lowering, value: string): Tensor | undefined {
  const constant = lowering.constant(value);
  if (constant) return constant;
  const node = lowering.origin(value)?.node;
  if (!isDequantize(node)) return undefined;
  const stored = lowering.constant(inputName(node, 0));
  const file: FileParams | undefined = lowering.fileParams(node);
  return stored && file ? tensor('float32', stored.shape, dequantizeConstant(stored, file)) : undefined;
}
