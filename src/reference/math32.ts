/** Elementary functions of a float32, every step rounded to float32: what vectors of four compute. */

import { powerOfTwo } from './math.ts';

const f32 = Math.fround;

/** The polynomial of `exp32`, highest power first: (eʳ − 1 − r) / r² for |r| ≤ ln 2 / 2. Source: Cephes, expf. */
export const EXP32_SERIES: readonly number[] = [
  1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1,
].map(Math.fround);

/** Constants of `exp32`, all float32: log₂ e, ln 2 in two parts, and the arguments beyond which it is 0 or Infinity. */
export const EXP32 = {
  log2e: Math.fround(Math.LOG2E),
  ln2High: 0.693359375,
  ln2Low: Math.fround(-2.1219444e-4),
  min: -104,
  max: Math.fround(88.72284),
} as const;

/** eˣ of a float32 with every step rounded to float32, two units in the last place: as `exp`, for vectors of four. */
export function exp32(x: number): number {
  if (Number.isNaN(x)) return NaN;
  if (x > EXP32.max) return Infinity;
  if (x < EXP32.min) return 0;
  const n = Math.floor(f32(f32(x * EXP32.log2e) + 0.5));
  const r = f32(f32(x - f32(n * EXP32.ln2High)) - f32(n * EXP32.ln2Low));
  let series = 0;
  for (const coefficient of EXP32_SERIES) series = f32(f32(series * r) + coefficient);
  const sum = f32(f32(f32(series * f32(r * r)) + r) + 1);
  const half = n >> 1;
  return f32(f32(sum * powerOfTwo(half)) * powerOfTwo(n - half));
}

/** 1 / (1 + e⁻ˣ) of a float32, every step in float32. */
export function sigmoid32(x: number): number {
  const power = exp32(-Math.abs(x));
  return f32((x >= 0 ? 1 : power) / f32(1 + power));
}

/** tanh x = x + x³ · p(x²) below this. */
export const TANH32_SMALL = 0.25;

/** p, highest power first: the Taylor series of tanh. */
export const TANH32_SERIES: readonly number[] = [62 / 2835, -17 / 315, 2 / 15, -1 / 3].map(Math.fround);

/** tanh of a float32, every step in float32: its series near 0, else (1 − e^−2|x|) / (1 + e^−2|x|) with x's sign. */
export function tanh32(x: number): number {
  const magnitude = Math.abs(x);
  if (magnitude < TANH32_SMALL) {
    const square = f32(x * x);
    let series = 0;
    for (const coefficient of TANH32_SERIES) series = f32(f32(series * square) + coefficient);
    return f32(x + f32(f32(x * square) * series));
  }
  const power = exp32(-2 * magnitude);
  return Math.sign(x) * f32(f32(1 - power) / f32(1 + power));
}

/** Coefficients from the highest power, as Horner's rule takes them, each step in float32. */
function horner(coefficients: readonly number[], x: number): number {
  return coefficients.reduce((sum, coefficient) => f32(f32(sum * x) + coefficient), 0);
}

/** erf x = x · p(x²) below this, where 1 − erfc x would cancel. */
export const ERF32_SMALL = 0.5;

/** p, highest power first: the Maclaurin series 2 / √π · Σ (−1)ⁿ xⁿ / (n! · (2n + 1)). */
export const ERF32_SERIES: readonly number[] = [-1 / 1320, 1 / 216, -1 / 42, 1 / 10, -1 / 3, 1].map((coefficient) =>
  f32((2 / Math.sqrt(Math.PI)) * coefficient),
);

/** ln (erfc z / t) + z² as a polynomial of t = 1 / (1 + z / 2), highest power first. Source: Numerical Recipes, erfcc. */
export const ERFC32_SERIES: readonly number[] = [
  ...[0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368],
  -1.26551223,
].map(f32);

/** erfc z of a float32 z ≥ 0: small also where erf z is nearly 1. */
function erfc32(z: number): number {
  const t = f32(1 / f32(1 + f32(0.5 * z)));
  return f32(t * exp32(f32(horner(ERFC32_SERIES, t) - f32(z * z))));
}

/** Error function of a float32. */
export function erf32(x: number): number {
  const magnitude = Math.abs(x);
  if (magnitude < ERF32_SMALL) return f32(x * horner(ERF32_SERIES, f32(x * x)));
  return Math.sign(x) * f32(1 - erfc32(magnitude));
}

/** x · Φ(x) of a float32, Φ(−z) = erfc(z / √2) / 2 and Φ(z) = 1 − Φ(−z). */
export function gelu32(x: number): number {
  const tail = f32(0.5 * erfc32(f32(Math.abs(x) * f32(Math.SQRT1_2))));
  return f32(x * (x < 0 ? tail : f32(1 - tail)));
}

/** 2 · √(2 / π) and the factor of x³ in Gelu's form with tanh. */
export const GELU32_TANH = { scale: f32(2 * Math.sqrt(2 / Math.PI)), cubic: f32(0.044715) } as const;

/** ½ · x · (1 + tanh(√(2 / π) · (x + 0.044715 · x³))) of a float32, as x times a sigmoid. */
export function geluTanh32(x: number): number {
  const inner = f32(x + f32(GELU32_TANH.cubic * f32(f32(x * x) * x)));
  return f32(x * sigmoid32(f32(GELU32_TANH.scale * inner)));
}

/** x · tanh(ln(1 + eˣ)) of a float32 as x · n / d, both parts times e⁻²ˣ for x ≥ 0. */
export function mish32(x: number): number {
  const power = exp32(-Math.abs(x));
  const part = x >= 0 ? f32(1 + f32(2 * power)) : f32(power * f32(power + 2));
  const whole = f32(part + (x >= 0 ? f32(2 * f32(power * power)) : 2));
  return f32(x * f32(part / whole));
}
