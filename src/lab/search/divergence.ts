import type { Tensor } from '../../tensor/index.ts';
import { probabilities } from '../disagreements.ts';

/** Below this a probability counts as this: int8 scores may be exactly 0. */
const LEAST_PROBABILITY = 1e-9;

/**
 * KL(P || Q) = sum P log(P / Q) in nats, summed over the rows of two [rows, classes] score tensors; P and Q are the scores
 * themselves where they are distributions, else their softmax.
 */
export function klDivergence(reference: Tensor, candidate: Tensor, classCount: number): number {
  let sum = 0;
  for (let start = 0; start + classCount <= reference.data.length; start += classCount) {
    const p = probabilities(rowOf(reference, start, classCount));
    const q = probabilities(rowOf(candidate, start, classCount));
    for (let i = 0; i < classCount; i++) {
      const share = p[i] ?? 0;
      if (share > 0) sum += share * Math.log(share / Math.max(q[i] ?? 0, LEAST_PROBABILITY));
    }
  }
  return Math.max(0, sum);
}

function rowOf({ data }: Tensor, start: number, length: number): Float64Array {
  return Float64Array.from({ length }, (_, i) => Number(data[start + i]));
}
