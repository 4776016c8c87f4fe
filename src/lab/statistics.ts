import { invariant } from '../base/index.ts';

/** A share of samples with what the sample size says about it: the true share lies inside with 95 % confidence. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

const CONFIDENCE = 0.95;
/** One-sided 95 % of a normal distribution. */
const NORMAL_95 = 1.64;

/**
 * Clopper-Pearson: the exact two-sided 95 % interval of a binomial share.
 *
 *   low = B⁻¹(α/2; k, n − k + 1),  high = B⁻¹(1 − α/2; k + 1, n − k),  α = 0.05
 *
 * Source: Clopper and Pearson 1934, doi:10.2307/2331986.
 */
export function binomialInterval(successes: number, samples: number): Interval {
  const tail = (1 - CONFIDENCE) / 2;
  return { low: lowerBound(successes, samples, tail), high: upperBound(successes, samples, tail) };
}

/** One-sided 95 % upper bound of a binomial share; 3/n or a little less for none of n. */
export function binomialUpper(successes: number, samples: number): number {
  return upperBound(successes, samples, 1 - CONFIDENCE);
}

/** One-sided 95 % lower bound of a binomial share. */
export function binomialLower(successes: number, samples: number): number {
  return lowerBound(successes, samples, 1 - CONFIDENCE);
}

function lowerBound(successes: number, samples: number, tail: number): number {
  checkCounts(successes, samples);
  if (successes === 0) return 0;
  return solve((p) => incompleteBeta(p, successes, samples - successes + 1), tail);
}

function upperBound(successes: number, samples: number, tail: number): number {
  checkCounts(successes, samples);
  if (successes === samples) return 1;
  return solve((p) => incompleteBeta(p, successes + 1, samples - successes), 1 - tail);
}

function checkCounts(successes: number, samples: number): void {
  invariant(
    Number.isInteger(successes) && Number.isInteger(samples) && samples >= 0 && successes >= 0 && successes <= samples,
    `${successes} of ${samples} samples`,
  );
}

/** The p in [0, 1] where the increasing function reaches `target`, by bisection to the last bit that matters. */
function solve(increasing: (p: number) => number, target: number): number {
  let low = 0;
  let high = 1;
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (increasing(middle) < target) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/**
 * McNemar's exact test: of b + c samples that only one of two classifiers gets right, the two-sided probability of a split
 * as uneven as (b, c) if both were equally good.
 *
 *   p = min(1, 2 · Σ_{i ≤ min(b, c)} C(b + c, i) / 2^(b + c))
 */
export function mcnemarExact(b: number, c: number): number {
  const trials = b + c;
  if (trials === 0) return 1;
  const fewer = Math.min(b, c);
  // P(X ≤ k) of a binomial with p = ½ is I_½(n − k, k + 1).
  return fewer === trials ? 1 : Math.min(1, 2 * incompleteBeta(0.5, trials - fewer, fewer + 1));
}

/** Half-width of the net loss (b − c) / n: 1.64 · sqrt(b + c) / n, one-sided 95 %. */
export function pairedBound(b: number, c: number, samples: number): number {
  return samples === 0 ? 1 : (NORMAL_95 * Math.sqrt(b + c)) / samples;
}

/** Samples for which the paired bound, at this rate of discordant samples, is as small as `margin`. */
export function samplesForMargin(discordantRate: number, margin: number): number {
  return Math.ceil((NORMAL_95 ** 2 * discordantRate) / margin ** 2);
}

/**
 * The regularized incomplete beta function I_x(a, b), by its continued fraction (modified Lentz).
 * Source: DLMF 8.17.22.
 */
export function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  // The fraction converges fast below the mean; above it the complement does.
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const logFront = logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x);
  return (Math.exp(logFront) * betaFraction(x, a, b)) / a;
}

function betaFraction(x: number, a: number, b: number): number {
  const tiny = 1e-300;
  const away = (value: number): number => (Math.abs(value) < tiny ? tiny : value);
  let c = 1;
  let d = 1 / away(1 - ((a + b) * x) / (a + 1));
  let result = d;
  for (let m = 1; m <= 10_000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away(1 + even * d);
    c = away(1 + even / c);
    result *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away(1 + odd * d);
    c = away(1 + odd / c);
    result *= d * c;
    if (Math.abs(d * c - 1) < 1e-14) break;
  }
  return result;
}

/** ln Γ(x) for x > 0 by Stirling's series above 10. Source: DLMF 5.11.1. */
function logGamma(x: number): number {
  let shift = 0;
  let z = x;
  while (z < 10) shift += Math.log(z++);
  const square = 1 / (z * z);
  const series = (1 / 12 - square * (1 / 360 - square * (1 / 1_260 - square / 1_680))) / z;
  return (z - 0.5) * Math.log(z) - z + 0.5 * Math.log(2 * Math.PI) + series - shift;
}
