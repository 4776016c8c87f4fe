import { createHash } from 'node:crypto';
import { seededRandom } from '../base/index.ts';
import { countDuplicates, holdOut, withoutOverlap, type Dataset } from '../data/index.ts';
import type { Recipe } from '../quant/index.ts';
import type { Report } from './report.ts';

/** Share of a single data set that is held out for evaluation. */
const HELD_OUT_SHARE = 0.2;

/** Some samples of a data set. */
export interface Selection {
  readonly dataset: Dataset;
  readonly indices: readonly number[];
}

export interface SamplePlan {
  readonly calibration: Selection | undefined;
  readonly evaluation:
    (Selection & { readonly source: 'evaluationSet' | 'heldOut'; readonly overlapRemoved: number }) | undefined;
  /** What a recipe search chooses with; taken from the evaluation samples, which prove. */
  readonly selection: Selection | undefined;
  readonly warnings: readonly string[];
}

export interface SampleSets {
  readonly calibration: Dataset | undefined;
  readonly evaluation: Dataset | undefined;
}

/** Share of the evaluation samples that a search chooses with. */
const SELECTION_SHARE = 1 / 3;

/**
 * Which samples calibrate, which choose (of a recipe with a search) and which evaluate; no content does two of it. Calibration
 * does not depend on whether there is a search: the chosen recipe alone gives the same bytes.
 *
 * @param mostChoosing  samples that choose at most: they are kept in memory
 */
export function planSamples(sets: SampleSets, recipe: Recipe, mostChoosing = Infinity): SamplePlan {
  const plan = planEvaluation(sets, recipe);
  const { evaluation } = plan;
  if (recipe.search === undefined || evaluation === undefined) return { ...plan, selection: undefined };
  const { dataset, indices } = evaluation;
  const hashes = [...new Set(indices.map((index) => contentOf(dataset, index)))].sort();
  const count = Math.max(1, Math.min(Math.round(hashes.length * SELECTION_SHARE), mostChoosing));
  const choosing = new Set(hashes.length < 2 ? [] : hashes.slice(0, count));
  const taken = [...choosing].map((hash) => indices.find((index) => contentOf(dataset, index) === hash) ?? 0);
  const left = indices.filter((index) => !choosing.has(contentOf(dataset, index)));
  return {
    ...plan,
    evaluation: { ...evaluation, indices: left },
    selection: taken.length === 0 ? undefined : { dataset, indices: taken.sort((a, b) => a - b) },
  };
}

function contentOf({ samples }: Dataset, index: number): string {
  return samples[index]?.contentHash ?? '';
}

/**
 * Which samples calibrate and which evaluate; no content does both. A single set is divided by content hash; of two, the
 * evaluation samples that the calibration set has too are left out.
 */
function planEvaluation({ calibration, evaluation }: SampleSets, recipe: Recipe): Omit<SamplePlan, 'selection'> {
  const warnings: string[] = [];
  if (calibration === undefined)
    return {
      calibration: undefined,
      evaluation: evaluation && {
        dataset: evaluation,
        indices: allOf(evaluation),
        source: 'evaluationSet',
        overlapRemoved: 0,
      },
      warnings,
    };
  if (evaluation !== undefined) {
    const kept = withoutOverlap(evaluation, calibration);
    const overlapRemoved = evaluation.samples.length - kept.length;
    if (overlapRemoved > 0)
      warnings.push(
        `${overlapRemoved} of ${evaluation.samples.length} evaluation samples have the same content as calibration samples and were left out.`,
      );
    return {
      calibration: { dataset: calibration, indices: limited(allOf(calibration), recipe) },
      evaluation:
        kept.length === 0 ? undefined : { dataset: evaluation, indices: kept, source: 'evaluationSet', overlapRemoved },
      warnings,
    };
  }
  if (new Set(calibration.samples.map(({ contentHash }) => contentHash)).size < 2)
    return { calibration: { dataset: calibration, indices: allOf(calibration) }, evaluation: undefined, warnings };
  const split = holdOut(calibration, HELD_OUT_SHARE);
  return {
    calibration: { dataset: calibration, indices: limited(split.calibration, recipe) },
    evaluation: { dataset: calibration, indices: split.evaluation, source: 'heldOut', overlapRemoved: 0 },
    warnings,
  };
}

function allOf(dataset: Dataset): number[] {
  return dataset.samples.map((_, index) => index);
}

/** At most the recipe's number, drawn by its seed, in their order. */
function limited(indices: readonly number[], { calibrationSamples, seed }: Recipe): readonly number[] {
  if (calibrationSamples === undefined || indices.length <= calibrationSamples) return indices;
  const random = seededRandom(seed);
  const drawn = [...indices];
  for (let i = 0; i < calibrationSamples; i++) {
    const other = i + Math.floor(random() * (drawn.length - i));
    [drawn[i], drawn[other]] = [drawn[other] ?? 0, drawn[i] ?? 0];
  }
  return drawn.slice(0, calibrationSamples).sort((a, b) => a - b);
}

/** sha-256 over the samples' content hashes, sorted: equal contents in any order give one hash. */
export function selectionHash({ dataset, indices }: Selection): string {
  const hash = createHash('sha256');
  for (const content of indices.map((index) => contentOf(dataset, index)).sort()) hash.update(content);
  return hash.digest('hex');
}

export function describeSelection(selection: Selection): NonNullable<Report['data']['calibration']> {
  const { dataset, indices } = selection;
  return {
    samples: indices.length,
    labelled: indices.every((index) => dataset.samples[index]?.label !== undefined),
    duplicates: countDuplicates(dataset, indices),
    sha256: selectionHash(selection),
  };
}
