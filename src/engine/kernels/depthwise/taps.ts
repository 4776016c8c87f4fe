import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import { CHANNEL_BLOCK } from '../../plan/layout.ts';
import { emitLastFits } from '../loops.ts';
import { paddedInput } from '../paddedInput.ts';
import { emitRequantizer, emitRows, emitScale, rowsScratchBytes } from '../requantize.ts';
import type { Depthwise, DepthwiseForm, Term } from './form.ts';

/** Bytes of the weights of two taps for 16 channels: int16 pairs. */
const PAIR_BYTES = 64;

/** Interleaves the bytes of two vectors: low halves, then high halves. */
const INTERLEAVE_LOW = Array.from({ length: 16 }, (_, i) => (i % 2) * 16 + (i >> 1));
const INTERLEAVE_HIGH = INTERLEAVE_LOW.map((lane) => lane + 8);

/**
 * Any depthwise convolution, 16 channels at a time:
 *
 *   for each output row, for each 16 channels, for each two pixels:     the row's input stays in the cache
 *     acc[2][16] = bias
 *     for each pair of taps (a, b): acc[c] += x_a[c] · w_a[c] + x_b[c] · w_b[c]
 *     y = requantize(acc)
 *
 *   x_a  a0 a1 … a15 ┐ interleave → a0 b0 a1 b1 …, widen to int16
 *   x_b  b0 b1 … b15 ┘             · wa0 wb0 wa1 wb1 … → i32x4.dot_i16x8_s: one sum a channel
 */
export const tapPairs: DepthwiseForm = {
  name: 'taps',
  channels: CHANNEL_BLOCK,
  reads: 'padded input',
  scratchBytes: () => rowsScratchBytes(2),
  terms: ({ weights }) => {
    const [, , kernelH = 1, kernelW = 1] = weights.shape;
    const taps = kernelH * kernelW;
    return Array.from({ length: Math.ceil(taps / 2) }, (_, pair): Term => {
      return [pair * 2, pair * 2 + 1 < taps ? pair * 2 + 1 : undefined];
    });
  },
  emit: emitDepthwise,
};

function emitDepthwise(f: FunctionBuilder, depthwise: Depthwise): void {
  const { operation, input, output, source, place, zeroPoint, rounding, parameters } = depthwise;
  const [weightsAt = 0, biasAt = 0, multipliersAt = 0, capsAt] = place.constants;
  const [, , kernelH = 1, kernelW = 1] = operation.weights.shape;
  const pairs = Math.ceil((kernelH * kernelW) / 2);
  const [y, block, x, weight] = f.locals('i', 4) as [Local, Local, Local, Local];
  const [row, out, from, to] = f.locals('i', 4) as [Local, Local, Local, Local];
  const pixels = Math.min(2, output.width);
  const bias = f.locals('v', 4);
  const multipliers = f.locals('v', 4);
  const accs = f.locals('v', 4 * pixels);
  const temporaries = f.locals('v', 8);
  const requantizer = emitRequantizer(f, { zeroPoint, clamp: operation.clamp, rounding });
  const { width, pixelBytes } = paddedInput(input, operation);
  const rowBytes = width * pixelBytes;
  f.get(parameters.begin)
    .i32(operation.strides[0] * rowBytes)
    .op('i32.mul')
    .get(source)
    .op('i32.add')
    .set(row);
  f.get(parameters.begin)
    .i32(output.width * output.pixelStride)
    .op('i32.mul')
    .get(parameters.arena)
    .op('i32.add')
    .set(out);
  f.repeat(y, { start: parameters.begin, end: parameters.end, step: 1 }, () => {
    f.i32(weightsAt).set(weight);
    f.repeat(block, { start: 0, end: output.channelStride, step: CHANNEL_BLOCK }, () => {
      // one address for all: else V8 does not see that loads are adjacent
      f.get(block).i32(4).op('i32.mul').set(from);
      bias.forEach((local, lane) =>
        f
          .get(from)
          .op('v128.load', { offset: biasAt + lane * 16 })
          .set(local),
      );
      multipliers.forEach((local, lane) =>
        f
          .get(from)
          .op('v128.load', { offset: multipliersAt + lane * 16 })
          .set(local),
      );
      f.repeat(x, { start: 0, end: output.width, step: pixels }, () => {
        emitLastFits(f, x, output.width, pixels);
        const addressOf = (start: Local, step: number, target: Local): void => {
          f.get(x).i32(step).op('i32.mul').get(block).op('i32.add').get(start).op('i32.add').set(target);
        };
        addressOf(row, operation.strides[1] * pixelBytes, from);
        addressOf(out, output.pixelStride, to);
        accs.forEach((acc, index) => f.get(bias[index % 4]!).set(acc));
        emitTaps(f, depthwise, { from, weight, accs, temporaries }, { row: rowBytes, pixel: pixelBytes });
        emitScale(f, accs, multipliers, requantizer);
        emitRows(f, accs, requantizer, {
          scratch: { at: parameters.scratch, offset: depthwise.scratch },
          caps: capsAt === undefined ? undefined : () => f.get(block).op('v128.load', { offset: capsAt }),
          target: (pixel) => {
            f.get(to);
            return place.address(operation.output) + pixel * output.pixelStride;
          },
        });
      });
      f.get(weight)
        .i32(pairs * PAIR_BYTES)
        .op('i32.add')
        .set(weight);
    });
    f.get(row)
      .i32(operation.strides[0] * rowBytes)
      .op('i32.add')
      .set(row);
    f.get(out)
      .i32(output.width * output.pixelStride)
      .op('i32.add')
      .set(out);
  });
}

/** acc += both taps of each pair, for one or two pixels. */
function emitTaps(
  f: FunctionBuilder,
  { operation }: Depthwise,
  locals: { from: Local; weight: Local; accs: readonly Local[]; temporaries: readonly Local[] },
  strides: { readonly row: number; readonly pixel: number },
): void {
  const [, , kernelH = 1, kernelW = 1] = operation.weights.shape;
  const [dilationH, dilationW] = operation.dilations;
  const weights = locals.temporaries.slice(0, 4);
  const [a, b, low, high] = locals.temporaries.slice(4) as [Local, Local, Local, Local];
  const taps = Array.from({ length: kernelH * kernelW }, (_, tap) => {
    return Math.floor(tap / kernelW) * dilationH * strides.row + (tap % kernelW) * dilationW * strides.pixel;
  });
  for (let pair = 0; pair * 2 < taps.length; pair++) {
    weights.forEach((local, lane) =>
      f
        .get(locals.weight)
        .op('v128.load', { offset: pair * PAIR_BYTES + lane * 16 })
        .set(local),
    );
    for (let pixel = 0; pixel * 4 < locals.accs.length; pixel++) {
      const step = pixel * operation.strides[1] * strides.pixel;
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
