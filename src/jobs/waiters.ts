import { EventEmitter } from 'node:events';

/** Wakes those who wait for a change of a job, by news or, where none comes, after a while. */
export class Waiters {
  readonly #emitter = new EventEmitter();
  readonly #pollMs: number;

  constructor(pollMs: number) {
    this.#pollMs = pollMs;
    this.#emitter.setMaxListeners(0);
  }

  notify(id: string): void {
    this.#emitter.emit(eventOf(id));
  }

  /** Resolves on news of the job, after the poll interval, or when `signal` fires. */
  async next(id: string, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const event = eventOf(id);
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#emitter.off(event, done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, this.#pollMs);
      this.#emitter.once(event, done);
      signal.addEventListener('abort', done, { once: true });
    });
  }
}

/** An id must not meet the emitter's own names, such as 'error'. */
function eventOf(id: string): string {
  return `job:${id}`;
}
