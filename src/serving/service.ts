import { AppError } from '../base/index.ts';
import type { Tier } from '../engine/index.ts';
import type { FloatServer } from '../jobs/index.ts';
import type { Store, VersionRecord } from '../store/index.ts';
import { tensorsOf, type FeedMap, type TensorMap } from '../tensor/index.ts';
import { executorOf } from './executorOf.ts';
import { checkFeeds } from './inputs.ts';
import { ModelCache, type LoadedVersion, type LoadState, type Mismatch } from './modelCache.ts';
import { addGauge, type Metrics, type StageTimes } from './metrics.ts';
import { InferencePool } from './pool.ts';
import { selectVersion } from './routing.ts';
import { Statistics } from './statistics.ts';

export interface ServingOptions {
  readonly threads: number;
  readonly queueLength: number;
  readonly timeoutMs: number;
  readonly sharing: 'auto' | 'off';
  readonly memoryBytes: number;
  readonly tier: Tier | undefined;
}

export interface ServingEvents {
  /** Tiers did not give the golden bits and were left out; where none did, the version is unavailable. */
  readonly goldenMismatch: (version: VersionRecord, mismatch: Mismatch) => void;
}

/** How one request uses the network: what comes before and after is timed apart from the computation. */
export interface ServeRequest<T> {
  readonly protocol: 'predict' | 'v2';
  readonly signal?: AbortSignal | undefined;
  preprocess(version: VersionRecord): Promise<FeedMap>;
  postprocess(outputs: TensorMap, version: VersionRecord): T;
}

export interface Served<T> {
  readonly value: T;
  readonly version: VersionRecord;
  readonly times: StageTimes;
  readonly totalMs: number;
}

/** Finds the version that answers, loads it where needed, runs it and keeps the figures. */
export class InferenceService {
  readonly statistics = new Statistics();
  readonly metrics: Metrics;
  readonly #store: Store;
  readonly #floats: FloatServer;
  readonly #pool: InferencePool;
  readonly #cache: ModelCache;
  readonly #options: ServingOptions;
  /** Models that a client has unloaded; they answer again after a load. */
  readonly #unloaded = new Set<string>();
  #floatsPending = 0;

  constructor(
    store: Store,
    floats: FloatServer,
    options: ServingOptions & { metrics: Metrics; events: ServingEvents },
  ) {
    this.#store = store;
    this.#floats = floats;
    this.#options = options;
    this.metrics = options.metrics;
    this.#pool = new InferencePool({
      ...options,
      onRestart: () => {
        this.metrics.threadRestarts.inc();
      },
      onShared: () => {
        this.metrics.shared.inc();
      },
    });
    addGauge(
      this.metrics,
      { name: 'octet_inference_pending', help: 'Inference requests waiting for a thread', labelNames: [] },
      async () => [{ labels: {}, value: this.#pool.waiting }],
    );
    this.#cache = new ModelCache(this.#pool, store.artifacts, {
      budgetBytes: options.memoryBytes,
      metrics: this.metrics,
      onMismatch: (version, mismatch) => {
        for (const tier of mismatch.mismatchedTiers) this.metrics.goldenMismatches.inc({ tier });
        options.events.goldenMismatch(version, mismatch);
      },
    });
  }

  get threads(): number {
    return this.#pool.threads;
  }

  /** Versions that the engine holds. */
  get loaded(): readonly LoadedVersion[] {
    return this.#cache.loaded;
  }

  /** @throws AppError MODEL_NOT_FOUND, VERSION_NOT_FOUND */
  async resolve(model: string, selector?: string): Promise<VersionRecord> {
    return selectVersion(await this.#store.metadata.model(model), selector);
  }

  /**
   * Runs one request on the version that `selector` names.
   *
   * @throws AppError MODEL_NOT_FOUND, VERSION_NOT_FOUND, VERSION_NOT_READY, VERSION_UNAVAILABLE, INFERENCE_INVALID,
   *   INFERENCE_QUEUE_FULL, INFERENCE_TIMEOUT, FLOAT_EXECUTOR_UNAVAILABLE
   */
  async serve<T>(model: string, selector: string | undefined, request: ServeRequest<T>): Promise<Served<T>> {
    const version = await this.resolve(model, selector);
    const start = performance.now();
    try {
      const served = await this.#serve(version, request, start);
      this.#succeeded(served, request.protocol);
      return served.result;
    } catch (error) {
      this.#failed(version, request.protocol, performance.now() - start, error);
      throw error;
    }
  }

  /** Ends an earlier `unload` and warms the version. */
  async load(version: VersionRecord): Promise<void> {
    this.#unloaded.delete(version.model);
    await this.warm(version);
  }

  /**
   * Loads the version, so that its first inference is as fast as the next.
   *
   * @throws AppError VERSION_NOT_READY after an `unload`, VERSION_UNAVAILABLE
   */
  async warm(version: VersionRecord): Promise<void> {
    this.#refuseUnloaded(version);
    if (executorOf(version) === 'octet') await this.#cache.load(version);
  }

  /** After this the model answers VERSION_NOT_READY until it is loaded again. */
  async unload(model: string): Promise<void> {
    const record = await this.#store.metadata.model(model);
    this.#unloaded.add(model);
    await Promise.all(record.versions.map((version) => this.#free(version)));
  }

  /** Drops everything held for a version that is about to be deleted. */
  async forget(version: VersionRecord): Promise<void> {
    this.statistics.forget(version.model, version.version);
    await this.#free(version);
  }

  async #free(version: VersionRecord): Promise<void> {
    if (executorOf(version) === 'octet') await this.#cache.unload(version);
    // The worker may be down: then it holds nothing.
    else await this.#floats.unload(version.sha256).catch(() => undefined);
  }

  /** Whether the version can answer; READY and UNLOADED ones do, the latter after loading. */
  state(version: VersionRecord): { readonly state: LoadState; readonly reason: string } {
    if (this.#unloaded.has(version.model)) return { state: 'UNAVAILABLE', reason: 'unloaded' };
    return executorOf(version) === 'octet' ? this.#cache.state(version) : { state: 'READY', reason: '' };
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }

  #refuseUnloaded(version: VersionRecord): void {
    if (this.#unloaded.has(version.model))
      throw new AppError('VERSION_NOT_READY', `Model '${version.model}' is unloaded; load it first.`);
  }

  async #serve<T>(version: VersionRecord, request: ServeRequest<T>, start: number) {
    this.#refuseUnloaded(version);
    const preprocessStart = performance.now();
    const feeds = await request.preprocess(version);
    const batch = checkFeeds(feeds, version.summary.inputs);
    const preprocess = performance.now() - preprocessStart;
    const { outputs, queueMs, computeMs } = await this.#run(version, feeds, request.signal);
    const postprocessStart = performance.now();
    const value = request.postprocess(outputs, version);
    const end = performance.now();
    const times: StageTimes = { queue: queueMs, preprocess, compute: computeMs, postprocess: end - postprocessStart };
    return { result: { value, version, times, totalMs: end - start }, batch };
  }

  async #run(version: VersionRecord, feeds: FeedMap, signal: AbortSignal | undefined) {
    const start = performance.now();
    const { outputs, computeMs } =
      executorOf(version) === 'octet'
        ? await this.#cache.using(version, (key) => this.#pool.run(key, feeds, signal))
        : await this.#runFloat(version, feeds, signal);
    // Loading on first use, waiting for a thread or the worker process, and the way there and back.
    return { outputs, computeMs, queueMs: Math.max(0, performance.now() - start - computeMs) };
  }

  /**
   * Whether onnxruntime takes a file that is not stored yet.
   *
   * @throws AppError MODEL_INVALID, MODEL_TOO_COMPLEX, FLOAT_EXECUTOR_UNAVAILABLE, INFERENCE_QUEUE_FULL, INFERENCE_TIMEOUT
   */
  async checkOnnxruntime(path: string): Promise<void> {
    await this.#withFloats((ended) => this.#floats.check(path, ended), undefined);
  }

  async #runFloat(version: VersionRecord, feeds: FeedMap, signal: AbortSignal | undefined) {
    return this.#withFloats((ended) => this.#floats.infer(version.sha256, tensorsOf(feeds), ended), signal);
  }

  /** The worker process queues on its own; here only the number of requests under way is bounded. */
  async #withFloats<T>(call: (ended: AbortSignal) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    if (this.#floatsPending >= this.#options.queueLength)
      throw new AppError(
        'INFERENCE_QUEUE_FULL',
        `${this.#floatsPending} float inference requests are waiting; try again later.`,
      );
    this.#floatsPending++;
    const timeout = AbortSignal.timeout(this.#options.timeoutMs);
    const ended = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
    try {
      return await call(ended);
    } catch (error) {
      if (timeout.aborted)
        throw new AppError('INFERENCE_TIMEOUT', `The float inference did not finish in ${this.#options.timeoutMs} ms.`);
      throw error;
    } finally {
      this.#floatsPending--;
    }
  }

  #succeeded<T>(served: { result: Served<T>; batch: number }, protocol: string): void {
    const { version, times, totalMs } = served.result;
    const labels = { model: version.model, version: String(version.version) };
    this.metrics.request.observe({ ...labels, protocol, outcome: 'success' }, totalMs / 1_000);
    this.metrics.samples.inc(labels, served.batch);
    for (const [stage, ms] of Object.entries(times)) this.metrics.stage.observe({ ...labels, stage }, ms / 1_000);
    this.statistics.succeeded(version.model, version.version, { batch: served.batch, times, totalMs });
  }

  #failed(version: VersionRecord, protocol: string, totalMs: number, error: unknown): void {
    const labels = { model: version.model, version: String(version.version) };
    this.metrics.request.observe({ ...labels, protocol, outcome: 'failure' }, totalMs / 1_000);
    this.metrics.refused.inc({ code: error instanceof AppError ? error.code : 'INTERNAL' });
    this.statistics.failed(version.model, version.version, totalMs);
  }
}
