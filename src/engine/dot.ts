import type { FunctionBuilder, Local } from '../wasm/index.ts';
import type { DotSemantics, Tier } from './tier.ts';

/**
 * How products of activations and weights are summed in int32. A microkernel steps over K in groups of `group` values: it
 * splats one group of an activation row over a vector and multiplies it by the same group of four channels' weights.
 */
export interface DotStrategy {
  readonly name: 'pairs' | 'unsigned' | 'signed';
  /** Values of K that one 32-bit lane takes. */
  readonly group: 2 | 4;
  /** Pixels of a tile. V8 has 15 vector registers to give: rows · 2 sums, 2 weights, 1 splat, and what `emit` needs. */
  readonly rows: number;
  /** Bytes of one packed activation, and of one packed weight. */
  readonly operandBytes: 2 | 1;
  /** XOR of every activation byte when it is packed; moves the zero point by −128. */
  readonly flipsSign: boolean;
  /** Whether weights must be int8 without their zero point subtracted. */
  readonly plainWeights: boolean;
  /** Whether other relaxed instructions may be used too, with operands for which they are defined. */
  readonly relaxed: boolean;
  /** acc += Σ over the group of activations · weights, lane by lane. */
  emit(f: FunctionBuilder, operands: { acc: Local; activations: Local; weights: Local }): void;
}

/**
 * int16 pairs by `i32x4.dot_i16x8_s`: exact on every machine. |x| ≤ 255 and |w − zw| ≤ 255, so a pair stays below 2¹⁷.
 */
export const pairs: DotStrategy = {
  name: 'pairs',
  group: 2,
  rows: 4,
  operandBytes: 2,
  flipsSign: false,
  plainWeights: false,
  relaxed: false,
  emit: (f, { acc, activations, weights }) => {
    f.get(acc).get(activations).get(weights).op('i32x4.dot_i16x8_s').op('i32x4.add').set(acc);
  },
};

/** Pairs where relaxed instructions exist, but their dot product is not exact. */
export const relaxedPairs: DotStrategy = { ...pairs, relaxed: true };

/** Emits acc + dot(weights, activations) for the relaxed instruction or an exact emulation of one of its semantics. */
export type RelaxedDot = (f: FunctionBuilder, operands: { acc: Local; activations: Local; weights: Local }) => void;

/** The instruction itself: the first operand is read as s8, the second as this machine reads it. */
export const relaxedDot: RelaxedDot = (f, { acc, activations, weights }) => {
  f.get(weights).get(activations).get(acc).op('i32x4.relaxed_dot_i8x16_i7x16_add_s').set(acc);
};

/**
 * The exact sum in plain SIMD, the second operand read as u8 or s8: what the relaxed instruction gives where it is exact.
 * Even and odd bytes become two vectors of int16, whose pairwise products are summed in int32.
 */
export function emulatedDot(activationsAre: 'unsigned' | 'signed'): RelaxedDot {
  const widen = activationsAre === 'unsigned' ? 'u' : 's';
  return (f, { acc, activations, weights }) => {
    const half = (part: 'low' | 'high'): void => {
      f.get(weights).op(`i16x8.extend_${part}_i8x16_s`);
      f.get(activations).op(`i16x8.extend_${part}_i8x16_${widen}`);
      f.op('i32x4.dot_i16x8_s');
    };
    // low half: pair sums of groups 0, 0, 1, 1; high half: of groups 2, 2, 3, 3
    const low = f.local('v');
    const high = f.local('v');
    half('low');
    f.set(low);
    half('high');
    f.set(high);
    f.get(acc);
    f.get(low).get(high).shuffle([0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27]);
    f.get(low).get(high).shuffle([4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31]);
    f.op('i32x4.add').op('i32x4.add').set(acc);
  };
}

/** Bytes of the even, and of the odd int16 lanes of two vectors laid end to end. */
const EVEN_WORDS = [0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29];
const ODD_WORDS = EVEN_WORDS.map((byte) => byte + 2);

/**
 * What the relaxed instruction gives where it is a `pmaddubsw`: products of u8 and s8, each pair of them saturated to int16.
 * No strategy can use it; tests find with it what the probe makes of such a machine.
 */
export const saturatingDot: RelaxedDot = (f, { acc, activations, weights }) => {
  const [low, high] = [f.local('v'), f.local('v')];
  const products = (part: 'low' | 'high'): void => {
    f.get(weights).op(`i16x8.extend_${part}_i8x16_s`);
    f.get(activations).op(`i16x8.extend_${part}_i8x16_u`);
    f.op('i16x8.mul');
  };
  products('low');
  f.set(low);
  products('high');
  f.set(high);
  f.get(low).get(high).shuffle(EVEN_WORDS);
  f.get(low).get(high).shuffle(ODD_WORDS);
  f.op('i16x8.add_sat_s').i32(1).op('i16x8.splat').op('i32x4.dot_i16x8_s');
  f.get(acc).op('i32x4.add').set(acc);
};

/** The relaxed dot where it reads activations as u8. Exact for 4 · 255 · 128 < 2³¹. */
export function unsignedDot(dot: RelaxedDot = relaxedDot): DotStrategy {
  return {
    name: 'unsigned',
    group: 4,
    rows: 6,
    operandBytes: 1,
    flipsSign: false,
    plainWeights: true,
    relaxed: true,
    emit: dot,
  };
}

/** The relaxed dot where it reads activations as s8: they are stored XOR 128. */
export function signedDot(dot: RelaxedDot = relaxedDot): DotStrategy {
  return {
    name: 'signed',
    group: 4,
    rows: 6,
    operandBytes: 1,
    flipsSign: true,
    plainWeights: true,
    relaxed: true,
    emit: dot,
  };
}

/** The dot products of a tier on a machine with these semantics. */
export function dotOfTier(tier: Tier, semantics: DotSemantics): DotStrategy {
  if (tier === 'simd') return pairs;
  if (semantics === 'unsigned') return unsignedDot();
  if (semantics === 'signed') return signedDot();
  return semantics === 'saturating' ? relaxedPairs : pairs;
}
