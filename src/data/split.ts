import { AppError } from '../base/index.ts';
import type { Dataset } from './dataset.ts';
import { compareNames } from './entryPath.ts';

export interface Split {
  /** Sample indices, ascending. */
  readonly calibration: readonly number[];
  readonly evaluation: readonly number[];
}

/**
 * Divides a set by content: of the distinct contents, ordered by hash, the first `share` (rounded up) are held out for
 * evaluation. Equal contents land on one side; the same set always divides the same way.
 *
 * @throws AppError DATASET_EMPTY when there are fewer than two distinct samples
 */
export function holdOut(dataset: Dataset, share: number): Split {
  const hashes = [...new Set(dataset.samples.map((sample) => sample.contentHash))].sort(compareNames);
  if (hashes.length < 2)
    throw new AppError(
      'DATASET_EMPTY',
      `The set has ${hashes.length} distinct samples; at least 2 are needed to hold some out.`,
    );
  const held = new Set(hashes.slice(0, Math.min(hashes.length - 1, Math.ceil(hashes.length * share))));
  const calibration: number[] = [];
  const evaluation: number[] = [];
  for (const [index, { contentHash }] of dataset.samples.entries())
    (held.has(contentHash) ? evaluation : calibration).push(index);
  return { calibration, evaluation };
}

/** Indices of the samples of `dataset` whose content is not in `other`: what may be used beside it. */
export function withoutOverlap(dataset: Dataset, other: Dataset): number[] {
  const taken = new Set(other.samples.map((sample) => sample.contentHash));
  return dataset.samples.flatMap(({ contentHash }, index) => (taken.has(contentHash) ? [] : [index]));
}

/** Samples whose content already occurred among those before them. */
export function countDuplicates(dataset: Dataset, indices: readonly number[]): number {
  return indices.length - new Set(indices.map((index) => dataset.samples[index]?.contentHash)).size;
}

/**
 * Every label must be a class of the network.
 *
 * @throws AppError LABELS_INVALID that names the first sample out of range
 */
export function checkLabels(dataset: Dataset, classCount: number): void {
  for (const { name, label } of dataset.samples) {
    if (label !== undefined && label >= classCount)
      throw new AppError(
        'LABELS_INVALID',
        `Sample '${name}' has the label ${label}; the network has ${classCount} classes, numbered from 0.`,
        { sample: name, label, classCount },
      );
  }
}
