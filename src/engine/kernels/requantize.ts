import type { Clamp, QuantizedWeights } from '../../graph/index.ts';
import type { FunctionBuilder, Local } from '../../wasm/index.ts';

/** 1.5 · 2²³: adding it to |x| ≤ 2²² leaves no fraction bits and rounds to even; the sum's bits minus these are the integer. */
const MAGIC = 12582912;
const MAGIC_BITS = 0x4b400000;
const MAGIC_BOUND = 2 ** 22;

/**
 * How scaled accumulators become integers; both give nearestEven for every value the plan allows.
 *   magic    |value| ≤ 2²² is proved; the form that V8 re-vectorizes
 *   nearest  any value; conversion saturates
 */
export type Rounding = 'magic' | 'nearest';

/** The rounding of values that are proved to stay within ±bound; NaN proves nothing. */
export function roundingWithin(bound: number): Rounding {
  return bound <= MAGIC_BOUND ? 'magic' : 'nearest';
}

/**
 * Whether `magic` is proved: (Σ |w − zw| · max |x − zx| + |bias|) · multiplier ≤ 2²² for every output channel. The sum is
 * bounded by the largest weight times the taps, which holds for any order of the weights.
 */
export function roundingOf(weights: QuantizedWeights, inputZeroPoint: number): Rounding {
  const largest = Math.max(inputZeroPoint, 255 - inputZeroPoint);
  const taps = weights.data.length / weights.bias.length;
  const bounded = weights.multipliers.every((multiplier, channel) => {
    const reach = Math.abs(weights.zeroPoints[channel]!) + 128;
    const bound = (taps * reach * largest + Math.abs(weights.bias[channel]!)) * multiplier;
    return roundingWithin(bound) === 'magic';
  });
  return bounded ? 'magic' : 'nearest';
}

/** Turns f32x4 on the stack into i32x4. */
export type Round = () => void;

/**
 * Prepares a rounding once in a function, nearestEven(x) + addend. V8 merges two operations only where both read the very
 * same splat. Only `magic` takes an addend: it costs nothing there, and could overflow after a saturating conversion.
 */
export function emitRounding(f: FunctionBuilder, rounding: Rounding, addend = 0): Round {
  if (rounding === 'nearest') return () => emitNearest(f);
  const [magic, bits] = f.locals('v', 2) as [Local, Local];
  f.f32(MAGIC).op('f32x4.splat').set(magic);
  f.i32(MAGIC_BITS - addend)
    .op('i32x4.splat')
    .set(bits);
  return () => f.get(magic).op('f32x4.add').get(bits).op('i32x4.sub');
}

/** f32x4 on the stack becomes i32x4; saturates, and NaN becomes 0. */
export function emitNearest(f: FunctionBuilder): void {
  f.op('f32x4.nearest').op('i32x4.trunc_sat_f32x4_s');
}

/** The steps from scaled sums to bytes, each on what lies on the stack. */
export interface Requantizer {
  /** f32x4 → i32x4, rounded. */
  readonly round: Round;
  /** Two i32x4 → i16x8, saturated, with the zero point. */
  readonly words: () => void;
  /** Two i16x8 → 16 bytes, saturated and clamped. */
  readonly bytes: () => void;
}

/**
 * Prepares the constants of an output once in a function. Saturation to int16 before the zero point is added is harmless:
 * ±32767 plus any zero point is still beyond 0 and 255.
 */
export function emitRequantizer(
  f: FunctionBuilder,
  { rounding, zeroPoint, clamp }: { readonly rounding: Rounding; readonly zeroPoint: number; readonly clamp: Clamp },
): Requantizer {
  const splat = (value: number, lanes: 'i16x8.splat' | 'i8x16.splat'): Local => {
    const local = f.local('v');
    f.i32(value).op(lanes).set(local);
    return local;
  };
  const round = emitRounding(f, rounding, zeroPoint);
  const zero = rounding === 'nearest' && zeroPoint > 0 ? splat(zeroPoint, 'i16x8.splat') : undefined;
  const qmin = clamp.qmin > 0 ? splat(clamp.qmin, 'i8x16.splat') : undefined;
  const qmax = clamp.qmax < 255 ? splat(clamp.qmax, 'i8x16.splat') : undefined;
  const words = (): void => {
    f.op('i16x8.narrow_i32x4_s');
    if (zero) f.get(zero).op('i16x8.add_sat_s');
  };
  const bytes = (): void => {
    f.op('i8x16.narrow_i16x8_u');
    if (qmin) f.get(qmin).op('i8x16.max_u');
    if (qmax) f.get(qmax).op('i8x16.min_u');
  };
  return { round, words, bytes };
}

/** Replaces int32 accumulators by nearestEven(f32(acc) · multiplier), still int32; whole vectors at a time. */
export function emitScale(
  f: FunctionBuilder,
  accs: readonly Local[],
  multipliers: readonly Local[],
  { round }: Requantizer,
): void {
  accs.forEach((acc, index) => {
    f.get(acc)
      .op('f32x4.convert_i32x4_s')
      .get(multipliers[index % multipliers.length]!)
      .op('f32x4.mul');
    round();
    f.set(acc);
  });
}

/** Four i32x4 pushed by `push(0..3)` become 16 bytes on the stack. */
export function emitNarrow(push: (index: number) => void, { words, bytes }: Requantizer): void {
  for (const first of [0, 2]) {
    push(first);
    push(first + 1);
    words();
  }
  bytes();
}

/** Bytes of scratch that `emitRows` needs. */
export const rowsScratchBytes = (rows: number): number => Math.ceil(rows / 2) * 32;

/** Lanes of 32 bits of two vectors, one from each in turn: their lower halves, or their upper halves. */
const LOWER_IN_TURN = [0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23];
const UPPER_IN_TURN = LOWER_IN_TURN.map((lane) => lane + 8);

/**
 * Rows of 16 rounded int32 (four vectors each) become rows of 16 bytes. Two rows at a time, in vectors that V8 merges in
 * pairs; its merged narrowing works within 128 bits, so channels come out in an order that the last shuffle repairs:
 *
 *   sums of row r   a0 a1 a2 a3, 4 channels each        words   a0 a2 │ a1 a3
 *   bytes           p = r: a0 a2, r + 1: a0 a2 │ q = r: a1 a3, r + 1: a1 a3      stored side by side
 *   row r           p0 q0 p1 q1        row r + 1   p2 q2 p3 q3
 *
 * Nothing reads what is stored: V8 merges from pairs of stores alone, and takes p and q out of the merged register, which is
 * faster than loads that wait for the store.
 *
 * @param accs    rows · 4, used up
 * @param scratch address of `rowsScratchBytes`
 * @param target  pushes the address of a row and returns the offset for the store
 * @param caps    pushes the greatest byte of each of the 16 channels
 */
export function emitRows(
  f: FunctionBuilder,
  accs: readonly Local[],
  requantizer: Requantizer,
  place: {
    readonly scratch: { readonly at: Local; readonly offset: number };
    readonly target: (row: number) => number;
    readonly caps?: (() => void) | undefined;
  },
): void {
  const rows = accs.length / 4;
  const { at, offset } = place.scratch;
  const acc = (row: number, part: number): Local => accs[Math.min(row, rows - 1) * 4 + part]!;
  for (let row = 0; row < rows; row += 2) {
    for (const part of [0, 1]) {
      for (const member of [row, row + 1]) {
        f.get(acc(member, part)).get(acc(member, part + 2));
        requantizer.words();
      }
      requantizer.bytes();
      f.set(acc(row, part));
    }
  }
  for (let row = 0; row < rows; row += 2)
    for (const part of [0, 1])
      f.get(at)
        .get(acc(row, part))
        .op('v128.store', { offset: offset + row * 16 + part * 16 });
  for (let row = 0; row < rows; row++) {
    const to = place.target(row);
    for (const part of [0, 1]) f.get(acc(row - (row % 2), part));
    f.shuffle(row % 2 === 0 ? LOWER_IN_TURN : UPPER_IN_TURN);
    emitCaps(f, place.caps);
    f.op('v128.store', { offset: to });
  }
}

/** y = min(y, caps), one a channel, on the bytes on the stack. */
function emitCaps(f: FunctionBuilder, caps: (() => void) | undefined): void {
  if (!caps) return;
  caps();
  f.op('i8x16.min_u');
}

/**
 * Four pixels of 8 rounded int32 (two vectors each) become four times 8 bytes; fewer pixels too. As `emitRows`, but:
 *
 *   words   a0 b0 │ a1 b1, c0 d0 │ c1 d1        bytes   p = a0 b0 c0 d0 │ q = a1 b1 c1 d1
 *   pixels  a = p0 q0, b = p1 q1                c = p2 q2, d = p3 q3
 *
 * @param accs pixels · 2, used up
 * @param caps pushes the greatest byte of each of the 8 channels, twice
 */
export function emitQuarters(
  f: FunctionBuilder,
  accs: readonly Local[],
  requantizer: Requantizer,
  { scratch, target, caps }: Parameters<typeof emitRows>[3],
): void {
  const pixels = accs.length / 2;
  const acc = (pixel: number, part: number): Local => accs[Math.min(pixel, pixels - 1) * 2 + part]!;
  for (const part of [0, 1]) {
    for (const pixel of [0, 2]) {
      f.get(acc(pixel, part)).get(acc(pixel + 1, part));
      requantizer.words();
    }
    requantizer.bytes();
    f.set(acc(0, part));
  }
  for (const part of [0, 1])
    f.get(scratch.at)
      .get(acc(0, part))
      .op('v128.store', { offset: scratch.offset + part * 16 });
  const joined = f.local('v');
  for (let pixel = 0; pixel < pixels; pixel++) {
    if (pixel % 2 === 0) {
      for (const part of [0, 1]) f.get(acc(0, part));
      f.shuffle(pixel === 0 ? LOWER_IN_TURN : UPPER_IN_TURN);
      emitCaps(f, caps);
      f.set(joined);
    }
    const offset = target(pixel);
    f.get(joined).op('v128.store64_lane', { offset, lane: pixel % 2 });
  }
}

/** The caps of all stored channels for the constant image, where there are any. */
export function capsOf(caps: Uint8Array | undefined, channels: number): Uint8Array[] {
  if (!caps) return [];
  const stored = new Uint8Array(channels);
  stored.set(caps);
  return [stored];
}

/** Bytes of float32 or int32 arrays for the constant image. */
export function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
