import { LN2 } from '../../../reference/index.ts';
import type { FunctionBuilder, Local } from '../../../wasm/index.ts';

/** Sixteen bytes of two float64 bit patterns alike. */
function bitsOf(high: number, low: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(low, high, low, high).buffer);
}

/** Lanes 0 and 2 of four int32: the lower halves of two int64. */
const EVEN_LANES = [0, 1, 2, 3, 8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11];

const SMALLEST_NORMAL = 2 ** -1022;

/**
 * Prepares ln x of f64x2, with the reference's steps: x = m · 2ᵉ with √½ ≤ m < √2, s = (m − 1) / (m + 1),
 *
 *   ln x = e · high + (2 · s · (((1/23 · s² + 1/21) · s² + …) + 1) + e · low)
 *
 * Numbers below the normal ones are scaled first; 0, negative numbers, infinity and NaN are chosen at the end.
 */
export function emitLog(f: FunctionBuilder): (x: Local) => void {
  const constant = (value: number): Local => {
    const local = f.local('v');
    f.f64(value).op('f64x2.splat').set(local);
    return local;
  };
  const bits = (high: number, low: number): Local => {
    const local = f.local('v');
    f.v128(bitsOf(high, low)).set(local);
    return local;
  };
  const [zero, one, two, half, root, infinity] = [0, 1, 2, 0.5, Math.SQRT2, Infinity].map(constant);
  const [normal, scale, shift, bias] = [SMALLEST_NORMAL, 2 ** 54, 54, 1023].map(constant);
  const [high, low, nan, minus] = [LN2.high, LN2.low, NaN, -Infinity].map(constant);
  const series = Array.from({ length: 12 }, (_, index) => constant(1 / (23 - 2 * index)));
  const [fraction, ones] = [bits(0x000fffff, 0xffffffff), bits(0x3ff00000, 0)];
  const [held, small, m, e, above, s, square, sum] = f.locals('v', 8) as Local[] & { length: 8 };
  return (x) => {
    f.get(x).get(normal!).op('f64x2.lt').set(small!);
    f.get(x).get(scale!).op('f64x2.mul').get(x).get(small!).op('v128.bitselect').set(held!);
    f.get(held!).i32(52).op('i64x2.shr_u').tee(e!).get(e!).shuffle(EVEN_LANES).op('f64x2.convert_low_i32x4_s');
    f.get(bias!).op('f64x2.sub').get(small!).get(shift!).op('v128.and').op('f64x2.sub').set(e!);
    f.get(held!).get(fraction).op('v128.and').get(ones).op('v128.or').set(m!);
    f.get(m!).get(root!).op('f64x2.gt').set(above!);
    f.get(m!).get(half!).op('f64x2.mul').get(m!).get(above!).op('v128.bitselect').set(m!);
    f.get(e!).get(above!).get(one!).op('v128.and').op('f64x2.add').set(e!);
    f.get(m!).get(one!).op('f64x2.sub').get(m!).get(one!).op('f64x2.add').op('f64x2.div').tee(s!);
    f.get(s!).op('f64x2.mul').set(square!);
    f.get(series[0]!).set(sum!);
    for (const coefficient of series.slice(1))
      f.get(sum!).get(square!).op('f64x2.mul').get(coefficient).op('f64x2.add').set(sum!);
    f.get(e!).get(high!).op('f64x2.mul');
    f.get(two!).get(s!).op('f64x2.mul').get(sum!).op('f64x2.mul');
    f.get(e!).get(low!).op('f64x2.mul').op('f64x2.add').op('f64x2.add').set(sum!);
    // ∞ where x = ∞, −∞ where x = 0, NaN where x < 0 or x ≠ x
    f.get(infinity!).get(sum!).get(x).get(infinity!).op('f64x2.eq').op('v128.bitselect').set(sum!);
    f.get(minus!).get(sum!).get(x).get(zero!).op('f64x2.eq').op('v128.bitselect').set(sum!);
    f.get(sum!).get(nan!).get(x).get(zero!).op('f64x2.ge').op('v128.bitselect');
  };
}
