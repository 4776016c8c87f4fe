/**
 * The one rounding of the project: to the nearest integer, ties to even, as wasm `f32x4.nearest`.
 * Exact for |x| < 2⁵¹; larger float64 values are integers already.
 */
export function nearestEven(x: number): number {
  const magic = 6755399441055744; // 1.5 · 2⁵²: adding it leaves no fraction bits, and rounds to even
  return Math.abs(x) < 2 ** 51 ? x + magic - magic : x;
}

/**
 * An int32 accumulator as uint8:
 *
 *   q = clamp(nearestEven(f32(f32(acc) · multiplier)) + zeroPoint, qmin, qmax)
 *
 * @param acc        int32
 * @param multiplier float32 > 0, = inputScale · weightScale / outputScale
 * @returns          integer in [qmin, qmax]
 * 0 · ∞, where the scales' ratio overflows, counts as 0, as i32x4.trunc_sat_f32x4_s has it.
 * Rounded once, before the zero point is added. Bit-exact with f32x4.convert_i32x4_s, f32x4.mul, f32x4.nearest.
 * Source: XNNPACK requantization.h `xnn_qs8_requantize_fp32`.
 */
export function requantize(acc: number, multiplier: number, zeroPoint: number, qmin: number, qmax: number): number {
  const rounded = (nearestEven(Math.fround(Math.fround(acc) * multiplier)) || 0) + zeroPoint;
  return rounded < qmin ? qmin : rounded > qmax ? qmax : rounded;
}
