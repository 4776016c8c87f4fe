import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import type { LookUp } from './lookUp.ts';

/** Entries that share a high nibble. */
const ROWS = 16;
const ROW = 16;

/** Fraction bits of a parabola. */
const FRACTION = 6;

/** A smooth table as one parabola for each 16 entries. */
export interface Parabolas {
  /** Low bytes of c0, its high bytes, c1, c2: 16 of each. */
  readonly coefficients: Uint8Array;
  /** Rows that no parabola gives: they are looked up. */
  readonly exceptions: readonly number[];
}

/** More of them take as long as a lookup of all rows. */
const MOST_EXCEPTIONS = 4;

/** t (t − 1) / 2: with it, all factors of a product stay below 128. */
const pairs = (t: number): number => (t * (t - 1)) / 2;

/**
 * Finds for each row of 16 entries c0, c1 and c2 with
 *
 *   table[16 r + t] = saturate((c0 + c1 · t + c2 · t (t − 1) / 2) >> 6)        for all t, exactly
 *
 * where c1 and c2 are int8, and every sum fits int16.
 */
export function parabolasOf(table: Uint8Array): Parabolas | undefined {
  const coefficients = new Uint8Array(4 * ROWS);
  const exceptions: number[] = [];
  for (let row = 0; row < ROWS; row++) {
    const [c0, c1, c2] = parabolaOf(table.subarray(row * ROW, (row + 1) * ROW)) ?? [];
    if (c0 === undefined || c1 === undefined || c2 === undefined) exceptions.push(row);
    else [c0, c0 >> 8, c1, c2].forEach((byte, part) => (coefficients[part * ROWS + row] = byte & 0xff));
  }
  return exceptions.length <= MOST_EXCEPTIONS ? { coefficients, exceptions } : undefined;
}

/** Coefficients near those of the parabola through the means of a row's thirds. */
function parabolaOf(entries: Uint8Array): [number, number, number] | undefined {
  const mean = (from: number, to: number): number =>
    entries.subarray(from, to).reduce((sum, y) => sum + y, 0) / (to - from);
  // means at t = 2, 7.5 and 13
  const [first, middle, last] = [mean(0, 5), mean(5, 11), mean(11, 16)];
  const one = 1 << FRACTION;
  const bend = ((last - 2 * middle + first) / 5.5 / 11) * 2 * one;
  const slope = ((last - first) / 11) * one;
  for (const c2 of around(Math.round(bend), 6))
    for (const c1 of around(Math.round(slope - 7 * c2), 12)) {
      const c0 = constantOf(entries, c1, c2);
      if (c0 !== undefined) return [c0, c1, c2];
    }
  return undefined;
}

/** The int8 numbers within `reach`, nearest first. */
function around(center: number, reach: number): number[] {
  const near = Array.from({ length: reach }, (_, i) => [center + i + 1, center - i - 1]).flat();
  return [center, ...near].filter((value) => Math.abs(value) <= 127);
}

/** A c0 with which all entries come out; beyond 0 and 255 the result saturates. */
function constantOf(entries: Uint8Array, c1: number, c2: number): number | undefined {
  let low = -32_768;
  let high = 32_767;
  entries.forEach((y, t) => {
    const rest = c1 * t + c2 * pairs(t);
    low = Math.max(low, (y > 0 ? y << FRACTION : -32_768) - rest);
    high = Math.min(high, (y < 255 ? ((y + 1) << FRACTION) - 1 : 32_767) - rest);
  });
  return low <= high ? low : undefined;
}

const LOW_BYTES = Array.from({ length: 16 }, (_, i) => (i % 2) * 16 + (i >> 1));
const HIGH_BYTES = LOW_BYTES.map((byte) => byte + 8);

/**
 * Lookup by parabolas, 16 bytes at a time:
 *
 *   r, t        high and low nibbles
 *   c0, c1, c2  swizzles by r; t (t − 1) / 2 a swizzle by t
 *   y           saturate((c0 + dot((c1, c2), (t, t (t − 1) / 2))) >> 6), 8 bytes in each of two vectors
 *   y           entries of a row that is an exception, where r is that row
 *
 * In range, and with factors below 128, the relaxed instructions leave nothing open.
 */
export function emitParabolas(
  f: FunctionBuilder,
  { index, row, coefficients, afterLookUp }: LookUp & { readonly coefficients: (part: number) => void },
  { exceptions }: Parabolas,
): () => void {
  const constant = (push: () => void): Local => {
    const local = f.local('v');
    push();
    f.set(local);
    return local;
  };
  const nibble = constant(() => f.i32(0x0f).op('i8x16.splat'));
  const triangle = constant(() => f.v128(Array.from({ length: 16 }, (_, t) => pairs(t))));
  const parts = [0, 1, 2, 3].map((part) => constant(() => coefficients(part)));
  const [r, t, u, found] = f.locals('v', 4) as [Local, Local, Local, Local];
  const values = f.locals('v', parts.length);
  const swizzle = (table: Local, by: Local, to: Local): void => {
    f.get(table).get(by).op('i8x16.relaxed_swizzle').set(to);
    afterLookUp?.();
  };
  return () => {
    f.get(index).i32(4).op('i16x8.shr_s').get(nibble).op('v128.and').set(r);
    f.get(index).get(nibble).op('v128.and').set(t);
    swizzle(triangle, t, u);
    parts.forEach((part, at) => swizzle(part, r, values[at]!));
    const [low, high, c1, c2] = values as [Local, Local, Local, Local];
    for (const bytes of [LOW_BYTES, HIGH_BYTES]) {
      f.get(c1).get(c2).shuffle(bytes);
      f.get(t).get(u).shuffle(bytes).op('i16x8.relaxed_dot_i8x16_i7x16_s');
      f.get(low).get(high).shuffle(bytes).op('i16x8.add').i32(FRACTION).op('i16x8.shr_s');
    }
    f.op('i8x16.narrow_i16x8_u');
    for (const exception of exceptions) {
      f.set(found);
      row(exception);
      f.get(t).op('i8x16.relaxed_swizzle').get(found);
      f.get(r).i32(exception).op('i8x16.splat').op('i8x16.eq').op('i8x16.relaxed_laneselect');
    }
  };
}
