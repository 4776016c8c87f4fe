import type { QuantizeStage } from '../lab/index.ts';

/** Splits one interrupt into what it means now: during a search its end, at any other time that of the command. */
export class Interrupt {
  readonly #finish = new AbortController();
  readonly #cancel = new AbortController();
  readonly finish = this.#finish.signal;
  readonly cancel = this.#cancel.signal;
  stage: QuantizeStage = 'prepare';

  constructor(signal: AbortSignal) {
    const interrupt = (): void => (this.stage === 'search' ? this.#finish : this.#cancel).abort();
    if (signal.aborted) interrupt();
    signal.addEventListener('abort', interrupt, { once: true });
  }
}
