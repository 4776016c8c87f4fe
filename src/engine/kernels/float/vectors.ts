import type { FunctionBuilder, Local } from '../../../wasm/index.ts';

/** Float32 lanes of a vector. */
export const LANES = 4;

/** Stores the first `count` lanes of a vector and nothing beyond them. */
export function emitStoreFloats(
  f: FunctionBuilder,
  vector: Local,
  { at, offset, count }: { readonly at: Local; readonly offset: number; readonly count: number },
): void {
  const piece = (op: 'v128.store' | 'v128.store64_lane' | 'v128.store32_lane', shift: number, lane?: number): void => {
    f.get(at)
      .get(vector)
      .op(op, { offset: offset + shift, ...(lane === undefined ? {} : { lane }) });
  };
  if (count >= LANES) piece('v128.store', 0);
  else {
    if (count >= 2) piece('v128.store64_lane', 0, 0);
    if (count % 2 === 1) piece('v128.store32_lane', count === 3 ? 8 : 0, count - 1);
  }
}

const UPPER_HALF = [8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15];
const LOWER_HALVES = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23];

/** Pushes two lanes of a vector as float64: the lower, or the upper. */
export function emitWidened(f: FunctionBuilder, x: Local, half: 0 | 1): void {
  f.get(x);
  if (half === 1) f.get(x).shuffle(UPPER_HALF);
  f.op('f64x2.promote_low_f32x4');
}

/** Adds four float32 to four sums in float64. */
export function emitAddWide(f: FunctionBuilder, x: Local, sums: readonly [Local, Local]): void {
  for (const half of [0, 1] as const) {
    f.get(sums[half]);
    emitWidened(f, x, half);
    f.op('f64x2.add').set(sums[half]);
  }
}

/** Pushes two vectors of float64 as one of float32; `finish` works on each on the stack before it is rounded. */
export function emitNarrowed(
  f: FunctionBuilder,
  halves: readonly [Local, Local],
  finish: () => void = () => undefined,
): void {
  for (const half of halves) {
    f.get(half);
    finish();
    f.op('f32x4.demote_f64x2_zero');
  }
  f.shuffle(LOWER_HALVES);
}
