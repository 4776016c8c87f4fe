import type { FunctionBuilder, Local } from '../../wasm/index.ts';

/** at = min(at, total − size): the last part overlaps the one before, and computes the same bytes again. */
export function emitLastFits(f: FunctionBuilder, at: Local, total: number, size: number): void {
  if (total % size === 0) return;
  f.block((breakIf) => {
    f.get(at)
      .i32(total - size)
      .op('i32.le_s');
    breakIf();
    f.i32(total - size).set(at);
  });
}
