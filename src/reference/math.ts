/**
 * Elementary functions built from +, −, ·, / and √ alone, which IEEE 754 fixes to the last bit: the same results on every
 * machine, where Math.exp and its kin may differ in the last place.
 */

/** ln 2 in two parts: `high` has 32 bits, so that n · high is exact for |n| < 2²⁰; `low` is the rest. */
export const LN2 = { high: 0.69314718036912381649, low: 1.90821492927058770002e-10 } as const;

/** Beyond these, eˣ is Infinity or 0 in float64. */
export const EXP_LIMITS = { min: -745.1332191019411, max: 709.782712893384 } as const;

/** 1 / k! for k = 14, 13, …, 1: the Taylor series of eˣ without its 1, as Horner's rule takes it. */
export const EXP_SERIES: readonly number[] = Array.from({ length: 14 }, (_, index) => {
  let factorial = 1;
  for (let k = 2; k <= 14 - index; k++) factorial *= k;
  return 1 / factorial;
});

/**
 * eˣ in float64, relative error below 2⁻⁵⁰: x = n·ln 2 + r with |r| ≤ ln 2 / 2, then the Taylor series of eʳ (14 terms,
 * remainder below 2⁻⁵⁶) times 2ⁿ.
 */
export function exp(x: number): number {
  if (Number.isNaN(x)) return NaN;
  if (x > EXP_LIMITS.max) return Infinity;
  if (x < EXP_LIMITS.min) return 0;
  const n = Math.floor(x * Math.LOG2E + 0.5);
  const r = x - n * LN2.high - n * LN2.low;
  let series = 0;
  for (const coefficient of EXP_SERIES) series = series * r + coefficient;
  return scaleByPowerOfTwo(series * r + 1, n);
}

/** x · 2ⁿ, in two steps so that neither power leaves float64. */
function scaleByPowerOfTwo(x: number, n: number): number {
  const half = n >> 1;
  return x * powerOfTwo(half) * powerOfTwo(n - half);
}

const bits = new DataView(new ArrayBuffer(8));

/** 2ⁿ for −1022 ≤ n ≤ 1023. */
export function powerOfTwo(n: number): number {
  bits.setUint32(0, (n + 1023) << 20);
  bits.setUint32(4, 0);
  return bits.getFloat64(0);
}

/**
 * ln x in float64: x = m · 2ᵉ with √½ ≤ m < √2, ln m = 2 artanh s with s = (m − 1) / (m + 1), |s| < 0.172
 * (series to s²³, remainder below 2⁻⁵⁷).
 */
export function log(x: number): number {
  if (Number.isNaN(x) || x < 0) return NaN;
  if (x === 0) return -Infinity;
  if (x === Infinity) return Infinity;
  let exponent = 0;
  let mantissa = x;
  if (mantissa < 2 ** -1022) {
    mantissa *= 2 ** 54;
    exponent = -54;
  }
  bits.setFloat64(0, mantissa);
  const high = bits.getUint32(0);
  exponent += ((high >>> 20) & 0x7ff) - 1023;
  bits.setUint32(0, (high & 0xfffff) | (1023 << 20));
  mantissa = bits.getFloat64(0);
  if (mantissa > Math.SQRT2) {
    mantissa /= 2;
    exponent += 1;
  }
  const s = (mantissa - 1) / (mantissa + 1);
  const square = s * s;
  let series = 0;
  for (let k = 23; k >= 1; k -= 2) series = series * square + 1 / k;
  return exponent * LN2.high + (2 * s * series + exponent * LN2.low);
}

/** 1 / (1 + e⁻ˣ). */
export function sigmoid(x: number): number {
  if (x >= 0) return 1 / (1 + exp(-x));
  const power = exp(x);
  return power / (1 + power);
}

/** (e²ˣ − 1) / (e²ˣ + 1), by its series near 0 where the difference would cancel. */
export function tanh(x: number): number {
  const magnitude = Math.abs(x);
  if (magnitude < 2 ** -9) {
    const square = x * x;
    return x * (1 - square * (1 / 3 - square * (2 / 15 - (square * 17) / 315)));
  }
  if (magnitude > 22) return Math.sign(x);
  const power = exp(2 * magnitude);
  return Math.sign(x) * ((power - 1) / (power + 1));
}

/**
 * Error function, by its Maclaurin series for |x| < 3 and the continued fraction of erfc beyond; error below 1e-12.
 * Source: Abramowitz & Stegun 7.1.6 and 7.1.14.
 */
export function erf(x: number): number {
  if (Number.isNaN(x)) return NaN;
  const magnitude = Math.abs(x);
  if (magnitude > 6) return Math.sign(x);
  const square = x * x;
  const scale = 2 / Math.sqrt(Math.PI);
  if (magnitude < 3) {
    let term = x;
    let sum = x;
    for (let n = 1; n < 80; n++) {
      term *= (2 * square) / (2 * n + 1);
      sum += term;
    }
    return scale * exp(-square) * sum;
  }
  let fraction = magnitude;
  for (let n = 60; n >= 1; n--) fraction = magnitude + n / 2 / fraction;
  return Math.sign(x) * (1 - (exp(-square) * scale) / 2 / fraction);
}

/** xʸ for x ≥ 0, or any x where y is an integer. */
export function pow(x: number, y: number): number {
  if (Number.isInteger(y) && Math.abs(y) <= 64) {
    let result = 1;
    for (let n = Math.abs(y); n > 0; n--) result *= x;
    return y < 0 ? 1 / result : result;
  }
  if (y === 0.5) return Math.sqrt(x);
  if (y === 0.75) return Math.sqrt(x) * Math.sqrt(Math.sqrt(x));
  if (x < 0) return Number.isInteger(y) ? (y % 2 === 0 ? 1 : -1) * exp(y * log(-x)) : NaN;
  return x === 0 ? (y > 0 ? 0 : Infinity) : exp(y * log(x));
}
