import { AppError, toProblem, fromProblem, type Problem } from '../base/index.ts';
import { tiers, type Tier } from '../engine/index.ts';
import type { ArtifactStore, VersionRecord } from '../store/index.ts';
import type { Metrics } from './metrics.ts';
import type { InferencePool } from './pool.ts';
import type { LoadedModel } from './threads/protocol.ts';

export type LoadState = 'LOADING' | 'READY' | 'UNAVAILABLE' | 'UNLOADED';

/** A version in memory. */
export interface LoadedVersion {
  readonly version: VersionRecord;
  readonly model: LoadedModel;
}

/** Tiers whose golden output was not the reference's; `tier` is the one that the version runs on, if any. */
export interface Mismatch {
  readonly tier: Tier | undefined;
  readonly mismatchedTiers: readonly Tier[];
}

export interface ModelCacheOptions {
  readonly budgetBytes: number;
  readonly metrics: Metrics;
  readonly onMismatch: (version: VersionRecord, mismatch: Mismatch) => void;
}

interface Entry {
  readonly key: string;
  readonly version: VersionRecord;
  readonly loading: Promise<LoadedModel>;
  /** Absent while it loads. */
  model: LoadedModel | undefined;
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
  readonly #onMismatch: ModelCacheOptions['onMismatch'];
  #clock = 0;

  constructor(pool: InferencePool, artifacts: ArtifactStore, options: ModelCacheOptions) {
    this.#pool = pool;
    this.#artifacts = artifacts;
    this.#budgetBytes = options.budgetBytes;
    this.#metrics = options.metrics;
    this.#onMismatch = options.onMismatch;
  }

  /** Keeps the version loaded while `use` runs. */
  async using<T>(version: VersionRecord, use: (key: string) => Promise<T>): Promise<T> {
    return this.#holding(version, async ({ loading, key }) => {
      await loading;
      return use(key);
    });
  }

  async #holding<T>(version: VersionRecord, use: (entry: Entry) => Promise<T>): Promise<T> {
    const entry = this.#entry(version);
    entry.users++;
    entry.lastUsed = ++this.#clock;
    try {
      return await use(entry);
    } finally {
      entry.users--;
      await this.#evict();
    }
  }

  /** @throws AppError VERSION_UNAVAILABLE or what is wrong with the file */
  async load(version: VersionRecord): Promise<LoadedModel> {
    return this.#holding(version, ({ loading }) => loading);
  }

  /** What is loaded at present. */
  get loaded(): readonly LoadedVersion[] {
    return [...this.#entries.values()].flatMap(({ version, model }) => (model ? [{ version, model }] : []));
  }

  async unload(version: VersionRecord): Promise<void> {
    const entry = this.#entries.get(version.sha256);
    this.#failures.delete(version.sha256);
    if (entry === undefined) return;
    this.#entries.delete(entry.key);
    // What is still loading would arrive in the threads after the unloading.
    await entry.loading.catch(() => undefined);
    if (!this.#entries.has(entry.key)) await this.#pool.unload(entry.key);
    this.#count();
  }

  state(version: VersionRecord): { readonly state: LoadState; readonly reason: string } {
    const failure = this.#failure(version.sha256);
    if (failure !== undefined) return { state: 'UNAVAILABLE', reason: failure.detail };
    const entry = this.#entries.get(version.sha256);
    if (entry === undefined) return { state: 'UNLOADED', reason: '' };
    return { state: entry.model === undefined ? 'LOADING' : 'READY', reason: '' };
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
      version,
      loading: this.#load(version),
      model: undefined,
      lastUsed: ++this.#clock,
      users: 0,
    };
    this.#entries.set(key, entry);
    entry.loading.then(
      (model) => {
        entry.model = model;
        this.#count();
      },
      (error: unknown) => {
        // A version that was unloaded meanwhile has not failed.
        if (this.#entries.get(key) !== entry) return;
        this.#entries.delete(key);
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
      const mismatchedTiers = mismatchedTiersOf(error);
      if (mismatchedTiers.length > 0) this.#onMismatch(version, { tier: undefined, mismatchedTiers });
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
      const idle = [...this.#entries.values()].filter(({ users, model }) => users === 0 && model !== undefined);
      const oldest = idle.sort((a, b) => a.lastUsed - b.lastUsed)[0];
      if (oldest === undefined || this.#entries.size === 1) break;
      this.#entries.delete(oldest.key);
      this.#metrics.evictions.inc();
      await this.#pool.unload(oldest.key);
    }
    this.#count();
  }

  #usedBytes(): number {
    let sum = 0;
    for (const entry of this.#entries.values()) sum += entry.model?.memoryBytes ?? 0;
    return sum;
  }

  #count(): void {
    this.#metrics.loadedModels.set(this.#entries.size);
    this.#metrics.loadedBytes.set(this.#usedBytes());
  }
}

/** The tiers that a load was refused for. */
function mismatchedTiersOf(error: unknown): readonly Tier[] {
  const found = error instanceof AppError ? error.params['mismatchedTiers'] : undefined;
  return tiers.filter((tier) => Array.isArray(found) && found.includes(tier));
}
