import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import type { LookUp } from './lookUp.ts';

const ROWS = 16;

function splat(f: FunctionBuilder, byte: number): Local {
  const local = f.local('v');
  f.i32(byte).op('i8x16.splat').set(local);
  return local;
}

/**
 * Sixteen swizzles, each over the 16 entries that share a high nibble: an index outside of them gives 0, so the results are
 * joined by OR.
 *
 *   y = swizzle(row 0, x) | swizzle(row 1, x − 16) | … | swizzle(row 15, x − 240)
 */
export function emitSwizzle(f: FunctionBuilder, { index, row }: LookUp): () => void {
  const sixteen = splat(f, 16);
  return () => {
    for (let nibble = 0; nibble < ROWS; nibble++) {
      row(nibble);
      f.get(index).op('i8x16.swizzle');
      if (nibble > 0) f.op('v128.or');
      f.get(index).get(sixteen).op('i8x16.sub').set(index);
    }
  };
}

/**
 * The low nibble looks up in all rows, the high nibble's bits choose in a tree; rows that are alike are looked up once. In
 * range, and with whole lanes as masks, the relaxed instructions leave nothing open.
 *
 *   bit 7            ┌───────┴───────┐
 *   bit 6        ┌───┴───┐       ┌───┴───┐
 *   bit 5      ┌─┴─┐   ┌─┴─┐   ┌─┴─┐   ┌─┴─┐
 *   bit 4     0 1 2 3 4 5 6 7 8 9 …      14 15     swizzle(row, x & 15)
 */
export function emitSelect(f: FunctionBuilder, { index, row, afterLookUp }: LookUp, table: Uint8Array): () => void {
  const low = splat(f, 0x0f);
  const bits = [4, 5, 6, 7].map((bit) => splat(f, 1 << bit));
  const masks = f.locals('v', bits.length);
  const inRow = f.local('v');
  const entries = (nibble: number): string => table.subarray(nibble * ROWS, (nibble + 1) * ROWS).join();
  const alike = (first: number, count: number): boolean =>
    Array.from({ length: count }, (_, i) => entries(first + i)).every((text) => text === entries(first));
  const choose = (first: number, level: number): void => {
    const half = 2 ** (level - 1);
    if (level === 0 || alike(first, half * 2)) {
      row(first);
      f.get(inRow).op('i8x16.relaxed_swizzle');
      afterLookUp?.();
      return;
    }
    choose(first + half, level - 1);
    choose(first, level - 1);
    f.get(masks[level - 1]!).op('i8x16.relaxed_laneselect');
  };
  return () => {
    f.get(index).get(low).op('v128.and').set(inRow);
    bits.forEach((bit, level) => f.get(index).get(bit).op('v128.and').get(bit).op('i8x16.eq').set(masks[level]!));
    choose(0, bits.length);
  };
}
