import { randomUUID } from 'node:crypto';
import type { Tier } from '../engine/index.ts';
import { openStore, type EmbeddedStore } from '../store/index.ts';
import { JobRun } from './jobRun.ts';
import type { Incident } from './messages.ts';
import { openQueue, type EmbeddedQueue } from './sqliteQueue.ts';
import { Waiters } from './waiters.ts';

export interface WorkerOptions {
  readonly dataDir: string;
  /** Name of this worker in its leases; no two that live at the same time share one. */
  readonly id?: string | undefined;
  /** URL of the module that exports `runJob`; absent: the laboratory. */
  readonly jobModule?: string | undefined;
  /** Jobs at one time. */
  readonly concurrency?: number | undefined;
  readonly leaseMs?: number | undefined;
  /** Longest run of one job. */
  readonly jobTimeoutMs?: number | undefined;
  /** What a job gets to end by itself once it is cancelled. */
  readonly cancelGraceMs?: number | undefined;
  /** What running jobs get to end when the worker stops. */
  readonly stopGraceMs?: number | undefined;
  /** Engine tier of the jobs' evaluation; absent: the fastest. */
  readonly engineTier?: Tier | undefined;
  /** Heap limit of a job's thread. */
  readonly maxHeapMb?: number | undefined;
  /** Longest delay until a job is found that nobody announced. */
  readonly pollMs?: number | undefined;
}

export interface WorkerEvents {
  readonly onChange?: (jobId: string) => void;
  readonly onIncident?: (incident: Incident) => void;
}

/** Options with their defaults. */
type Settings = Required<{ [K in keyof Omit<WorkerOptions, 'engineTier'>]: NonNullable<WorkerOptions[K]> }> & {
  readonly engineTier: Tier | undefined;
};

const SWEEP_INTERVAL_MS = 3_600_000;

/** Claims jobs and runs each on a thread of its own; recovers lost jobs and sweeps the store beside that. */
export class JobWorker {
  readonly store: EmbeddedStore;
  readonly #queue: EmbeddedQueue;
  readonly #options: Settings;
  readonly #onIncident: (incident: Incident) => void;
  readonly #runs = new Set<JobRun>();
  readonly #stopping = new AbortController();
  readonly #news: Waiters;
  readonly #timers: NodeJS.Timeout[] = [];
  #loops: Promise<void>[] = [];

  private constructor(store: EmbeddedStore, options: WorkerOptions, events: WorkerEvents) {
    this.store = store;
    this.#options = {
      dataDir: options.dataDir,
      id: options.id ?? `worker-${randomUUID()}`,
      jobModule: options.jobModule ?? new URL('./runJob.ts', import.meta.url).href,
      concurrency: options.concurrency ?? 1,
      leaseMs: options.leaseMs ?? 10_000,
      jobTimeoutMs: options.jobTimeoutMs ?? 4 * 3_600_000,
      cancelGraceMs: options.cancelGraceMs ?? 4_000,
      stopGraceMs: options.stopGraceMs ?? 4_000,
      engineTier: options.engineTier,
      maxHeapMb: options.maxHeapMb ?? 2_048,
      pollMs: options.pollMs ?? 1_000,
    };
    this.#news = new Waiters(this.#options.pollMs);
    this.#onIncident = events.onIncident ?? (() => undefined);
    this.#queue = openQueue(store, { leaseMs: this.#options.leaseMs });
    if (events.onChange !== undefined) this.#queue.subscribe(events.onChange);
  }

  /** Opens the store as a guest beside the service and starts to claim. */
  static async start(options: WorkerOptions, events: WorkerEvents = {}): Promise<JobWorker> {
    const worker = new JobWorker(await openStore(options.dataDir, { role: 'guest' }), options, events);
    worker.#every(worker.#options.leaseMs / 2, async () => worker.#queue.recover());
    worker.#every(SWEEP_INTERVAL_MS, async () => worker.store.artifacts.sweep());
    worker.#loops = Array.from({ length: worker.#options.concurrency }, () => worker.#loop());
    return worker;
  }

  /** Says that a job was submitted or cancelled elsewhere. */
  announce(jobId: string): void {
    this.#news.notify('any');
    for (const run of this.#runs) {
      if (run.jobId === jobId) void run.check();
    }
  }

  /** Claims no more, lets running jobs end for a while, then puts them back. */
  async stop(graceMs = this.#options.stopGraceMs): Promise<void> {
    this.#stopping.abort();
    for (const timer of this.#timers) clearInterval(timer);
    const putBack = setTimeout(() => {
      for (const run of this.#runs) run.putBack();
    }, graceMs);
    await Promise.all(this.#loops);
    clearTimeout(putBack);
    await this.store.metadata.close();
  }

  async #loop(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const busy = await this.#runNext().catch((error: unknown) => {
        this.#report('A job could not be claimed.', error);
        return false;
      });
      if (!busy) await this.#news.next('any', signal);
    }
  }

  async #runNext(): Promise<boolean> {
    const claimed = await this.#queue.claim(this.#options.id);
    if (claimed === undefined) return false;
    const { jobModule, leaseMs, jobTimeoutMs, cancelGraceMs, maxHeapMb, engineTier } = this.#options;
    const run = new JobRun(claimed, this.store, {
      module: jobModule,
      leaseMs,
      timeoutMs: jobTimeoutMs,
      cancelGraceMs,
      maxHeapMb,
      engineTier,
      onIncident: this.#onIncident,
    });
    this.#runs.add(run);
    await run.run();
    this.#runs.delete(run);
    return true;
  }

  #every(intervalMs: number, work: () => Promise<unknown>): void {
    const attempt = (): void => {
      work().catch((error: unknown) => this.#report('Housekeeping failed.', error));
    };
    attempt();
    this.#timers.push(setInterval(attempt, intervalMs));
  }

  #report(what: string, error: unknown): void {
    this.#onIncident({ what, stack: error instanceof Error ? error.stack : String(error) });
  }
}
