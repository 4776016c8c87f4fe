import type { Figures } from './figures.ts';
import { KEPT_DB } from '../verdict.ts';

/** Latencies nearer than this are equal: what taking turns leaves of the noise. */
const LATENCY_TOLERANCE = 0.05;

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

/**
 * Index of the best: of those within the budget the fastest, and of the equally fast the most accurate; of none within it
 * the most accurate. The earlier one wins where all is equal.
 */
export function chooseBest(candidates: readonly Ranked[], budget: number): number {
  const all = [...candidates.entries()].map(([index, candidate]) => ({ index, ...candidate }));
  const affordable = all.filter(({ figures }) => withinBudget(figures, budget));
  const fastest = Math.min(...affordable.map(({ p50Ms }) => p50Ms));
  const equallyFast = affordable.filter(({ p50Ms }) => p50Ms <= fastest * (1 + LATENCY_TOLERANCE));
  const pool = affordable.length > 0 ? equallyFast : all;
  return pool.reduce((best, one) => (compareAccuracy(one.figures, best.figures) < 0 ? one : best)).index;
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
