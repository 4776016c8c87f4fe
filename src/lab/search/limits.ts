import { AppError } from '../../base/index.ts';
import type { SearchReport } from './searchReport.ts';

export interface LimitOptions {
  readonly seconds: number;
  /** Candidates measured at most. */
  readonly candidates: number | undefined;
  /** Cancels the job. */
  readonly signal: AbortSignal | undefined;
  /** Ends the search with what it has. */
  readonly finish: AbortSignal | undefined;
}

/** Thrown where a search has to end; caught by `within`. */
class SearchEnded extends Error {
  override readonly name = 'SearchEnded';
}

/** What ends a search before it has tried everything. */
export class SearchLimits {
  /** Fires when the search must end, for whatever reason. */
  readonly signal: AbortSignal;
  readonly #options: LimitOptions;
  readonly #since = performance.now();
  #measured = 0;

  constructor(options: LimitOptions) {
    this.#options = options;
    const signals = [AbortSignal.timeout(Math.ceil(options.seconds * 1_000)), options.signal, options.finish];
    this.signal = AbortSignal.any(signals.filter((signal) => signal !== undefined));
  }

  get spentSeconds(): number {
    return (performance.now() - this.#since) / 1_000;
  }

  /** Why the search is over; `finished` while it is not. */
  get ended(): SearchReport['ended'] {
    const { seconds, candidates = Infinity, finish } = this.#options;
    if (finish?.aborted === true) return 'stopped';
    if (this.spentSeconds >= seconds) return 'deadline';
    return this.#measured >= candidates ? 'candidates' : 'finished';
  }

  /** Counts a measured candidate. */
  count(): void {
    this.#measured++;
  }

  /** Between two steps, however short: a timer does not fire while this thread computes. */
  check(): void {
    if (this.#options.signal?.aborted === true) throw new AppError('CANCELLED', 'The work was cancelled.');
    if (this.ended !== 'finished') throw new SearchEnded('the search is over');
  }

  /**
   * Runs a part of the search; what it has done when the search must end, or when a recipe is refused, stays done. Cancelling and
   * broken invariants are thrown on.
   */
  async within(part: () => Promise<void>): Promise<void> {
    try {
      this.check();
      await part();
    } catch (error) {
      const expected = error instanceof SearchEnded || error instanceof AppError;
      if (!expected || this.#options.signal?.aborted === true) throw error;
    }
  }
}
