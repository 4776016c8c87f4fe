import { setFlagsFromString } from 'node:v8';
import { ModuleBuilder, type Local } from '../wasm/index.ts';
import { relaxedDot, relaxedWords, type RelaxedDot } from './dot.ts';
import type { DotSemantics } from './tier.ts';

const PROBE_PAGES = { initial: 1, maximum: 1 };

/** Pairs in int16, summed in int32: 4 · weight · activation where the pairs fit. */
const dotOfWords: RelaxedDot = (f, operands) => {
  relaxedWords(f, operands);
  f.i32(1).op('i16x8.splat').op('i32x4.dot_i16x8_s').set(operands.acc);
};

/** Runs one relaxed dot of splat bytes: 4 · weight · activation, as this machine computes it; undefined if it cannot. */
function relaxedProduct(dot: RelaxedDot, weight: number, activation: number): number | undefined {
  const module = new ModuleBuilder(PROBE_PAGES);
  const probe = module.function(['i', 'i'], ['i'], (f) => {
    const [acc, activations, weights] = f.locals('v', 3) as [Local, Local, Local];
    f.get(f.parameter(0)).op('i8x16.splat').set(weights);
    f.get(f.parameter(1)).op('i8x16.splat').set(activations);
    dot(f, { acc, activations, weights });
    f.get(acc).op('i32x4.extract_lane');
  });
  module.export('probe', probe);
  const bytes = module.bytes();
  if (!WebAssembly.validate(bytes)) return undefined;
  const memory = new WebAssembly.Memory({ ...PROBE_PAGES, shared: true });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  return (exports['probe'] as (weight: number, activation: number) => number)(weight, activation);
}

/**
 * What the relaxed dot makes of activations above 127: found by value, never assumed. 200 as u8 or as s8 (−56) tells the
 * two exact semantics apart; 127 · 255 · 4 saturates where pairs are summed in int16.
 *
 * @param dot the instruction, or in tests an emulation of what another machine makes of it
 */
export function probeDotSemantics(dot: RelaxedDot = relaxedDot): DotSemantics {
  if (relaxedProduct(dot, -3, 5) !== -60) return 'unavailable';
  const high = relaxedProduct(dot, 3, 200);
  const extreme = relaxedProduct(dot, 127, 255);
  if (high === 4 * 3 * 200 && extreme === 4 * 127 * 255) return 'unsigned';
  if (high === 4 * 3 * -56 && extreme === 4 * 127 * -1) return 'signed';
  // what small weights need of pairs in int16: activations as u8, and their largest sums
  const words = [64, -64].every((weight) => relaxedProduct(dotOfWords, weight, 255) === 4 * weight * 255);
  return words ? 'saturating' : 'unavailable';
}

/**
 * Asks V8 to merge pairs of 128-bit operations into 256-bit ones in modules compiled from now on: process wide. What it
 * compiles is trusted only after the self-test.
 */
export function setWide(on: 'on' | 'off'): void {
  setFlagsFromString(on === 'on' ? '--experimental-wasm-revectorize' : '--no-experimental-wasm-revectorize');
}
