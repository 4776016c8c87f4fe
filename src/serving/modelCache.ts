import { AppError, toProblem, fromProblem, type Problem } from '../base/index.ts';
import type { ArtifactStore, VersionRecord } from '../store/index.ts';
import type { Metrics } from './metrics.ts';
import type { InferencePool } from './pool.ts';
import type { LoadedModel } from './threads/protocol.ts';

export type LoadState = 'LOADING' | 'READY' | 'UNAVAILABLE' | 'UNLOADED';

interface Entry {
  readonly key: string;
  readonly loading: Promise<LoadedModel>;
  state: 'LOADING' | 'READY';
  memoryBytes: number;
  lastUsed: number;
  users: number;
}

/** A load that failed is not tried again for this long: compiling costs seconds, and the file does not change. */
const FAILURE_MEMORY_MS = 30_000;

/**
 * Quantized versions in the pool's threads: loaded on first use, warm before they count as ready, evicted least recently
 * used first once all together exceed the memory budget. A version in use is never evicted, so one version alone may
 * exceed the budget.
 */
export class ModelCache {
  readonly #pool: InferencePool;
  readonly #artifacts: ArtifactStore;
  readonly #budgetBytes: number;
  readonly #metrics: Metrics;
  readonly #entries = new Map<string, Entry>();
  readonly #failures = new Map<string, { readonly problem: Problem; readonly until: number }>();
  readonly #onMismatch: (version: VersionRecord, model: LoadedModel) => void;
  #clock = 0;

  constructor(
    pool: InferencePool,
    artifacts: ArtifactStore,
    options: {
      readonly budgetBytes: number;
      readonly metrics: Metrics;
      readonly onMismatch: (version: VersionRecord, model: LoadedModel) => void;
    },
  ) {
    this.#pool = pool;
    this.#artifacts = artifacts;
    this.#budgetBytes = options.budgetBytes;
    this.#metrics = options.metrics;
    this.#onMismatch = options.onMismatch;
  }

  /** Keeps the version loaded while `use` runs. */
  async using<T>(version: VersionRecord, use: (key: string) => Promise<T>): Promise<T> {
    const entry = this.#entry(version);
    entry.users++;
    entry.lastUsed = ++this.#clock;
    try {
      await entry.loading;
      return await use(entry.key);
    } finally {
      entry.users--;
      await this.#evict();
    }
  }

  /** @throws AppError VERSION_UNAVAILABLE or what is wrong with the file */
  async load(version: VersionRecord): Promise<LoadedModel> {
    return this.#entry(version).loading;
  }

  async unload(version: VersionRecord): Promise<void> {
    const entry = this.#entries.get(version.sha256);
    this.#failures.delete(version.sha256);
    if (entry === undefined) return;
    this.#entries.delete(version.sha256);
    await this.#pool.unload(entry.key);
    this.#count();
  }

  state(version: VersionRecord): { readonly state: LoadState; readonly reason: string } {
    const failure = this.#failure(version.sha256);
    if (failure !== undefined) return { state: 'UNAVAILABLE', reason: failure.detail };
    const entry = this.#entries.get(version.sha256);
    return { state: entry?.state ?? 'UNLOADED', reason: '' };
  }

  #failure(key: string): Problem | undefined {
    const failure = this.#failures.get(key);
    return failure !== undefined && failure.until > Date.now() ? failure.problem : undefined;
  }

  #entry(version: VersionRecord): Entry {
    const key = version.sha256;
    const found = this.#entries.get(key);
    if (found !== undefined) return found;
    const failure = this.#failure(key);
    if (failure !== undefined) throw fromProblem(failure);
    const entry: Entry = {
      key,
      loading: this.#load(version),
      state: 'LOADING',
      memoryBytes: 0,
      lastUsed: ++this.#clock,
      users: 0,
    };
    this.#entries.set(key, entry);
    entry.loading.then(
      (model) => {
        entry.state = 'READY';
        entry.memoryBytes = model.memoryBytes;
        this.#count();
      },
      (error: unknown) => {
        if (this.#entries.get(key) === entry) this.#entries.delete(key);
        this.#failures.set(key, { problem: toProblem(error), until: Date.now() + FAILURE_MEMORY_MS });
      },
    );
    return entry;
  }

  async #load(version: VersionRecord): Promise<LoadedModel> {
    const stop = this.#metrics.loads.startTimer();
    const source = async () => ({ bytes: await this.#artifacts.read(version.sha256), golden: version.golden });
    try {
      const model = await this.#pool.load(version.sha256, source);
      stop();
      if (model.mismatchedTiers.length > 0) this.#onMismatch(version, model);
      return model;
    } catch (error) {
      if (error instanceof AppError && error.kind !== 'internal') throw error;
      throw new AppError(
        'VERSION_UNAVAILABLE',
        `Version ${version.version} of '${version.model}' cannot be loaded.`,
        {},
        { cause: error },
      );
    }
  }

  async #evict(): Promise<void> {
    while (this.#usedBytes() > this.#budgetBytes) {
      const idle = [...this.#entries.values()].filter((entry) => entry.users === 0 && entry.state === 'READY');
      const oldest = idle.sort((a, b) => a.lastUsed - b.lastUsed)[0];
      if (oldest === undefined || this.#entries.size === 1) return;
      this.#entries.delete(oldest.key);
      this.#metrics.evictions.inc();
      await this.#pool.unload(oldest.key);
    }
    this.#count();
  }

  #usedBytes(): number {
    let sum = 0;
    for (const entry of this.#entries.values()) sum += entry.memoryBytes;
    return sum;
  }

  #count(): void {
    this.#metrics.loadedModels.set(this.#entries.size);
    this.#metrics.loadedBytes.set(this.#usedBytes());
  }
}
