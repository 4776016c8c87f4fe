import { fork, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { AppError, unreachable } from '../base/index.ts';
import { FloatClient } from './floatClient.ts';
import type { FloatServer } from './floatServer.ts';
import type { FromWorker, Incident, ToWorker } from './messages.ts';
import type { EmbeddedQueue } from './sqliteQueue.ts';
import type { WorkerOptions } from './worker.ts';

export interface WorkerProcessOptions {
  readonly worker: WorkerOptions;
  /** The service's queue: its changes are told to the worker, the worker's to its followers. */
  readonly queue: EmbeddedQueue;
  readonly onIncident?: ((incident: Incident) => void) | undefined;
  /** First delay before a dead worker is started again; doubles up to the maximum while it keeps dying. */
  readonly restartMs?: number | undefined;
}

/** The worker process, started again whenever it dies. */
export interface WorkerProcess {
  readonly floats: FloatServer;
  /** Its process id while it runs. */
  readonly pid: number | undefined;
  /** How often it was started again. */
  readonly restarts: number;
  /** Resolves when the worker is there for the first time. */
  readonly ready: Promise<void>;
  /** Lets jobs end or puts them back; resolves when the process is gone, in less than 20 s. */
  stop(): Promise<void>;
}

const MAX_RESTART_MS = 30_000;
/** A worker that lived this long has not failed at its start. */
const HEALTHY_MS = 30_000;
/** Longest wait of a float call for a worker that is being started. */
const READY_TIMEOUT_MS = 15_000;
/** After this a worker that does not stop is killed. */
const STOP_TIMEOUT_MS = 19_000;

/** Starts the worker process and keeps it running until `stop`. */
export function startWorkerProcess(options: WorkerProcessOptions): WorkerProcess {
  return new Supervisor(options);
}

class Supervisor implements WorkerProcess {
  readonly floats: FloatClient;
  readonly #options: WorkerProcessOptions;
  readonly #unsubscribe: () => void;
  #child: ChildProcess | undefined;
  #workerId = '';
  #isReady = false;
  #started = Promise.withResolvers<ChildProcess>();
  #restarts = 0;
  #failures = 0;
  #restartTimer: NodeJS.Timeout | undefined;
  #stopped: Promise<void> | undefined;

  constructor(options: WorkerProcessOptions) {
    this.#options = options;
    this.floats = new FloatClient((message) => this.#sendWhenReady(message));
    this.#unsubscribe = options.queue.subscribe((jobId) => {
      if (this.#child !== undefined) send(this.#child, { kind: 'changed', jobId });
    });
    this.#start();
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get restarts(): number {
    return this.#restarts;
  }

  get ready(): Promise<void> {
    return this.#started.promise.then(() => undefined);
  }

  async stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#unsubscribe();
    clearTimeout(this.#restartTimer);
    const child = this.#child;
    if (child === undefined) return;
    const gone = new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
    });
    send(child, { kind: 'stop' });
    const kill = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await gone;
    clearTimeout(kill);
  }

  #start(): void {
    const startedAt = performance.now();
    this.#workerId = `worker-${randomUUID()}`;
    const workerOptions: WorkerOptions = { ...this.#options.worker, id: this.#workerId };
    const child = fork(fileURLToPath(new URL('./workerMain.ts', import.meta.url)), [JSON.stringify(workerOptions)], {
      serialization: 'advanced',
      execArgv: [],
      // Whatever a library prints goes to standard error: standard output is the service's log.
      stdio: ['ignore', 2, 2, 'ipc'],
    });
    this.#child = child;
    child.on('message', (message: FromWorker) => this.#receive(child, message));
    child.on('error', (error) => {
      this.#incident('The worker process could not be started or reached.', error.stack);
      // A process that was never there does not exit.
      if (child.pid === undefined) this.#exited({ code: null, signal: null, livedMs: 0 });
    });
    child.on('exit', (code, signal) => this.#exited({ code, signal, livedMs: performance.now() - startedAt }));
  }

  #receive(child: ChildProcess, message: FromWorker): void {
    switch (message.kind) {
      case 'ready':
        this.#isReady = true;
        this.#started.resolve(child);
        return;
      case 'changed':
        this.#options.queue.announce(message.jobId);
        return;
      case 'incident':
        this.#options.onIncident?.(message.incident);
        return;
      case 'answered':
      case 'refused':
        this.floats.answered(message);
        return;
      default:
        unreachable(message);
    }
  }

  #exited({ code, signal, livedMs }: { code: number | null; signal: string | null; livedMs: number }): void {
    this.#child = undefined;
    if (this.#isReady) this.#started = Promise.withResolvers();
    this.#isReady = false;
    this.floats.dropAll();
    void this.#recover(this.#workerId);
    if (this.#stopped !== undefined) return;
    this.#failures = livedMs > HEALTHY_MS ? 1 : this.#failures + 1;
    const delayMs = Math.min((this.#options.restartMs ?? 200) * 2 ** (this.#failures - 1), MAX_RESTART_MS);
    this.#incident(
      `The worker process ended (${signal ?? `exit code ${String(code)}`}); it is started again in ${delayMs} ms.`,
    );
    this.#restartTimer = setTimeout(() => {
      this.#restarts++;
      this.#start();
    }, delayMs);
  }

  /** Puts the dead worker's jobs back at once, before their leases run out. */
  async #recover(deadWorker: string): Promise<void> {
    try {
      await this.#options.queue.recover(deadWorker);
    } catch (error) {
      this.#incident(
        'The jobs of the worker could not be recovered.',
        error instanceof Error ? error.stack : undefined,
      );
    }
  }

  async #sendWhenReady(message: ToWorker): Promise<void> {
    if (this.#stopped !== undefined) throw new AppError('SERVICE_STOPPING', 'The service is stopping.');
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const timeout = setTimeout(() => resolve(undefined), READY_TIMEOUT_MS);
    const child = await Promise.race([this.#started.promise, promise]);
    clearTimeout(timeout);
    if (child === undefined)
      throw new AppError('FLOAT_EXECUTOR_UNAVAILABLE', 'The worker process is not running; try again later.');
    send(child, message);
  }

  #incident(what: string, stack?: string): void {
    this.#options.onIncident?.({ what, stack });
  }
}

function send(child: ChildProcess, message: ToWorker): void {
  // A child that dies meanwhile is noticed by its exit.
  if (child.connected) child.send(message, () => undefined);
}
