import type { FunctionBuilder, Local } from '../../wasm/index.ts';
import type { NhwcLayout } from '../plan/layout.ts';

/** An NHWC input with its spatial padding made real, in scratch memory. */
export interface PaddedInput {
  readonly height: number;
  readonly width: number;
  readonly pixelBytes: number;
  /** 0 where nothing is padded: then the input is read where it lies. */
  readonly scratchBytes: number;
}

export function paddedInput(input: NhwcLayout, pads: readonly [number, number, number, number]): PaddedInput {
  const [top, left, bottom, right] = pads;
  const height = input.height + top + bottom;
  const width = input.width + left + right;
  const padded = pads.some((pad) => pad > 0);
  // each row is filled up to the first pixel of the next, the last one too
  const bytes = (height * width + left) * input.channelStride;
  return {
    height,
    width,
    pixelBytes: input.channelStride,
    scratchBytes: padded ? Math.ceil((bytes + 64) / 64) * 64 : 0,
  };
}

/**
 * Copies the input into scratch with `fill` around it, and returns the local that holds the address to read from.
 *
 *   fill top rows and left; for each row: copy the row, fill right and the next left; fill bottom rows
 */
export function emitPaddedInput(
  f: FunctionBuilder,
  input: NhwcLayout,
  pads: readonly [number, number, number, number],
  place: { arena: Local; source: number; scratch: number; fill: number },
): Local {
  const [top, left, bottom, right] = pads;
  const padded = paddedInput(input, pads);
  const start = f.local('i');
  if (padded.scratchBytes === 0) {
    f.get(place.arena).i32(place.source).op('i32.add').set(start);
    return start;
  }
  f.get(place.arena).i32(place.scratch).op('i32.add').set(start);
  const pixel = padded.pixelBytes;
  const paddedRow = padded.width * pixel;
  const row = input.width * pixel;
  const to = f.local('i');
  const from = f.local('i');
  const y = f.local('i');
  const fill = (bytes: number): void => {
    if (bytes === 0) return;
    f.get(to).i32(place.fill).i32(bytes).op('memory.fill');
    f.get(to).i32(bytes).op('i32.add').set(to);
  };
  f.get(start).set(to);
  f.get(place.arena).i32(place.source).op('i32.add').set(from);
  fill(top * paddedRow + left * pixel);
  f.repeat(y, { start: 0, end: input.height, step: 1 }, () => {
    f.get(to).get(from).i32(row).op('memory.copy');
    f.get(from).i32(row).op('i32.add').set(from);
    f.get(to).i32(row).op('i32.add').set(to);
    fill((left + right) * pixel);
  });
  // the left padding of the row after the last is there; the bottom goes on behind it
  fill(bottom * paddedRow);
  return start;
}
