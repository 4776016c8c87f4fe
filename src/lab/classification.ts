import type { ValueType } from '../graph/index.ts';
import type { Tensor } from '../tensor/index.ts';

const TOP = 5;

/** The output whose largest element is the answer. */
export interface ClassOutput {
  readonly name: string;
  readonly classCount: number;
}

/**
 * The class scores of a network that has one output of shape [batch, classes] (or [batch, classes, 1, 1]); undefined for
 * every other network, which is compared by its values.
 */
export function classOutputOf(
  outputs: readonly string[],
  types: ReadonlyMap<string, ValueType>,
): ClassOutput | undefined {
  const [name] = outputs;
  if (name === undefined || outputs.length !== 1) return undefined;
  const [, classCount = 0, ...rest] = types.get(name)?.shape ?? [];
  return classCount >= 2 && rest.every((dim) => dim === 1) ? { name, classCount } : undefined;
}

/** Answers of one runner to each sample, in the order of the samples. */
export class ClassTally {
  readonly predictions: number[] = [];
  /** Rank of the label among the scores, 0 for the first; −1 without a label. */
  readonly ranks: number[] = [];

  /** Adds a batch of scores; of equal scores the first index wins. */
  add(scores: Tensor, classCount: number, labels: readonly (number | undefined)[]): void {
    for (const [row, label] of labels.entries()) {
      const at = (index: number): number => Number(scores.data[row * classCount + index]);
      let best = 0;
      for (let index = 1; index < classCount; index++) if (at(index) > at(best)) best = index;
      this.predictions.push(best);
      this.ranks.push(label === undefined ? -1 : rankOf(label, classCount, at));
    }
  }

  get labelled(): number {
    return this.ranks.filter((rank) => rank >= 0).length;
  }

  correctAt(index: number): boolean {
    return this.ranks[index] === 0;
  }

  /** Labelled samples whose label is among the first five scores. */
  get top5Count(): number {
    return this.ranks.filter((rank) => rank >= 0 && rank < TOP).length;
  }

  get top1Count(): number {
    return this.ranks.filter((rank) => rank === 0).length;
  }
}

/** A score that is not a number ranks last. */
function rankOf(label: number, classCount: number, at: (index: number) => number): number {
  const own = at(label);
  if (Number.isNaN(own)) return classCount;
  let rank = 0;
  for (let index = 0; index < classCount; index++) {
    const score = at(index);
    if (score > own || (score === own && index < label)) rank++;
  }
  return rank;
}
