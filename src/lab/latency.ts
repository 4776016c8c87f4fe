import type { Executable } from '../engine/index.ts';
import type { FloatExecutor, Graph } from '../graph/index.ts';
import { profileNodes } from '../onnxruntime/index.ts';
import type { Recipe } from '../quant/index.ts';
import type { TensorMap } from '../tensor/index.ts';
import { timesByRow } from './floatTimes.ts';
import type { LatencyReport, NodeLatency, Report } from './report.ts';
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
  return runners.map(({ name }, i) => ({
    runner: name,
    threads,
    runs: times[i]?.length ?? 0,
    ...percentiles(times[i] ?? []),
  }));
}

/** Inferences that nodes are timed in: enough for a 99th percentile, and no more than a share of the budget. */
const PROFILE_RUNS = 100;
const PROFILE_BUDGET_MS = 300;

/**
 * Times of the int8 nodes, in the order they run. The first inference is not counted.
 *
 * @param float  times of the float network, by node name
 */
export function measureNodes(
  executable: Executable,
  feeds: TensorMap,
  float: ReadonlyMap<string, readonly number[]> = new Map(),
): NodeLatency[] {
  const nodes = executable.profile(feeds);
  const times = nodes.map((): number[] => []);
  const start = performance.now();
  for (let run = 0; run < PROFILE_RUNS; run++) {
    if (run > 0 && performance.now() - start > PROFILE_BUDGET_MS) break;
    for (const [i, { ms }] of executable.profile(feeds).entries()) times[i]?.push(ms);
  }
  return nodes.map(({ name, opType, kernel, macs }, i) => {
    const fp32 = float.get(name);
    const figures = { name, opType, kernel, macs, int8: percentiles(times[i] ?? []) };
    return fp32 === undefined ? figures : { ...figures, fp32: percentiles(fp32) };
  });
}

/** The float network that is timed, the graph that was quantized with its names, and the recipe that fused its nodes. */
export interface TimedNetwork {
  readonly imported: Graph;
  readonly prepared: Graph;
  readonly recipe: Recipe;
}

/** Times of the float network's nodes on one thread; empty where what runs it does not time them. */
export async function measureFloatNodes(
  executor: FloatExecutor,
  { imported, prepared, recipe }: TimedNetwork,
  feeds: TensorMap,
): Promise<ReadonlyMap<string, readonly number[]>> {
  if (executor.name !== 'onnxruntime') return new Map();
  const limits = { threads: 1, budgetMs: PROFILE_BUDGET_MS, maxRuns: PROFILE_RUNS };
  // It needs a temporary file; a report without these times is better than none.
  const profile = await profileNodes(imported, feeds, limits).catch(() => []);
  return timesByRow(profile, prepared, recipe);
}

/** @param both  fp32 and int8, as `measureLatency` returns them */
export function latencyFigures(
  [fp32, int8]: readonly LatencyReport[],
  nodes: readonly NodeLatency[],
): Report['latency'] {
  if (fp32 === undefined || int8 === undefined) return {};
  const speedup = int8.p50Ms > 0 ? { speedup: Math.round((fp32.p50Ms / int8.p50Ms) * 100) / 100 } : {};
  return { fp32, int8, ...speedup, ...(nodes.length === 0 ? {} : { nodes: [...nodes] }) };
}

/** Nearest-rank percentiles, in ms to the microsecond. */
function percentiles(times: readonly number[]): Record<'p50Ms' | 'p90Ms' | 'p99Ms', number> {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number): number => Math.round((sorted[Math.ceil(share * sorted.length) - 1] ?? 0) * 1_000) / 1_000;
  return { p50Ms: at(0.5), p90Ms: at(0.9), p99Ms: at(0.99) };
}
