import { elementCount, type Shape } from '../../../tensor/index.ts';
import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import type { Layout } from '../../plan/layout.ts';
import type { StepParameters } from '../../plan/step.ts';

/** Elements that a kernel converts at a time: a vector of bytes, four of float32. */
export const BLOCK = 16;

/** A value whose bytes and floats lie in the same order: rows of elements without a gap between floats. */
export interface Rows {
  readonly rows: number;
  readonly elements: number;
  /** From one row of bytes to the next. */
  readonly byteStep: number;
}

/** Rows of a quantized and a float layout; undefined where one has planes and the other pixels. */
export function rowsOf(bytes: Layout, floats: Layout, shape: Shape): Rows | undefined {
  const count = elementCount(shape);
  // behind the end of a value there is room for a block
  const flat = { rows: Math.ceil(count / BLOCK), elements: BLOCK, byteStep: BLOCK };
  if (bytes.kind === 'plain') return floats.kind === 'plain' ? flat : undefined;
  if (bytes.kind !== 'nhwc') return undefined;
  const { channels, channelStride, pixelStride } = bytes;
  const pixels = bytes.height * bytes.width;
  if (channels > 1 && pixels > 1 && floats.kind === 'plain') return undefined;
  if (channelStride % BLOCK !== 0) return undefined;
  if (channels === pixelStride || pixels === 1) return flat;
  return { rows: pixels, elements: channels, byteStep: pixelStride };
}

export interface RowPlace {
  readonly bytes: number;
  readonly floats: number;
}

/**
 * for each row: for each block of 16: convert; the rest of a row is a block of its own, of fewer elements
 *
 * @param convert pushes nothing; `bytes` and `floats` point to a block of `count` elements
 */
export function emitRowLoops(
  f: FunctionBuilder,
  { arena, begin, end }: StepParameters,
  { rows, place }: { readonly rows: Rows; readonly place: RowPlace },
  convert: (block: { readonly bytes: Local; readonly floats: Local; readonly count: number }) => void,
): void {
  const [row, block, bytes, floats] = f.locals('i', 4) as [Local, Local, Local, Local];
  const whole = Math.floor(rows.elements / BLOCK);
  const rest = rows.elements % BLOCK;
  const advance = (pointer: Local, step: number): void => {
    f.get(pointer).i32(step).op('i32.add').set(pointer);
  };
  const start = (pointer: Local, step: number, address: number): void => {
    f.get(begin).i32(step).op('i32.mul').get(arena).op('i32.add').i32(address).op('i32.add').set(pointer);
  };
  start(bytes, rows.byteStep, place.bytes);
  start(floats, rows.elements * 4, place.floats);
  f.repeat(row, { start: begin, end, step: 1 }, () => {
    if (whole > 0)
      f.repeat(block, { start: 0, end: whole, step: 1 }, () => {
        convert({ bytes, floats, count: BLOCK });
        advance(bytes, BLOCK);
        advance(floats, BLOCK * 4);
      });
    if (rest > 0) {
      convert({ bytes, floats, count: rest });
      advance(floats, rest * 4);
    }
    if (rows.byteStep !== whole * BLOCK) advance(bytes, rows.byteStep - whole * BLOCK);
  });
}
