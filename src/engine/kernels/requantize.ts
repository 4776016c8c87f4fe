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

/**
 * Whether `magic` is proved: (Σ |w − zw| · max |x − zx| + |bias|) · multiplier ≤ 2²² for every output channel. The sum is
 * bounded by the largest weight times the taps, which holds for any order of the weights.
 */
export function roundingOf(weights: QuantizedWeights, inputZeroPoint: number): Rounding {
  const largest = Math.max(inputZeroPoint, 255 - inputZeroPoint);
  const taps = weights.data.length / weights.bias.length;
  const bounded = weights.multipliers.every((multiplier, channel) => {
    const reach = Math.abs(weights.zeroPoints[channel]!) + 128;
    return (taps * reach * largest + Math.abs(weights.bias[channel]!)) * multiplier <= MAGIC_BOUND;
  });
  return bounded ? 'magic' : 'nearest';
}

/** Turns f32x4 on the stack into i32x4. */
export type Round = () => void;

/** Prepares a rounding once in a function. V8 merges two operations only where both read the very same splat. */
export function emitRounding(f: FunctionBuilder, rounding: Rounding): Round {
  if (rounding === 'nearest') return () => emitNearest(f);
  const [addend, bits] = f.locals('v', 2) as [Local, Local];
  f.f32(MAGIC).op('f32x4.splat').set(addend);
  f.i32(MAGIC_BITS).op('i32x4.splat').set(bits);
  return () => f.get(addend).op('f32x4.add').get(bits).op('i32x4.sub');
}

/** f32x4 on the stack becomes i32x4; saturates, and NaN becomes 0. */
export function emitNearest(f: FunctionBuilder): void {
  f.op('f32x4.nearest').op('i32x4.trunc_sat_f32x4_s');
}

/** Replaces int32 accumulators by nearestEven(f32(acc) · multiplier), still int32; whole vectors at a time. */
export function emitScale(
  f: FunctionBuilder,
  accs: readonly Local[],
  multipliers: readonly Local[],
  round: Round,
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

/** Splat constants of an output's zero point and clamp, made once in a function. */
export interface OutputLimits {
  readonly zeroPoint: Local;
  readonly qmin: Local | undefined;
  readonly qmax: Local | undefined;
}

export function emitLimits(f: FunctionBuilder, zeroPoint: number, clamp: Clamp): OutputLimits {
  const splat = (value: number, lanes: 'i16x8.splat' | 'i8x16.splat'): Local => {
    const local = f.local('v');
    f.i32(value).op(lanes).set(local);
    return local;
  };
  return {
    zeroPoint: splat(zeroPoint, 'i16x8.splat'),
    qmin: clamp.qmin > 0 ? splat(clamp.qmin, 'i8x16.splat') : undefined,
    qmax: clamp.qmax < 255 ? splat(clamp.qmax, 'i8x16.splat') : undefined,
  };
}

/**
 * Four i32x4 pushed by `push(0..3)` become 16 bytes on the stack: saturated to int16, plus zero point, saturated to uint8,
 * clamped. Saturation first is harmless: ±32767 plus any zero point is still beyond 0 and 255.
 */
export function emitNarrow(f: FunctionBuilder, push: (index: number) => void, limits: OutputLimits): void {
  for (const first of [0, 2]) {
    push(first);
    push(first + 1);
    f.op('i16x8.narrow_i32x4_s').get(limits.zeroPoint).op('i16x8.add_sat_s');
  }
  f.op('i8x16.narrow_i16x8_u');
  if (limits.qmin) f.get(limits.qmin).op('i8x16.max_u');
  if (limits.qmax) f.get(limits.qmax).op('i8x16.min_u');
}

/** Bytes of float32 or int32 arrays for the constant image. */
export function bytesOf(array: Float32Array | Int32Array | Int16Array | Int8Array | Uint8Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
