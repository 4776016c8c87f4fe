import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import { emitLastFits } from '../loops.ts';
import { paddedInput } from '../paddedInput.ts';
import { tilesOf, type FastConv } from './fast.ts';

/** Sets y and x to the first pixel of a tile, which may be y itself: the last of a row or column overlaps the one before. */
export function emitOrigin(f: FunctionBuilder, conv: FastConv, tile: Local, origin: { y: Local; x: Local }): void {
  const { form, height, width } = conv;
  const columns = tilesOf(width, form);
  const { y, x } = origin;
  f.get(tile).i32(columns).op('i32.rem_u').i32(form.outputs).op('i32.mul').set(x);
  f.get(tile).i32(columns).op('i32.div_u').i32(form.outputs).op('i32.mul').set(y);
  emitLastFits(f, y, height, form.outputs);
  emitLastFits(f, x, width, form.outputs);
}

/** Bytes from one pixel and one row of the padded input to the next. */
export function paddedStrides(conv: FastConv): { readonly pixel: number; readonly row: number } {
  const { width, pixelBytes } = paddedInput(conv.input, conv);
  return { pixel: pixelBytes, row: width * pixelBytes };
}
