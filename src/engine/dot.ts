import type { FunctionBuilder, Local } from '../wasm/index.ts';
import type { DotSemantics, Tier } from './tier.ts';

/**
 * How products of activations and weights are summed in int32. A microkernel steps over K in groups of `group` values: it
 * splats one group of an activation row over a vector and multiplies it by the same group of four channels' weights.
 */
export interface DotStrategy {
  readonly name: 'pairs' | 'bytePairs' | 'unsigned' | 'signed';
  /** Values of K that one 32-bit lane takes. */
  readonly group: 2 | 4;
  /**
   * Pixels of a tile: the fastest number, and one about as fast, for products whose pixels it divides better. V8 has 15 vector
   * registers to give: rows · 2 sums, 2 weights, 1 splat, and what the dot product needs.
   */
  readonly rows: readonly [number, number];
  /** Bytes of one packed activation, and of one packed weight. */
  readonly operandBytes: 2 | 1;
  /** XOR of every activation byte when it is packed; moves the zero point by −128. */
  readonly flipsSign: boolean;
  /** Whether weights must be int8 without their zero point subtracted. */
  readonly plainWeights: boolean;
  /** Whether other relaxed instructions may be used too, with operands for which they are defined. */
  readonly relaxed: boolean;
  /** A faster strategy for products of int8 weights that can be ordered so that `neverSaturates`. */
  readonly forSmallWeights?: DotStrategy;
  /** Prepares constants once in a function. */
  prepare(f: FunctionBuilder): EmitDot;
}

/** Emits acc += Σ over the group of activations · weights, lane by lane. */
export type EmitDot = (operands: DotOperands) => void;

export interface DotOperands {
  readonly acc: Local;
  readonly activations: Local;
  readonly weights: Local;
}

/**
 * int16 pairs by `i32x4.dot_i16x8_s`: exact on every machine. |x| ≤ 255 and |w − zw| ≤ 255, so a pair stays below 2¹⁷.
 */
export const pairs: DotStrategy = {
  name: 'pairs',
  group: 2,
  rows: [4, 5],
  operandBytes: 2,
  flipsSign: false,
  plainWeights: false,
  relaxed: false,
  prepare:
    (f) =>
    ({ acc, activations, weights }) => {
      f.get(acc).get(activations).get(weights).op('i32x4.dot_i16x8_s').op('i32x4.add').set(acc);
    },
};

/** Emits acc + dot(weights, activations) for the relaxed instruction or an exact emulation of one of its semantics. */
export type RelaxedDot = (f: FunctionBuilder, operands: DotOperands) => void;

/** Leaves products of two bytes each, summed in int16, on the stack. */
export type RelaxedWords = (f: FunctionBuilder, operands: Omit<DotOperands, 'acc'>) => void;

/** The instruction itself: where the relaxed dot saturates, sums of u8 · s8 saturated to int16. */
export const relaxedWords: RelaxedWords = (f, { activations, weights }) => {
  f.get(weights).get(activations).op('i16x8.relaxed_dot_i8x16_i7x16_s');
};

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

/** `relaxedWords` of a machine that saturates, in plain SIMD: products of u8 and s8, each pair of them saturated to int16. */
export const saturatingWords: RelaxedWords = (f, { activations, weights }) => {
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
  f.op('i16x8.add_sat_s');
};

/** What the relaxed dot gives where it is a `pmaddubsw`; tests find with it what the probe makes of such a machine. */
export const saturatingDot: RelaxedDot = (f, { acc, activations, weights }) => {
  saturatingWords(f, { activations, weights });
  f.i32(1).op('i16x8.splat').op('i32x4.dot_i16x8_s');
  f.get(acc).op('i32x4.add').set(acc);
};

/**
 * Whether sums of two products of int8 with any bytes stay within int16: 255 · 128 ≤ 2¹⁵ − 1, so neither the positive nor the
 * negative weights may reach beyond 128 in sum, which those of two signs never do. Nor do weights of seven bits.
 */
export const pairNeverSaturates = (a: number, b: number): boolean => Math.abs(a + b) <= 128;

/** Whether no two neighbours, of which the first is at an even place, saturate. */
export function neverSaturates(weights: Int8Array): boolean {
  for (let at = 0; at < weights.length; at += 2) if (!pairNeverSaturates(weights[at]!, weights[at + 1]!)) return false;
  return true;
}

/** Products of bytes summed by two in int16, where they never saturate, and by four in int32. */
export function bytePairs(words: RelaxedWords = relaxedWords): DotStrategy {
  return {
    name: 'bytePairs',
    group: 4,
    rows: [4, 5],
    operandBytes: 1,
    flipsSign: false,
    plainWeights: false,
    relaxed: true,
    prepare: (f) => {
      const one = f.local('v');
      f.i32(1).op('i16x8.splat').set(one);
      return ({ acc, activations, weights }) => {
        words(f, { activations, weights });
        f.get(one).op('i32x4.dot_i16x8_s').get(acc).op('i32x4.add').set(acc);
      };
    },
  };
}

/** Pairs where relaxed instructions exist, but their dot product saturates. */
export function relaxedPairs(words?: RelaxedWords): DotStrategy {
  return { ...pairs, relaxed: true, forSmallWeights: bytePairs(words) };
}

/** The relaxed dot where it reads activations as u8. Exact for 4 · 255 · 128 < 2³¹. */
export function unsignedDot(dot: RelaxedDot = relaxedDot): DotStrategy {
  return {
    name: 'unsigned',
    group: 4,
    rows: [6, 5],
    operandBytes: 1,
    flipsSign: false,
    plainWeights: true,
    relaxed: true,
    prepare: (f) => (operands) => dot(f, operands),
  };
}

/** The relaxed dot where it reads activations as s8: they are stored XOR 128. */
export function signedDot(dot: RelaxedDot = relaxedDot): DotStrategy {
  return {
    name: 'signed',
    group: 4,
    rows: [6, 5],
    operandBytes: 1,
    flipsSign: true,
    plainWeights: true,
    relaxed: true,
    prepare: (f) => (operands) => dot(f, operands),
  };
}

/** The dot products of a tier on a machine with these semantics. */
export function dotOfTier(tier: Tier, semantics: DotSemantics): DotStrategy {
  if (tier === 'simd') return pairs;
  if (semantics === 'unsigned') return unsignedDot();
  if (semantics === 'signed') return signedDot();
  return semantics === 'saturating' ? relaxedPairs() : pairs;
}
