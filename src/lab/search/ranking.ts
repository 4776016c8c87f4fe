import type { Figures } from './figures.ts';
import { KEPT_DB } from '../verdict.ts';

/** Latencies nearer than this are equal: what taking turns leaves of the noise, and what a call costs by itself. */
const LATENCY_TOLERANCE = 0.05;
const LATENCY_FLOOR_MS = 0.01;

/** Whether one time is shorter than another by more than chance. */
export function isClearlyFaster(ms: number, otherMs: number): boolean {
  return otherMs - ms > Math.max(LATENCY_FLOOR_MS, LATENCY_TOLERANCE * ms);
}

export interface Ranked {
  readonly figures: Figures;
  readonly p50Ms: number;
  readonly int8Bytes: number;
}

/** Whether the samples that choose show no more loss than allowed: points of top-1, per cent of disagreement, or decibels. */
export function withinBudget({ paired, sqnrDb, finite }: Figures, budget: number): boolean {
  if (!finite) return false;
  if (paired?.labelled !== undefined) return 100 * paired.labelled.netLoss <= budget;
  if (paired !== undefined) return (100 * paired.disagreements) / paired.samples <= budget;
  return (sqnrDb ?? Infinity) >= KEPT_DB;
}

/**
 * Negative where `a` is the more accurate: by the 95 % upper limit of the net loss (which an even exchange of many losses
 * for many gains does not lower), then disagreements, then divergence, then noise.
 */
export function compareAccuracy(a: Figures, b: Figures): number {
  if (a.finite !== b.finite) return a.finite ? -1 : 1;
  const loss = ({ paired }: Figures): number => paired?.labelled?.netLossUpper ?? 0;
  const disagreements = ({ paired }: Figures): number => paired?.disagreements ?? 0;
  return loss(a) - loss(b) || disagreements(a) - disagreements(b) || compareFidelity(a, b);
}

/** Negative where the outputs of `a` are nearer to those of fp32: finer than answers, so fewer samples tell more. */
export function compareFidelity(a: Figures, b: Figures): number {
  const noise = ({ sqnrDb }: Figures): number => -(sqnrDb ?? Number.MAX_VALUE);
  return (a.outputKl ?? 0) - (b.outputKl ?? 0) || noise(a) - noise(b);
}

/** Fidelity that differs less from the given recipe's is the samples' doing. */
const CLEARLY_NEARER = 0.05;

/** Whether the outputs are nearer to fp32 than those of the given recipe by more than chance. */
function isClearlyNearer(figures: Figures, given: Figures): boolean {
  if (figures.outputKl !== undefined && given.outputKl !== undefined)
    return figures.outputKl < (1 - CLEARLY_NEARER) * given.outputKl;
  return compareFidelity(figures, given) < 0;
}

/**
 * Index of the best: of those within the budget the fastest, and of the equally fast the nearest to fp32; of none within it
 * the most accurate. Within the budget the given recipe, the first, stays where no other is clearly nearer.
 */
export function chooseBest(candidates: readonly Ranked[], budget: number): number {
  const all = [...candidates.entries()].map(([index, candidate]) => ({ index, ...candidate }));
  const affordable = all.filter(({ figures }) => withinBudget(figures, budget));
  if (affordable.length === 0)
    return all.reduce((best, one) => (compareAccuracy(one.figures, best.figures) < 0 ? one : best)).index;
  const fastest = Math.min(...affordable.map(({ p50Ms }) => p50Ms));
  const pool = affordable.filter(({ p50Ms }) => !isClearlyFaster(fastest, p50Ms));
  const best = pool.reduce((nearest, one) => (compareFidelity(one.figures, nearest.figures) < 0 ? one : nearest));
  const given = pool.find(({ index }) => index === 0);
  return given !== undefined && !isClearlyNearer(best.figures, given.figures) ? 0 : best.index;
}

/** Which are on the Pareto front of accuracy against latency: no other is as good in both and better in one. */
export function paretoFront(candidates: readonly Ranked[]): boolean[] {
  const level = ({ figures }: Ranked): number =>
    figures.top1 ?? figures.paired?.agreement ?? figures.sqnrDb ?? Infinity;
  return candidates.map((one) =>
    candidates.every((other) => {
      const asGood = level(other) >= level(one) && other.p50Ms <= one.p50Ms;
      return !asGood || (level(other) === level(one) && other.p50Ms === one.p50Ms);
    }),
  );
}
