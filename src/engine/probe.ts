import { setFlagsFromString } from 'node:v8';
import { ModuleBuilder } from '../wasm/index.ts';
import type { DotSemantics } from './tier.ts';

const PROBE_PAGES = { initial: 1, maximum: 1 };

/** Runs one relaxed dot of splat bytes: 4 · weight · activation, as this machine computes it; undefined if it cannot. */
function relaxedProduct(weight: number, activation: number): number | undefined {
  const module = new ModuleBuilder(PROBE_PAGES);
  const probe = module.function(['i', 'i'], ['i'], (f) => {
    f.get(f.parameter(0)).op('i8x16.splat').get(f.parameter(1)).op('i8x16.splat').i32(0).op('i32x4.splat');
    f.op('i32x4.relaxed_dot_i8x16_i7x16_add_s').op('i32x4.extract_lane');
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
 */
export function probeDotSemantics(): DotSemantics {
  if (relaxedProduct(-3, 5) !== -60) return 'unavailable';
  const high = relaxedProduct(3, 200);
  const extreme = relaxedProduct(127, 255);
  if (high === 4 * 3 * 200 && extreme === 4 * 127 * 255) return 'unsigned';
  if (high === 4 * 3 * -56 && extreme === 4 * 127 * -1) return 'signed';
  return 'saturating';
}

/**
 * Asks V8 to merge pairs of 128-bit operations into 256-bit ones in modules compiled from now on: process wide. What it
 * compiles is trusted only after the self-test.
 */
export function setWide(on: 'on' | 'off'): void {
  setFlagsFromString(on === 'on' ? '--experimental-wasm-revectorize' : '--no-experimental-wasm-revectorize');
}
