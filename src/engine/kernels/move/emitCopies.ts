import type { FunctionBuilder, Instruction, Local } from '../../../wasm/index.ts';
import type { Copy } from './copies.ts';

const VECTOR_BYTES = 16;

/** Runs longer than this are left to memory.copy, which pays for its call there. */
const LONG_BYTES = 2048;

/** Runs up to this are written out, longer ones loop. */
const UNROLLED_BYTES = 128;

/** Where a copy reads: address of its operand, or the vector that fills where nothing is read. */
export type Source =
  { readonly kind: 'memory'; readonly start: () => void } | { readonly kind: 'fill'; readonly vector: Local };

interface Nest {
  readonly copy: Copy;
  readonly source: Source;
  /** Pushes the address of the output. */
  readonly target: () => void;
  /** Iterations of the outermost loop; absent: all. */
  readonly range?: { readonly begin: Local; readonly end: Local } | undefined;
}

/**
 * One nest:
 *
 *   for i in begin … end of the outermost loop, for each inner loop: copy a run
 */
export function emitCopy(f: FunctionBuilder, { copy, source, target, range }: Nest): void {
  const [from, to] = f.locals('i', 2) as [Local, Local];
  const [outermost] = copy.loops;
  const start = (pointer: Local, base: () => void, step: number): void => {
    base();
    if (range && step !== 0) f.get(range.begin).i32(step).op('i32.mul').op('i32.add');
    f.set(pointer);
  };
  const offset = (base: () => void, bytes: number) => (): void => {
    base();
    f.i32(bytes).op('i32.add');
  };
  start(to, offset(target, copy.to), outermost?.to ?? 0);
  if (source.kind === 'memory') start(from, offset(source.start, copy.from), outermost?.from ?? 0);
  emitLoops(f, { copy, source, from, to, range }, 0);
}

interface Walk {
  readonly copy: Copy;
  readonly source: Source;
  readonly from: Local;
  readonly to: Local;
  readonly range: Nest['range'];
}

/** Pointers are moved by each loop and moved back behind it. */
function emitLoops(f: FunctionBuilder, walk: Walk, depth: number): void {
  const { copy, source, from, to, range } = walk;
  const loop = copy.loops[depth];
  if (!loop) {
    emitRun(f, walk, { from: 0, to: 0 });
    return;
  }
  const counter = f.local('i');
  const innermost = depth === copy.loops.length - 1;
  const ranged = depth === 0 && range !== undefined;
  const together = innermost && !ranged ? unrolling(copy) : 1;
  const advance = (pointer: Local, bytes: number): void => {
    if (bytes !== 0) f.get(pointer).i32(bytes).op('i32.add').set(pointer);
  };
  const bounds = ranged ? { start: range.begin, end: range.end } : { start: 0, end: loop.count };
  f.repeat(counter, { ...bounds, step: together }, () => {
    if (innermost) for (let i = 0; i < together; i++) emitRun(f, walk, { from: i * loop.from, to: i * loop.to });
    else emitLoops(f, walk, depth + 1);
    if (source.kind === 'memory') advance(from, together * loop.from);
    advance(to, together * loop.to);
  });
  if (depth === 0) return;
  if (source.kind === 'memory') advance(from, -loop.count * loop.from);
  advance(to, -loop.count * loop.to);
}

/** Runs of an innermost loop that are written out side by side: short ones, at distances that fit an offset. */
function unrolling({ bytes, loops }: Copy): number {
  const { count = 1, from = 0, to = 0 } = loops.at(-1) ?? {};
  if (bytes > VECTOR_BYTES || from < 0 || to < 0) return 1;
  return [8, 6, 4, 3, 2].find((size) => count % size === 0) ?? 1;
}

/** One run, as vectors and at last what is shorter; where it is longer than a vector, the last one overlaps. */
function emitRun(
  f: FunctionBuilder,
  { copy: { bytes }, source, from, to }: Walk,
  at: { from: number; to: number },
): void {
  if (bytes > LONG_BYTES && source.kind === 'memory') {
    f.get(to).i32(at.to).op('i32.add').get(from).i32(at.from).op('i32.add').i32(bytes).op('memory.copy');
    return;
  }
  const piece = (offset: number, size: Size): void => {
    f.get(to);
    if (source.kind === 'memory') f.get(from).op(loads[size], { offset: at.from + offset });
    else f.get(source.vector);
    if (size === VECTOR_BYTES) f.op('v128.store', { offset: at.to + offset });
    else emitStorePiece(f, size, at.to + offset);
  };
  const whole = Math.floor(bytes / VECTOR_BYTES);
  let done = 0;
  if (bytes > UNROLLED_BYTES) {
    done = emitVectorLoop(f, { source, from, to }, { vectors: whole, at });
  } else for (; done < whole * VECTOR_BYTES; done += VECTOR_BYTES) piece(done, VECTOR_BYTES);
  if (done === bytes) return;
  if (whole > 0) {
    piece(bytes - VECTOR_BYTES, VECTOR_BYTES);
    return;
  }
  for (const size of [8, 4, 1] as const) for (; bytes - done >= size; done += size) piece(done, size);
}

const loads = {
  1: 'v128.load8_splat',
  4: 'v128.load32_zero',
  8: 'v128.load64_zero',
  16: 'v128.load',
} as const satisfies Record<Size, Instruction>;

type Size = 1 | 4 | 8 | 16;

function emitStorePiece(f: FunctionBuilder, size: Size, offset: number): void {
  if (size === 8) f.op('v128.store64_lane', { offset, lane: 0 });
  else if (size === 4) f.op('v128.store32_lane', { offset, lane: 0 });
  else f.op('v128.store8_lane', { offset, lane: 0 });
}

/** Whole vectors, four in a round. @returns bytes done */
function emitVectorLoop(
  f: FunctionBuilder,
  { source, from, to }: Pick<Walk, 'source' | 'from' | 'to'>,
  { vectors, at }: { readonly vectors: number; readonly at: { readonly from: number; readonly to: number } },
): number {
  const together = vectors % 4 === 0 ? 4 : 1;
  const [counter, source2, target] = f.locals('i', 3) as [Local, Local, Local];
  f.repeat(counter, { start: 0, end: vectors * VECTOR_BYTES, step: together * VECTOR_BYTES }, () => {
    f.get(to).get(counter).op('i32.add').set(target);
    if (source.kind === 'memory') f.get(from).get(counter).op('i32.add').set(source2);
    for (let i = 0; i < together; i++) {
      f.get(target);
      if (source.kind === 'memory') f.get(source2).op('v128.load', { offset: at.from + i * VECTOR_BYTES });
      else f.get(source.vector);
      f.op('v128.store', { offset: at.to + i * VECTOR_BYTES });
    }
  });
  return vectors * VECTOR_BYTES;
}
