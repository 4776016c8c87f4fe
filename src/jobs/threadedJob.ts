import { Worker } from 'node:worker_threads';
import type { Problem } from '../base/index.ts';
import type { JobProgress } from '../store/index.ts';
import type { JobOutput } from './jobFunction.ts';
import type { FromJobThread, JobThreadData, ToJobThread } from './messages.ts';

/** How a job's thread ended. */
export type ThreadOutcome =
  | { readonly kind: 'done'; readonly output: JobOutput }
  | { readonly kind: 'failed'; readonly problem: Problem; readonly stack: string | undefined }
  | { readonly kind: 'died'; readonly reason: string; readonly stack: string | undefined }
  | { readonly kind: 'stopped' };

export interface ThreadOptions {
  /** Heap limit of the thread; typed arrays do not count. */
  readonly maxHeapMb: number;
  /** What a cancelled job gets to end by itself. */
  readonly cancelGraceMs: number;
  readonly onProgress: (progress: JobProgress) => void;
}

/**
 * One job on one thread.
 *
 * A cancelled job is asked first, and its thread ended by force only if it does not answer: onnxruntime aborts the whole
 * process when its thread is ended inside a run.
 */
export class ThreadedJob {
  readonly outcome: Promise<ThreadOutcome>;
  readonly #thread: Worker;
  readonly #cancelGraceMs: number;
  #settle: (outcome: ThreadOutcome) => void = () => undefined;
  #killTimer: NodeJS.Timeout | undefined;
  #cancelled = false;

  constructor(data: JobThreadData, options: ThreadOptions) {
    this.#cancelGraceMs = options.cancelGraceMs;
    this.#thread = new Worker(new URL('./jobThread.ts', import.meta.url), {
      workerData: data,
      resourceLimits: { maxOldGenerationSizeMb: options.maxHeapMb },
      execArgv: [],
    });
    const ended = new Promise<ThreadOutcome>((resolve) => {
      this.#settle = resolve;
    });
    this.outcome = ended.then(async (outcome) => {
      clearTimeout(this.#killTimer);
      await this.#thread.terminate();
      return this.#cancelled ? { kind: 'stopped' } : outcome;
    });
    this.#listen(options.onProgress);
  }

  /** Ends the job; its outcome is then 'stopped'. */
  cancel(): void {
    if (this.#cancelled) return;
    this.#cancelled = true;
    this.#thread.postMessage({ kind: 'cancel' } satisfies ToJobThread);
    this.#killTimer = setTimeout(() => this.#settle({ kind: 'stopped' }), this.#cancelGraceMs);
  }

  #listen(onProgress: (progress: JobProgress) => void): void {
    this.#thread.on('message', (message: FromJobThread) => {
      if (message.kind === 'progress') onProgress(message.progress);
      else this.#settle(message);
    });
    this.#thread.on('error', (error) => {
      this.#settle({ kind: 'died', reason: reasonOf(error), stack: error instanceof Error ? error.stack : undefined });
    });
    this.#thread.on('exit', (code) => {
      this.#settle({ kind: 'died', reason: `its thread exited with code ${code}`, stack: undefined });
    });
  }
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ERR_WORKER_OUT_OF_MEMORY' ? 'it ran out of memory' : 'its thread crashed';
}
