import { stages, type Stage, type StageTimes } from './metrics.ts';

interface Total {
  count: number;
  ns: number;
}

/** What has happened to one version since the process started; the content of `/v2/models/{m}/stats`. */
export interface VersionStatistics {
  readonly model: string;
  readonly version: number;
  readonly lastInferenceMs: number;
  /** Samples, counting each of a batch. */
  readonly inferenceCount: number;
  readonly executionCount: number;
  readonly success: Readonly<Total>;
  readonly fail: Readonly<Total>;
  readonly stages: Readonly<Record<Stage, Readonly<Total>>>;
  /** Compute of each batch size seen, smallest first. */
  readonly batches: readonly {
    readonly batchSize: number;
    readonly stages: Readonly<Record<Stage, Readonly<Total>>>;
  }[];
}

interface Counters {
  model: string;
  version: number;
  lastInferenceMs: number;
  inferenceCount: number;
  executionCount: number;
  success: Total;
  fail: Total;
  stages: Record<Stage, Total>;
  batches: Map<number, Record<Stage, Total>>;
}

/** Batch sizes kept apart; further ones only enter the totals. */
const MAX_BATCH_SIZES = 64;

const noTotals = (): Record<Stage, Total> => ({
  queue: { count: 0, ns: 0 },
  preprocess: { count: 0, ns: 0 },
  compute: { count: 0, ns: 0 },
  postprocess: { count: 0, ns: 0 },
});

function add(total: Total, ms: number): void {
  total.count++;
  total.ns += Math.round(ms * 1e6);
}

/** Counts per version, for the statistics extension of the Open Inference Protocol. */
export class Statistics {
  readonly #counters = new Map<string, Counters>();

  succeeded(model: string, version: number, outcome: { batch: number; times: StageTimes; totalMs: number }): void {
    const counters = this.#of(model, version);
    counters.lastInferenceMs = Date.now();
    counters.inferenceCount += outcome.batch;
    counters.executionCount++;
    add(counters.success, outcome.totalMs);
    const batch = this.#batch(counters, outcome.batch);
    for (const stage of stages) {
      add(counters.stages[stage], outcome.times[stage]);
      if (batch !== undefined) add(batch[stage], outcome.times[stage]);
    }
  }

  failed(model: string, version: number, totalMs: number): void {
    add(this.#of(model, version).fail, totalMs);
  }

  forget(model: string, version: number): void {
    this.#counters.delete(`${model}/${version}`);
  }

  /** Zeros for a version that has not been asked yet. */
  read(model: string, version: number): VersionStatistics {
    const counters = this.#counters.get(`${model}/${version}`) ?? fresh(model, version);
    const batches = [...counters.batches]
      .map(([batchSize, totals]) => ({ batchSize, stages: totals }))
      .sort((a, b) => a.batchSize - b.batchSize);
    return { ...counters, batches };
  }

  #of(model: string, version: number): Counters {
    const key = `${model}/${version}`;
    const found = this.#counters.get(key) ?? fresh(model, version);
    this.#counters.set(key, found);
    return found;
  }

  #batch(counters: Counters, size: number): Record<Stage, Total> | undefined {
    const found = counters.batches.get(size);
    if (found !== undefined || counters.batches.size >= MAX_BATCH_SIZES) return found;
    const totals = noTotals();
    counters.batches.set(size, totals);
    return totals;
  }
}

function fresh(model: string, version: number): Counters {
  return {
    model,
    version,
    lastInferenceMs: 0,
    inferenceCount: 0,
    executionCount: 0,
    success: { count: 0, ns: 0 },
    fail: { count: 0, ns: 0 },
    stages: noTotals(),
    batches: new Map(),
  };
}
