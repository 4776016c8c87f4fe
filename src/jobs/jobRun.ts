import { toProblem, unreachable, type Problem } from '../base/index.ts';
import type { Tier } from '../engine/index.ts';
import type { JobProgress, Store } from '../store/index.ts';
import { jobInput } from './jobInput.ts';
import type { JobInput, JobOutput, VersionOutput } from './jobFunction.ts';
import type { Incident } from './messages.ts';
import type { ClaimedJob } from './queue.ts';
import { ThreadedJob, type ThreadOutcome } from './threadedJob.ts';

export interface JobRunOptions {
  /** URL of the module with the job function. */
  readonly module: string;
  readonly leaseMs: number;
  readonly timeoutMs: number;
  readonly cancelGraceMs: number;
  readonly maxHeapMb: number;
  readonly engineTier: Tier | undefined;
  readonly onIncident: (incident: Incident) => void;
}

/** Why a job was stopped before it ended by itself. */
type StopReason = 'lost' | 'timeout' | 'stopping';

/** One claimed job from its thread's start to its end in the queue; this thread renews the lease meanwhile. */
export class JobRun {
  readonly #claimed: ClaimedJob;
  readonly #store: Store;
  readonly #options: JobRunOptions;
  #thread: ThreadedJob | undefined;
  #stopped = false;

  constructor(claimed: ClaimedJob, store: Store, options: JobRunOptions) {
    this.#claimed = claimed;
    this.#store = store;
    this.#options = options;
  }

  get jobId(): string {
    return this.#claimed.job.id;
  }

  /** A search has its own limit, which comes on top. */
  get #timeoutMs(): number {
    return this.#options.timeoutMs + 1_000 * (this.#claimed.job.spec.recipe.search?.seconds ?? 0);
  }

  /** Never throws: whatever happens becomes the end of the job, or is left to the recovery of its lease. */
  async run(): Promise<void> {
    const renewal = setInterval(() => void this.check(), this.#options.leaseMs / 3);
    const timeout = setTimeout(() => this.#stop('timeout'), this.#timeoutMs);
    try {
      await this.#end(await this.#compute());
    } catch (error) {
      this.#report('The job could not be run or stored.', error);
      await this.#claimed
        .fail(toProblem(error))
        .catch((failure: unknown) => this.#report('A job could not be ended.', failure));
    } finally {
      clearInterval(renewal);
      clearTimeout(timeout);
    }
  }

  /** Renews the lease; a job that is no longer ours is stopped. */
  async check(): Promise<void> {
    try {
      if (!(await this.#claimed.renew())) this.#stop('lost');
    } catch (error) {
      // The next renewal may succeed; if none does, the lease runs out and the fence holds.
      this.#report('A lease could not be renewed.', error);
    }
  }

  /** Stops the job and puts it back. */
  putBack(): void {
    this.#stop('stopping');
  }

  /** The queue first: ending a thread by force may end this process. */
  #stop(reason: StopReason): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#release(reason)
      .catch((error: unknown) => this.#report('A stopped job could not be given up.', error))
      .finally(() => this.#thread?.cancel());
  }

  async #release(reason: StopReason): Promise<void> {
    switch (reason) {
      case 'lost':
        return;
      case 'stopping':
        await this.#claimed.putBack();
        return;
      case 'timeout':
        await this.#claimed.fail({
          code: 'JOB_TIMEOUT',
          detail: `The job ran longer than the allowed ${this.#timeoutMs} ms and was stopped.`,
          params: { timeoutMs: this.#timeoutMs },
        });
        return;
      default:
        unreachable(reason);
    }
  }

  async #compute(): Promise<ThreadOutcome> {
    const input = await jobInput(this.#store, this.#claimed.job, this.#options.engineTier);
    if (this.#stopped) return { kind: 'stopped' };
    this.#thread = new ThreadedJob(
      { module: this.#options.module, input },
      {
        maxHeapMb: this.#options.maxHeapMb,
        cancelGraceMs: this.#options.cancelGraceMs,
        onProgress: (progress) => void this.#progress(progress),
      },
    );
    const outcome = await this.#thread.outcome;
    this.#thread = undefined;
    if (outcome.kind === 'done') await this.#keep(input, outcome.output);
    return outcome;
  }

  async #progress(progress: JobProgress): Promise<void> {
    try {
      if (!(await this.#claimed.progress(progress))) this.#stop('lost');
    } catch (error) {
      this.#report('Progress could not be written.', error);
    }
  }

  /** Artifacts first, then version and end of the job in one transaction. */
  async #keep(input: JobInput, output: JobOutput): Promise<void> {
    await this.#progress({ stage: 'store', done: 0, total: 1 });
    if (output.kind === 'version') return this.#keepVersion(input, output);
    const { sha256 } = await this.#store.artifacts.putBytes(new TextEncoder().encode(output.grid));
    await this.#claimed.succeedWithGrid(sha256);
  }

  async #keepVersion({ model }: JobInput, output: VersionOutput): Promise<void> {
    const artifact = await this.#store.artifacts.putBytes(output.onnx);
    const report = await this.#store.artifacts.putBytes(new TextEncoder().encode(output.report));
    await this.#progress({ stage: 'store', done: 1, total: 1 });
    await this.#claimed.succeed({
      model: model.name,
      kind: 'int8',
      ...artifact,
      summary: output.summary,
      preprocessing: model.preprocessing,
      labels: output.labels,
      jobId: this.jobId,
      reportSha256: report.sha256,
      golden: output.golden,
      verdict: output.verdict,
    });
  }

  async #end(outcome: ThreadOutcome): Promise<void> {
    switch (outcome.kind) {
      case 'done':
      case 'stopped':
        return;
      case 'failed':
        if (outcome.stack !== undefined)
          this.#options.onIncident({ what: 'A job failed unexpectedly.', jobId: this.jobId, stack: outcome.stack });
        await this.#claimed.fail(outcome.problem);
        return;
      case 'died':
        this.#options.onIncident({ what: `A job died: ${outcome.reason}.`, jobId: this.jobId, stack: outcome.stack });
        await this.#claimed.retry(this.#died(outcome.reason));
        return;
      default:
        unreachable(outcome);
    }
  }

  #died(reason: string): Problem {
    const { attempts } = this.#claimed.job;
    return {
      code: 'WORKER_DIED',
      detail: `The job was tried ${attempts} times; in the last attempt ${reason}.`,
      params: { attempts },
    };
  }

  #report(what: string, error: unknown): void {
    this.#options.onIncident({ what, jobId: this.jobId, stack: error instanceof Error ? error.stack : String(error) });
  }
}
