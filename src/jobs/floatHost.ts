import { Worker } from 'node:worker_threads';
import { AppError, toProblem } from '../base/index.ts';
import type { ArtifactStore } from '../store/index.ts';
import type { FloatAnswer, FloatCall, ToFloatThread } from './messages.ts';

/** A call whose caller has left is given this long before its thread is ended by force. */
const ABANDON_GRACE_MS = 30_000;

interface Waiting {
  readonly call: number;
  readonly request: FloatCall;
}

/** Passes calls to the float thread one by one, and starts the thread again when it has died. */
export class FloatHost {
  readonly #artifacts: ArtifactStore;
  readonly #answer: (answer: FloatAnswer) => void;
  readonly #queue: Waiting[] = [];
  #thread: Worker | undefined;
  #running: Waiting | undefined;
  #killTimer: NodeJS.Timeout | undefined;

  constructor(artifacts: ArtifactStore, answer: (answer: FloatAnswer) => void) {
    this.#artifacts = artifacts;
    this.#answer = answer;
  }

  call(call: number, request: FloatCall): void {
    this.#queue.push({ call, request });
    this.#next();
  }

  /** The caller has left: a waiting call is dropped, a running one may end by itself. */
  abandon(call: number): void {
    const place = this.#queue.findIndex((waiting) => waiting.call === call);
    if (place >= 0) this.#queue.splice(place, 1);
    if (this.#running?.call !== call) return;
    const thread = this.#thread;
    this.#killTimer ??= setTimeout(() => void thread?.terminate(), ABANDON_GRACE_MS);
  }

  async close(): Promise<void> {
    this.#queue.length = 0;
    clearTimeout(this.#killTimer);
    const thread = this.#thread;
    this.#thread = undefined;
    // A thread inside a run of onnxruntime must not be ended by force: the exit of the process ends it.
    if (this.#running === undefined) await thread?.terminate();
  }

  #next(): void {
    if (this.#running !== undefined) return;
    const waiting = this.#queue.shift();
    if (waiting === undefined) return;
    this.#running = waiting;
    this.#send(waiting).catch((error: unknown) =>
      this.#settle({ kind: 'refused', call: waiting.call, problem: toProblem(error) }),
    );
  }

  async #send({ call, request }: Waiting): Promise<void> {
    const path = request.kind === 'infer' ? await this.#artifacts.localPath(request.sha256) : undefined;
    this.#thread ??= this.#start();
    this.#thread.postMessage({ call, request, path } satisfies ToFloatThread);
  }

  #start(): Worker {
    const thread = new Worker(new URL('./floatThread.ts', import.meta.url), { execArgv: [] });
    thread.on('message', (answer: FloatAnswer) => this.#settle(answer));
    thread.on('error', () => undefined);
    thread.on('exit', () => this.#died(thread));
    return thread;
  }

  #settle(answer: FloatAnswer): void {
    if (this.#running?.call !== answer.call) return;
    this.#running = undefined;
    clearTimeout(this.#killTimer);
    this.#killTimer = undefined;
    this.#answer(answer);
    this.#next();
  }

  #died(thread: Worker): void {
    if (this.#thread !== thread) return;
    this.#thread = undefined;
    if (this.#running === undefined) return;
    const error = new AppError(
      'FLOAT_EXECUTOR_UNAVAILABLE',
      'The thread that ran this fp32 version stopped; it used too much memory or crashed.',
    );
    this.#settle({ kind: 'refused', call: this.#running.call, problem: toProblem(error) });
  }
}
