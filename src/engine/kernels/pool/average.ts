import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import { stepFunction, type KernelPlanner } from '../../plan/step.ts';
import { paddedInput } from '../paddedInput.ts';
import { bytesOf, emitNarrow, emitRequantizer, emitScale, roundingWithin } from '../requantize.ts';
import { emitTaps, emitWindows, isGlobal, poolOf, tapCounts, unitsOf, type Pool, type WindowLocals } from './window.ts';

/**
 * y = requantize(Σ (x − zx), multiplier of the pixel) over an input padded with zx, which adds nothing. Bytes are summed in
 * 16 bits as long as they fit, then in 32; the zero points are taken off at the start.
 */
export const planAveragePool: KernelPlanner = (operation, context) => {
  if (operation.kind !== 'averagePool') return undefined;
  const pool = poolOf(operation, context);
  const from = context.graph.values.get(operation.input);
  const to = context.graph.values.get(operation.output);
  if (!pool || from?.kind !== 'quantized' || to?.kind !== 'quantized') return undefined;
  const taps = pool.kernel[0] * pool.kernel[1];
  const ratio = Math.fround(from.scale / to.scale);
  const multipliers = Float32Array.from(tapCounts(pool), (count) =>
    Math.fround(ratio / (operation.countIncludePad ? taps : Math.max(count, 1))),
  );
  return {
    runs: 'wasm',
    operation,
    kernel: `averagePool${pool.kernel.join('x')}`,
    macs: 0,
    constants: [bytesOf(multipliers)],
    scratchBytes: paddedInput(pool.input, pool).scratchBytes,
    units: unitsOf(pool),
    reads: isGlobal(pool) ? 'panels' : undefined,
    emit: (module, place) =>
      stepFunction(module, (f, parameters) => {
        const accs = f.locals('v', 4);
        const words = f.locals('v', 2);
        const [multiplier, zero] = f.locals('v', 2) as [Local, Local];
        const rounding = roundingWithin(taps * 255 * Math.max(...multipliers));
        const requantizer = emitRequantizer(f, { ...to, clamp: operation.clamp, rounding });
        f.i32(-from.zeroPoint * taps)
          .op('i32x4.splat')
          .set(zero);
        emitWindows(
          f,
          pool,
          { place, parameters, operation, fill: from.zeroPoint },
          ({ from: start, to: target, offsets, pixel }) => {
            for (const acc of accs) f.get(zero).set(acc);
            emitSums(f, pool, { start, offsets, accs, words });
            f.get(pixel)
              .i32(2)
              .op('i32.shl')
              .op('v128.load32_splat', { offset: place.constants[0] ?? 0 })
              .set(multiplier);
            emitScale(f, accs, [multiplier], requantizer);
            f.get(target);
            emitNarrow((lane) => f.get(accs[lane]!), requantizer);
            f.op('v128.store');
          },
        );
      }),
  };
};

/** Bytes that fit a sum of 16 bits: 257 · 255 = 65,535. */
const WORD_TAPS = 257;

/** accs += Σ of a window's bytes; moves from words to accs after as many taps as fit. */
function emitSums(
  f: FunctionBuilder,
  pool: Pool,
  { start, offsets, accs, words }: Sums & { readonly start: Local; readonly offsets: WindowLocals['offsets'] },
): void {
  const [kernelH, kernelW] = pool.kernel;
  const clear = (): void => {
    for (const word of words) f.i32(0).op('i16x8.splat').set(word);
  };
  const move = (): void => {
    emitWords(f, { accs, words });
    clear();
  };
  clear();
  emitTaps(f, pool, start, offsets, {
    tap: ({ at, offset }) => {
      words.forEach((word, half) =>
        f
          .get(at)
          .op('v128.load8x8_u', { offset: offset + half * 8 })
          .get(word)
          .op('i16x8.add')
          .set(word),
      );
      if (kernelW > WORD_TAPS) move();
    },
    afterRow: () => {
      if (kernelW <= WORD_TAPS && kernelH * kernelW > WORD_TAPS) move();
    },
  });
  if (kernelH * kernelW <= WORD_TAPS) emitWords(f, { accs, words });
}

/** Sums of 16 channels: two vectors of words, four of int32. */
interface Sums {
  readonly accs: readonly Local[];
  readonly words: readonly Local[];
}

function emitWords(f: FunctionBuilder, { accs, words }: Sums): void {
  accs.forEach((acc, lane) => {
    f.get(words[lane >> 1]!).op(lane % 2 === 0 ? 'i32x4.extend_low_i16x8_u' : 'i32x4.extend_high_i16x8_u');
    f.get(acc).op('i32x4.add').set(acc);
  });
}
