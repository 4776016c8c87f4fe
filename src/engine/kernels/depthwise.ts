import type { ConvOperation } from '../../graph/index.ts';
import type { FunctionBuilder, Local } from '../../wasm/index.ts';
import { CHANNEL_BLOCK, type NhwcLayout } from '../plan/layout.ts';
import type { KernelPlanner, Placement } from '../plan/step.ts';
import { emitLastFits } from './loops.ts';
import { emitPaddedInput, paddedInput } from './paddedInput.ts';
import {
  bytesOf,
  emitRequantizer,
  emitRows,
  emitScale,
  roundingOf,
  rowsScratchBytes,
  type Rounding,
} from './requantize.ts';

/** Bytes of the weights of two taps for 16 channels: int16 pairs. */
const PAIR_BYTES = 64;

/** Interleaves the bytes of two vectors: low halves, then high halves. */
const INTERLEAVE_LOW = Array.from({ length: 16 }, (_, i) => (i % 2) * 16 + (i >> 1));
const INTERLEAVE_HIGH = INTERLEAVE_LOW.map((lane) => lane + 8);

/**
 * Depthwise convolution, one filter a channel, 16 channels at a time:
 *
 *   for each 16 channels, for each output row, for each two of its pixels:
 *     acc[2][16] = bias
 *     for each pair of taps (a, b): acc[c] += x_a[c] · w_a[c] + x_b[c] · w_b[c]
 *     y = requantize(acc)
 *
 *   x_a  a0 a1 … a15 ┐ interleave → a0 b0 a1 b1 …, widen to int16
 *   x_b  b0 b1 … b15 ┘             · wa0 wb0 wa1 wb1 … → i32x4.dot_i16x8_s: one sum a channel
 */
export const planDepthwise: KernelPlanner = (operation, context) => {
  if (operation.kind !== 'conv') return undefined;
  const { weights, group } = operation;
  const [outChannels = 1, perGroup = 1, kernelH = 1, kernelW = 1] = weights.shape;
  if (perGroup !== 1 || group !== outChannels) return undefined;
  const input = context.layouts.get(operation.input);
  const output = context.layouts.get(operation.output);
  const from = context.graph.values.get(operation.input);
  const to = context.graph.values.get(operation.output);
  if (input?.kind !== 'nhwc' || output?.kind !== 'nhwc' || from?.kind !== 'quantized' || to?.kind !== 'quantized')
    return undefined;
  if (input.channelStride !== output.channelStride) return undefined;
  const constants = packDepthwise(operation, output.channelStride, from.zeroPoint);
  return {
    runs: 'wasm',
    operation,
    kernel: `conv.depthwise${kernelH}x${kernelW}`,
    macs: output.height * output.width * weights.data.length,
    constants,
    scratchBytes: paddedInput(input, operation).scratchBytes + rowsScratchBytes(2),
    emit: (module, place) =>
      module.function(['i'], [], (f) => {
        const source = emitPaddedInput(f, input, operation, {
          arena: f.parameter(0),
          source: place.address(operation.input),
          scratch: place.scratch,
          fill: from.zeroPoint,
        });
        const rounding = roundingOf(operation.weights, from.zeroPoint);
        emitDepthwise(f, { operation, input, output, zeroPoint: to.zeroPoint, rounding, source, place });
      }),
  };
};

/** Weights [blocks][pairs][16 channels][2] int16, then bias and multipliers of every stored channel. */
function packDepthwise({ weights }: ConvOperation, stride: number, inputZeroPoint: number): Uint8Array[] {
  const [channels = 1, , kernelH = 1, kernelW = 1] = weights.shape;
  const taps = kernelH * kernelW;
  const pairs = Math.ceil(taps / 2);
  const packed = new Int16Array((stride / CHANNEL_BLOCK) * pairs * CHANNEL_BLOCK * 2);
  const bias = new Int32Array(stride);
  const multipliers = new Float32Array(stride);
  for (let c = 0; c < channels; c++) {
    const block = Math.floor(c / CHANNEL_BLOCK) * pairs * CHANNEL_BLOCK * 2;
    let sum = 0;
    for (let tap = 0; tap < taps; tap++) {
      const weight = weights.data[c * taps + tap]! - weights.zeroPoints[c]!;
      sum += weight;
      packed[block + (tap >> 1) * CHANNEL_BLOCK * 2 + (c % CHANNEL_BLOCK) * 2 + (tap & 1)] = weight;
    }
    bias[c] = weights.bias[c]! - inputZeroPoint * sum;
    multipliers[c] = weights.multipliers[c]!;
  }
  return [bytesOf(packed), bytesOf(bias), bytesOf(multipliers)];
}

interface Depthwise {
  readonly operation: ConvOperation;
  readonly input: NhwcLayout;
  readonly output: NhwcLayout;
  readonly zeroPoint: number;
  readonly rounding: Rounding;
  readonly source: Local;
  readonly place: Placement;
}

function emitDepthwise(f: FunctionBuilder, depthwise: Depthwise): void {
  const { operation, input, output, source, place, zeroPoint, rounding } = depthwise;
  const [weightsAt = 0, biasAt = 0, multipliersAt = 0] = place.constants;
  const arena = f.parameter(0);
  const [, , kernelH = 1, kernelW = 1] = operation.weights.shape;
  const pairs = Math.ceil((kernelH * kernelW) / 2);
  const [block, y, x, from, to, weight, row, out] = f.locals('i', 8) as [
    Local,
    Local,
    Local,
    Local,
    Local,
    Local,
    Local,
    Local,
  ];
  const pixels = Math.min(2, output.width);
  const bias = f.locals('v', 4);
  const multipliers = f.locals('v', 4);
  const accs = f.locals('v', 4 * pixels);
  const temporaries = f.locals('v', 8);
  const requantizer = emitRequantizer(f, { zeroPoint, clamp: operation.clamp, rounding });
  const padded = paddedInput(input, operation);
  const rowBytes = padded.width * input.channelStride;
  f.i32(weightsAt).set(weight);
  f.repeat(block, { start: 0, end: output.channelStride, step: CHANNEL_BLOCK }, () => {
    f.get(block).i32(2).op('i32.shl').set(from);
    for (let lane = 0; lane < 4; lane++) {
      f.get(from)
        .op('v128.load', { offset: biasAt + lane * 16 })
        .set(bias[lane]!);
      f.get(from)
        .op('v128.load', { offset: multipliersAt + lane * 16 })
        .set(multipliers[lane]!);
    }
    f.get(source).get(block).op('i32.add').set(row);
    f.get(arena).get(block).op('i32.add').set(out);
    f.repeat(y, { start: 0, end: output.height, step: 1 }, () => {
      f.repeat(x, { start: 0, end: output.width, step: pixels }, () => {
        emitLastFits(f, x, output.width, pixels);
        f.get(x)
          .i32(operation.strides[1] * input.channelStride)
          .op('i32.mul')
          .get(row)
          .op('i32.add')
          .set(from);
        f.get(x).i32(output.channelStride).op('i32.mul').get(out).op('i32.add').set(to);
        accs.forEach((acc, index) => f.get(bias[index % 4]!).set(acc));
        emitTaps(f, depthwise, { from, weight, accs, temporaries }, rowBytes);
        emitScale(f, accs, multipliers, requantizer);
        emitRows(f, accs, requantizer, {
          scratch: { at: arena, offset: place.scratch + padded.scratchBytes },
          target: (pixel) => {
            f.get(to);
            return place.address(operation.output) + pixel * output.channelStride;
          },
        });
      });
      f.get(row)
        .i32(operation.strides[0] * rowBytes)
        .op('i32.add')
        .set(row);
      f.get(out)
        .i32(output.width * output.channelStride)
        .op('i32.add')
        .set(out);
    });
    f.get(weight)
      .i32(pairs * PAIR_BYTES)
      .op('i32.add')
      .set(weight);
  });
}

/** acc += both taps of each pair, for one or two pixels. */
function emitTaps(
  f: FunctionBuilder,
  { operation, input }: Depthwise,
  locals: { from: Local; weight: Local; accs: readonly Local[]; temporaries: readonly Local[] },
  rowBytes: number,
): void {
  const [, , kernelH = 1, kernelW = 1] = operation.weights.shape;
  const [dilationH, dilationW] = operation.dilations;
  const weights = locals.temporaries.slice(0, 4);
  const [a, b, low, high] = locals.temporaries.slice(4) as [Local, Local, Local, Local];
  const taps = Array.from({ length: kernelH * kernelW }, (_, tap) => {
    return Math.floor(tap / kernelW) * dilationH * rowBytes + (tap % kernelW) * dilationW * input.channelStride;
  });
  for (let pair = 0; pair * 2 < taps.length; pair++) {
    weights.forEach((local, lane) =>
      f
        .get(locals.weight)
        .op('v128.load', { offset: pair * PAIR_BYTES + lane * 16 })
        .set(local),
    );
    for (let pixel = 0; pixel * 4 < locals.accs.length; pixel++) {
      const step = pixel * operation.strides[1] * input.channelStride;
      f.get(locals.from)
        .op('v128.load', { offset: taps[pair * 2]! + step })
        .set(a);
      // a last odd tap meets a weight of 0
      f.get(locals.from)
        .op('v128.load', { offset: taps[Math.min(pair * 2 + 1, taps.length - 1)]! + step })
        .set(b);
      f.get(a).get(b).shuffle(INTERLEAVE_LOW).set(low);
      f.get(a).get(b).shuffle(INTERLEAVE_HIGH).set(high);
      weights.forEach((local, lane) => {
        const acc = locals.accs[pixel * 4 + lane]!;
        f.get(acc)
          .get(lane < 2 ? low : high)
          .op(lane % 2 === 0 ? 'i16x8.extend_low_i8x16_u' : 'i16x8.extend_high_i8x16_u');
        f.get(local).op('i32x4.dot_i16x8_s').op('i32x4.add').set(acc);
      });
    }
  }
}
