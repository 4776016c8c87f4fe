import { Worker, type Transferable } from 'node:worker_threads';
import { AppError, fromProblem } from '../../base/index.ts';
import type { Call, CallKind, FromThread, Replies, ThreadOptions, ToThread } from './protocol.ts';

export interface CallOptions {
  /** After this the thread is stopped, even inside an endless loop. */
  readonly timeoutMs: number;
  readonly transfer?: readonly Transferable[];
}

interface Pending {
  readonly id: number;
  readonly resolve: (value: Replies[CallKind]) => void;
  readonly reject: (error: unknown) => void;
  readonly timer: NodeJS.Timeout;
}

/**
 * One worker thread that answers one call at a time. It may die (crash, out of memory, time limit): the call that ran is
 * rejected, and the next call starts a new one.
 */
export class Thread {
  readonly #entry: URL;
  readonly #options: ThreadOptions;
  readonly #onDeath: () => void;
  #worker: Worker | undefined;
  #pending: Pending | undefined;
  #nextId = 1;
  #closed = false;

  constructor(entry: URL, options: ThreadOptions, onDeath: () => void = () => undefined) {
    this.#entry = entry;
    this.#options = options;
    this.#onDeath = onDeath;
  }

  /**
   * @throws AppError what the thread answered; INFERENCE_TIMEOUT when it had to be stopped; VERSION_UNAVAILABLE when it died;
   *   SERVICE_STOPPING once it is closed
   */
  async call<K extends CallKind>(call: Extract<Call, { kind: K }>, options: CallOptions): Promise<Replies[K]> {
    if (this.#closed) throw new AppError('SERVICE_STOPPING', 'The service is stopping.');
    const worker = this.#start();
    const id = this.#nextId++;
    const answer = new Promise<Replies[CallKind]>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#fail(
          worker,
          new AppError('INFERENCE_TIMEOUT', `The computation did not finish in ${options.timeoutMs} ms.`),
        );
      }, options.timeoutMs);
      this.#pending = { id, resolve, reject, timer };
    });
    try {
      worker.postMessage({ id, call } satisfies ToThread, [...(options.transfer ?? [])]);
    } catch (error) {
      this.#settle()?.reject(error);
    }
    return (await answer) as Replies[K];
  }

  async close(): Promise<void> {
    this.#closed = true;
    const worker = this.#worker;
    this.#worker = undefined;
    this.#settle()?.reject(new AppError('SERVICE_STOPPING', 'The service is stopping.'));
    await worker?.terminate();
  }

  #start(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const worker = new Worker(this.#entry, { workerData: this.#options });
    worker.on('message', (message: FromThread) => {
      if (this.#pending?.id !== message.id) return;
      const pending = this.#settle();
      if (message.ok) pending?.resolve(message.value);
      else pending?.reject(failure(message));
    });
    worker.on('error', (error: Error) => {
      this.#fail(worker, died(error));
    });
    worker.on('exit', (code) => {
      this.#fail(worker, died(new Error(`exit code ${code}`)));
    });
    this.#worker = worker;
    return worker;
  }

  #settle(): Pending | undefined {
    const pending = this.#pending;
    this.#pending = undefined;
    clearTimeout(pending?.timer);
    return pending;
  }

  #fail(worker: Worker, error: AppError): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    this.#settle()?.reject(error);
    this.#onDeath();
    void worker.terminate();
  }
}

function failure({ problem, stack }: Extract<FromThread, { ok: false }>): Error {
  if (stack === undefined) return fromProblem(problem);
  return new AppError(problem.code, problem.detail, problem.params, { cause: new Error(stack) });
}

function died(cause: Error): AppError {
  return new AppError(
    'VERSION_UNAVAILABLE',
    'The thread that ran this model stopped; it used too much memory or crashed.',
    {},
    { cause },
  );
}
