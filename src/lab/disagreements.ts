import type { Tensor } from '../tensor/index.ts';

/** Disagreements that are kept, and shown. */
export const KEPT_DISAGREEMENTS = 24;

export interface ScoredClass {
  readonly class: number;
  /** Probability, 0..1. */
  readonly score: number;
}

/** A sample that two classifiers answer differently. */
export interface ScoredDisagreement {
  /** In the data set. */
  readonly index: number;
  readonly label: number | undefined;
  readonly reference: ScoredClass;
  readonly candidate: ScoredClass;
  /** How far each prefers its own answer to the other's, summed: 0..2. */
  readonly distance: number;
}

/** Keeps the disagreements in which both sides are surest of themselves: fixed memory for any number of samples. */
export class DisagreementList {
  readonly #kept: ScoredDisagreement[] = [];

  /** The most confident first. */
  get items(): readonly ScoredDisagreement[] {
    return this.#kept;
  }

  /** Adds a batch of scores of both, row by row. */
  add(
    [reference, candidate]: readonly [Tensor, Tensor],
    classCount: number,
    samples: readonly { readonly index: number; readonly label: number | undefined }[],
  ): void {
    for (const [row, { index, label }] of samples.entries()) {
      const exact = rowOf(reference, row, classCount);
      const approximate = rowOf(candidate, row, classCount);
      const [a, b] = [largest(exact), largest(approximate)];
      if (a !== b) this.#keep(scored(index, label, [a, b], [probabilities(exact), probabilities(approximate)]));
    }
  }

  #keep(found: ScoredDisagreement): void {
    const place = this.#kept.findIndex(({ distance }) => distance < found.distance);
    this.#kept.splice(place < 0 ? this.#kept.length : place, 0, found);
    if (this.#kept.length > KEPT_DISAGREEMENTS) this.#kept.pop();
  }
}

function scored(
  index: number,
  label: number | undefined,
  [a, b]: readonly [number, number],
  [p, q]: readonly [Float64Array, Float64Array],
): ScoredDisagreement {
  const at = (values: Float64Array, place: number): number => values[place] ?? 0;
  return {
    index,
    label,
    reference: { class: a, score: at(p, a) },
    candidate: { class: b, score: at(q, b) },
    distance: at(p, a) - at(p, b) + at(q, b) - at(q, a),
  };
}

function rowOf({ data }: Tensor, row: number, classCount: number): Float64Array {
  return Float64Array.from({ length: classCount }, (_, i) => Number(data[row * classCount + i]));
}

/** The first of the largest. */
function largest(values: Float64Array): number {
  let best = 0;
  for (const [i, value] of values.entries()) if (value > (values[best] ?? 0)) best = i;
  return best;
}

/** Sums of float32 probabilities stay within this of 1. */
const SUM_TOLERANCE = 0.02;

/** The scores themselves where they are a distribution, else their softmax; 0 where a score is not a number. */
export function probabilities(scores: Float64Array): Float64Array {
  const sum = scores.reduce((a, b) => a + b, 0);
  if (Math.abs(sum - 1) < SUM_TOLERANCE && scores.every((score) => score >= 0 && score <= 1)) return scores;
  const top = scores.reduce((a, b) => Math.max(a, b), -Infinity);
  const powers = scores.map((score) => Math.exp(score - top));
  const total = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => (Number.isFinite(total) && total > 0 ? power / total : 0));
}
