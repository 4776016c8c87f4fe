import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import { emitLastFits } from '../loops.ts';
import { LANES } from './vectors.ts';

/**
 * Stretches of memory of `size` elements, that sums run along: `inner` of them side by side, or one behind the other where
 * `inner` is 1. Four are taken together, a lane each.
 */
export interface Stretches {
  readonly size: number;
  readonly inner: number;
  readonly count: number;
}

/** Groups of four stretches; the last overlaps the one before it where it can. */
export function groupsOf({ inner, count }: Stretches): number {
  return inner === 1 ? Math.ceil(count / LANES) : (count / inner) * Math.ceil(inner / LANES);
}

/** Lanes of a group that are stretches of their own. */
export function lanesOf({ inner, count }: Stretches): number {
  return Math.min(LANES, inner === 1 ? count : inner);
}

/**
 * start = bytes to the first element of a group's first stretch; first = the number of that stretch
 *
 * @param group index of the group
 */
export function emitGroupStart(
  f: FunctionBuilder,
  stretches: Stretches,
  { group, first, start }: { readonly group: Local; readonly first: Local; readonly start: Local },
): void {
  const { size, inner, count } = stretches;
  if (inner === 1) {
    f.get(group).i32(LANES).op('i32.mul').set(first);
    if (count >= LANES) emitLastFits(f, first, count, LANES);
    f.get(first)
      .i32(size * 4)
      .op('i32.mul')
      .set(start);
    return;
  }
  const column = f.local('i');
  const groups = Math.ceil(inner / LANES);
  f.get(group).i32(groups).op('i32.rem_u').i32(LANES).op('i32.mul').set(column);
  if (inner >= LANES) emitLastFits(f, column, inner, LANES);
  f.get(group).i32(groups).op('i32.div_u').tee(start).i32(inner).op('i32.mul').get(column).op('i32.add').set(first);
  f.get(start)
    .i32(size * inner)
    .op('i32.mul')
    .get(column)
    .op('i32.add')
    .i32(4)
    .op('i32.mul')
    .set(start);
}

/**
 * take(x) for each element of four stretches in order, a lane each:
 *
 *   side by side             one behind the other: blocks of 4 x 4 are transposed
 *   x = four neighbours        a0 a1 a2 a3        a0 b0 c0 d0
 *                              b0 b1 b2 b3   ──▶  a1 b1 c1 d1
 *                              c0 c1 c2 c3        a2 b2 c2 d2
 *                              d0 d1 d2 d3        a3 b3 c3 d3
 *
 * @param start address of the first element, without `offset`
 */
export function emitAlong(
  f: FunctionBuilder,
  stretches: Stretches,
  { start, offset }: { readonly start: Local; readonly offset: number },
  take: (x: Local) => void,
): void {
  const { size, inner } = stretches;
  const [at, k] = f.locals('i', 2) as [Local, Local];
  const x = f.local('v');
  f.get(start).set(at);
  if (inner > 1) {
    f.repeat(k, { start: 0, end: size, step: 1 }, () => {
      f.get(at).op('v128.load', { offset }).set(x);
      take(x);
      f.get(at)
        .i32(inner * 4)
        .op('i32.add')
        .set(at);
    });
    return;
  }
  const lanes = lanesOf(stretches);
  // lanes without a stretch of their own repeat the last one
  const offsets = [0, 1, 2, 3].map((lane) => offset + Math.min(lane, lanes - 1) * size * 4);
  const rows = f.locals('v', LANES);
  const whole = Math.floor(size / LANES);
  if (whole > 0)
    f.repeat(k, { start: 0, end: whole, step: 1 }, () => {
      rows.forEach((row, lane) => f.get(at).op('v128.load', { offset: offsets[lane]! }).set(row));
      emitTransposed(f, rows);
      for (const row of rows) take(row);
      f.get(at)
        .i32(LANES * 4)
        .op('i32.add')
        .set(at);
    });
  for (let left = 0; left < size % LANES; left++) {
    f.get(at)
      .op('v128.load32_zero', { offset: offsets[0]! + left * 4 })
      .set(x);
    for (const lane of [1, 2, 3])
      f.get(at)
        .get(x)
        .op('v128.load32_lane', { offset: offsets[lane]! + left * 4, lane })
        .set(x);
    take(x);
  }
}

const LOW = [0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23];
const HIGH = LOW.map((byte) => byte + 8);
const LOWER = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23];
const UPPER = LOWER.map((byte) => byte + 8);

/** Four vectors become their columns. */
export function emitTransposed(f: FunctionBuilder, rows: readonly Local[]): void {
  const [a, b, c, d] = rows as [Local, Local, Local, Local];
  const [ab, cd] = f.locals('v', 2) as [Local, Local];
  f.get(a).get(b).shuffle(LOW).set(ab).get(c).get(d).shuffle(LOW).set(cd);
  f.get(a).get(b).shuffle(HIGH).set(b).get(c).get(d).shuffle(HIGH).set(d);
  f.get(ab).get(cd).shuffle(LOWER).set(a).get(b).get(d).shuffle(LOWER).set(c);
  f.get(b).get(d).shuffle(UPPER).set(d).get(ab).get(cd).shuffle(UPPER).set(b);
}
