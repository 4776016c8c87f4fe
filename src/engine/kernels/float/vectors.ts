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
