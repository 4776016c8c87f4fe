import { AppError } from '../../base/index.ts';
import type { Recipe } from '../../quant/index.ts';
import type { ChoosingBatch } from './choosingSamples.ts';
import type { Figures } from './figures.ts';
import { compareAccuracy, compareFidelity } from './ranking.ts';
import { combine, type Variant } from './variants.ts';
import type { Candidate, Workbench } from './workbench.ts';

/** Single changes that are measured in full. */
const SHORT_LIST = 8;

export interface ShortListOptions {
  readonly variants: readonly Variant[];
  /** The samples of the cheap figures. */
  readonly few: readonly ChoosingBatch[];
  /** Whether the cheap figures have taken the time that they may. */
  readonly isEnough: () => boolean;
}

/**
 * The promising single changes of a recipe, the nearest to fp32 first. The cheap figure is the divergence of the outputs on a
 * few samples without bias correction, which takes most of the time of a candidate; changes of the correction itself have
 * none and come last, and so do those that there is no time for.
 */
export async function shortList(
  bench: Workbench,
  recipe: Recipe,
  { variants, few, isEnough }: ShortListOptions,
): Promise<readonly Variant[]> {
  const found: { variant: Variant; figures: Figures }[] = [];
  const last: Variant[] = [];
  for (const variant of variants) {
    if (variant.dimension === 'correction' || isEnough()) {
      last.push(variant);
      continue;
    }
    const figures = await cheapFigures(bench, { ...variant.apply(recipe), biasCorrection: 'none' }, few);
    if (figures !== undefined) found.push({ variant, figures });
  }
  found.sort((a, b) => compareFidelity(a.figures, b.figures));
  return [...found.map(({ variant }) => variant).slice(0, SHORT_LIST), ...last];
}

/** Times slower than the given recipe from which a change is left out: layers left float cost less. */
const MUCH_SLOWER = 5;

/** Undefined for a recipe that this network refuses, or that makes it much slower. */
async function cheapFigures(
  bench: Workbench,
  recipe: Recipe,
  few: readonly ChoosingBatch[],
): Promise<Figures | undefined> {
  const built = await bench.build(recipe).catch((error: unknown) => {
    if (error instanceof AppError && error.code !== 'CANCELLED') return undefined;
    throw error;
  });
  if (built === undefined) return undefined;
  try {
    const given = bench.candidates[0]?.p50Ms ?? Infinity;
    if ((await bench.time(built.executable)) > MUCH_SLOWER * given) return undefined;
    return await bench.figures(built.executable, few);
  } finally {
    built.executable.close();
  }
}

/** Measures single changes, then the winners of each kind together. */
export async function measureVariants(bench: Workbench, recipe: Recipe, variants: readonly Variant[]): Promise<void> {
  const singles: { variant: Variant; candidate: Candidate }[] = [];
  for (const variant of variants) {
    const { title, recipe: changed } = combine(recipe, [variant]);
    singles.push({ variant, candidate: await bench.measure(title, changed) });
  }
  const [given] = bench.candidates;
  const wins = ({ figures }: Candidate): boolean =>
    given !== undefined && (compareFidelity(figures, given.figures) < 0 || compareAccuracy(figures, given.figures) < 0);
  const winners = singles
    .filter(({ candidate }) => wins(candidate))
    .sort((a, b) => compareFidelity(a.candidate.figures, b.candidate.figures));
  await addWinners(bench, recipe, winners);
}

/** Starts from the best change and keeps each next one, of another kind, that brings the outputs nearer to fp32. */
async function addWinners(
  bench: Workbench,
  recipe: Recipe,
  winners: readonly { readonly variant: Variant; readonly candidate: Candidate }[],
): Promise<void> {
  const [first, ...rest] = winners;
  if (first === undefined) return;
  let kept: readonly Variant[] = [first.variant];
  let best = first.candidate;
  for (const { variant } of rest) {
    if (kept.some(({ dimension }) => dimension === variant.dimension)) continue;
    const together = combine(recipe, [...kept, variant]);
    const candidate = await bench.measure(together.title, together.recipe);
    if (compareFidelity(candidate.figures, best.figures) >= 0) continue;
    kept = [...kept, variant];
    best = candidate;
  }
}
