import type { Tensor } from '../tensor/index.ts';

/** One class of a classification. */
export interface Scored {
  readonly index: number;
  readonly score: number;
}

/** Values that sum to one this closely, none negative, are taken for probabilities. */
const PROBABILITY_TOLERANCE = 1e-3;

/** Whether values already are a probability distribution; int8 rounding (half of 1/256 an entry) is allowed for, up to 0.1. */
export function isDistribution(values: ArrayLike<number>): boolean {
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? 0;
    if (!(value >= 0 && value <= 1 + PROBABILITY_TOLERANCE)) return false;
    sum += value;
  }
  return Math.abs(sum - 1) <= Math.min(0.1, Math.max(PROBABILITY_TOLERANCE, values.length / 512));
}

/** exp(x − max) / Σ: for scores shown to people, not part of the network. */
export function softmax(values: ArrayLike<number>): Float64Array {
  let max = -Infinity;
  for (let i = 0; i < values.length; i++) max = Math.max(max, values[i] ?? 0);
  const result = new Float64Array(values.length);
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    const value = Math.exp((values[i] ?? 0) - max);
    result[i] = value;
    sum += value;
  }
  for (let i = 0; i < result.length; i++) result[i] = (result[i] ?? 0) / sum;
  return result;
}

/** The `k` largest, largest first; the lower index first among equals. */
export function topK(values: ArrayLike<number>, k: number): Scored[] {
  const best: Scored[] = [];
  for (let index = 0; index < values.length; index++) {
    const score = values[index] ?? 0;
    if (best.length === k && score <= (best[k - 1]?.score ?? -Infinity)) continue;
    let place = best.length;
    while (place > 0 && (best[place - 1]?.score ?? Infinity) < score) place--;
    best.splice(place, 0, { index, score });
    if (best.length > k) best.pop();
  }
  return best;
}

/** The class scores of one sample where the tensor is [1, K] or [1, K, 1, 1] with K >= 2, else undefined. */
export function classScores(output: Tensor): Float32Array | undefined {
  const [batch, classes = 0, ...rest] = output.shape;
  if (output.dtype !== 'float32' || batch !== 1 || classes < 2 || rest.some((dim) => dim !== 1)) return undefined;
  return output.data;
}
