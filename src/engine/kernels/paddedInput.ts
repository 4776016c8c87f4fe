import type { FunctionBuilder, Local } from '../../wasm/index.ts';
import { isContiguous, type NhwcLayout } from '../plan/layout.ts';

/** How an input is laid out for windows that move over it. */
export interface Border {
  /** top, left, bottom, right. */
  readonly pads: readonly [number, number, number, number];
  /** Distance of an input's rows and columns; between them lies padding (transposed convolutions). Absent: 1. */
  readonly spread?: readonly [number, number];
}

/** An NHWC input with its spatial padding made real, in scratch memory. */
export interface PaddedInput {
  readonly height: number;
  readonly width: number;
  /** From one pixel to the next. */
  readonly pixelBytes: number;
  /** 0 where nothing is padded: then the input is read where it lies. */
  readonly scratchBytes: number;
}

export function paddedInput(input: NhwcLayout, { pads, spread = [1, 1] }: Border): PaddedInput {
  const [top, left, bottom, right] = pads;
  const height = (input.height - 1) * spread[0] + 1 + top + bottom;
  const width = (input.width - 1) * spread[1] + 1 + left + right;
  const padded = pads.some((pad) => pad > 0) || spread.some((distance) => distance > 1);
  if (!padded) return { height, width, pixelBytes: input.pixelStride, scratchBytes: 0 };
  // each row is filled up to the first pixel of the next, the last one too
  const bytes = (height * width + left) * input.channelStride;
  return { height, width, pixelBytes: input.channelStride, scratchBytes: Math.ceil((bytes + 64) / 64) * 64 };
}

interface Place {
  readonly arena: Local;
  readonly source: number;
  /** Address of the calling thread's scratch. */
  readonly scratch: Local;
  readonly fill: number;
}

/** Copies the input into scratch with `fill` around it, and returns the local that holds the address to read from. */
export function emitPaddedInput(f: FunctionBuilder, input: NhwcLayout, border: Border, place: Place): Local {
  const start = f.local('i');
  if (paddedInput(input, border).scratchBytes === 0) {
    f.get(place.arena).i32(place.source).op('i32.add').set(start);
    return start;
  }
  f.get(place.scratch).set(start);
  if (border.spread?.some((distance) => distance > 1)) emitSpread(f, input, border, start, place);
  else emitFrame(f, input, border, start, place);
  return start;
}

/** fill top rows and left; for each row: copy the row, or pixel by pixel what lies apart, fill right and the next left; fill bottom rows */
function emitFrame(f: FunctionBuilder, input: NhwcLayout, border: Border, start: Local, place: Place): void {
  const [top, left, bottom, right] = border.pads;
  const { width, pixelBytes } = paddedInput(input, border);
  const paddedRow = width * pixelBytes;
  const [to, from, y, x] = f.locals('i', 4) as [Local, Local, Local, Local];
  const copy = (bytes: number, step: number): void => {
    f.get(to).get(from).i32(bytes).op('memory.copy');
    f.get(from).i32(step).op('i32.add').set(from);
    f.get(to).i32(bytes).op('i32.add').set(to);
  };
  const fill = (bytes: number): void => {
    if (bytes === 0) return;
    f.get(to).i32(place.fill).i32(bytes).op('memory.fill');
    f.get(to).i32(bytes).op('i32.add').set(to);
  };
  f.get(start).set(to);
  f.get(place.arena).i32(place.source).op('i32.add').set(from);
  fill(top * paddedRow + left * pixelBytes);
  f.repeat(y, { start: 0, end: input.height, step: 1 }, () => {
    if (isContiguous(input)) copy(input.width * pixelBytes, input.width * pixelBytes);
    else f.repeat(x, { start: 0, end: input.width, step: 1 }, () => copy(pixelBytes, input.pixelStride));
    fill((left + right) * pixelBytes);
  });
  // the left padding of the row after the last is there; the bottom goes on behind it
  fill(bottom * paddedRow);
}

/** fill everything; for each row, for each pixel: copy the pixel to its place */
function emitSpread(f: FunctionBuilder, input: NhwcLayout, border: Border, start: Local, place: Place): void {
  const [top, left] = border.pads;
  const [rows, columns] = border.spread ?? [1, 1];
  const { width, height, pixelBytes } = paddedInput(input, border);
  const paddedRow = width * pixelBytes;
  const [to, toRow, from, y, x] = f.locals('i', 5) as [Local, Local, Local, Local, Local];
  f.get(start)
    .i32(place.fill)
    .i32(height * paddedRow)
    .op('memory.fill');
  f.get(start)
    .i32(top * paddedRow + left * pixelBytes)
    .op('i32.add')
    .set(toRow);
  f.get(place.arena).i32(place.source).op('i32.add').set(from);
  f.repeat(y, { start: 0, end: input.height, step: 1 }, () => {
    f.get(toRow).set(to);
    f.repeat(x, { start: 0, end: input.width, step: 1 }, () => {
      f.get(to).get(from).i32(pixelBytes).op('memory.copy');
      f.get(from).i32(input.pixelStride).op('i32.add').set(from);
      f.get(to)
        .i32(columns * pixelBytes)
        .op('i32.add')
        .set(to);
    });
    f.get(toRow)
      .i32(rows * paddedRow)
      .op('i32.add')
      .set(toRow);
  });
}
