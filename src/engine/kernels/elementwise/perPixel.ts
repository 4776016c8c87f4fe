import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import { CHANNEL_BLOCK } from '../../plan/layout.ts';
import type { Placement, StepParameters } from '../../plan/step.ts';
import { emitLastFits } from '../loops.ts';
import { emitRows } from '../requantize.ts';
import { emitArithmetic, LANES, type Binary } from './arithmetic.ts';

/** Bytes of the image that a unit takes: they and as many results stay in the cache. */
const UNIT_BYTES = 8192;

/** An image and one pixel's channels for all of it. */
export interface PixelWise extends Binary {
  readonly pixels: number;
  readonly channelStride: number;
}

/** Pixels of a unit: all units are alike, so the last overlaps the one before where they do not divide the image. */
const unitPixels = ({ pixels, channelStride }: PixelWise): number =>
  Math.min(pixels, Math.max(2, Math.floor(UNIT_BYTES / channelStride)));

export const perPixelUnits = (binary: PixelWise): number => Math.ceil(binary.pixels / unitPixels(binary));

/**
 *   for each unit, for each 16 channels:
 *     b = f32 of the small operand's channels         stays in registers
 *     for each two pixels: y = requantize(f32 of the image's channels, b)
 */
export function emitPerPixel(
  f: FunctionBuilder,
  binary: PixelWise,
  place: Placement,
  { arena, scratch, begin, end }: StepParameters,
): void {
  const { large, small, operation, pixels, channelStride } = binary;
  const arithmetic = emitArithmetic(f, binary);
  const [unit, first, channel, smallAt, pixel, at] = f.locals('i', 6) as [Local, Local, Local, Local, Local, Local];
  const count = unitPixels(binary);
  const rows = Math.min(2, count);
  const fixed = f.locals('v', LANES);
  f.repeat(unit, { start: begin, end, step: 1 }, () => {
    f.get(unit).i32(count).op('i32.mul').set(first);
    emitLastFits(f, first, pixels, count);
    f.repeat(channel, { start: 0, end: channelStride, step: CHANNEL_BLOCK }, () => {
      f.get(arena).get(channel).op('i32.add').set(smallAt);
      arithmetic.small(smallAt, place.address(small.name)).forEach((real, lane) => f.get(real).set(fixed[lane]!));
      f.repeat(pixel, { start: 0, end: count, step: rows }, () => {
        emitLastFits(f, pixel, count, rows);
        f.get(first).get(pixel).op('i32.add').i32(channelStride).op('i32.mul').get(smallAt).op('i32.add').set(at);
        const results = Array.from({ length: rows }, (_, row) => {
          const a = arithmetic.large(at, place.address(large.name) + row * channelStride);
          arithmetic.combine(a, fixed);
          return a;
        });
        emitRows(f, results.flat(), arithmetic.requantizer, {
          scratch: { at: scratch, offset: 0 },
          target: (row) => {
            f.get(at);
            return place.address(operation.output) + row * channelStride;
          },
        });
      });
    });
  });
}
