import type { TensorMap } from '../tensor/index.ts';
import type { LatencyReport } from './report.ts';
import type { Runner } from './runner.ts';

export interface LatencyOptions {
  readonly threads: number;
  /** Time to spend; at least `minRuns` are made. */
  readonly budgetMs?: number;
  readonly minRuns?: number;
  readonly maxRuns?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Times single inferences of the runners, taking turns, so that what else the machine does falls on all alike. The first
 * round is not counted.
 */
export async function measureLatency(
  runners: readonly Runner[],
  feeds: TensorMap,
  { threads, budgetMs = 1_200, minRuns = 3, maxRuns = 200, signal }: LatencyOptions,
): Promise<LatencyReport[]> {
  const times = runners.map((): number[] => []);
  const start = performance.now();
  for (let round = -1; round < maxRuns; round++) {
    if (round >= minRuns && performance.now() - start > budgetMs) break;
    if (signal?.aborted === true) break;
    for (const [i, runner] of runners.entries()) {
      const began = performance.now();
      await runner.run(feeds);
      if (round >= 0) times[i]?.push(performance.now() - began);
    }
  }
  return runners.map(({ name }, i) => {
    const sorted = (times[i] ?? []).sort((a, b) => a - b);
    const at = (share: number): number => round3(sorted[Math.ceil(share * sorted.length) - 1] ?? 0);
    return { runner: name, threads, runs: sorted.length, p50Ms: at(0.5), p90Ms: at(0.9), p99Ms: at(0.99) };
  });
}

function round3(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
