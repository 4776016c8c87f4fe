import { AppError } from '../base/index.ts';

export const quantizeStages = ['prepare', 'search', 'calibrate', 'quantize', 'correct', 'evaluate', 'measure'] as const;
export type QuantizeStage = (typeof quantizeStages)[number];

export interface QuantizeProgress {
  readonly stage: QuantizeStage;
  readonly done: number;
  readonly total: number;
}

/** Reports stages as they go, times them, and is where a job notices that it was cancelled. */
export class StageClock {
  readonly #onProgress: ((progress: QuantizeProgress) => void) | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #times = new Map<QuantizeStage, number>();
  #stage: QuantizeStage = 'prepare';
  #since = performance.now();

  constructor(onProgress: ((progress: QuantizeProgress) => void) | undefined, signal: AbortSignal | undefined) {
    this.#onProgress = onProgress;
    this.#signal = signal;
  }

  /** @throws AppError CANCELLED */
  enter(stage: QuantizeStage, total: number): void {
    this.#take();
    this.#stage = stage;
    this.at(0, total);
  }

  /** @throws AppError CANCELLED */
  at(done: number, total: number): void {
    this.check();
    this.#onProgress?.({ stage: this.#stage, done, total });
  }

  /** @throws AppError CANCELLED */
  check(): void {
    if (this.#signal?.aborted === true) throw new AppError('CANCELLED', 'The work was cancelled.');
  }

  times(): { stage: QuantizeStage; ms: number }[] {
    this.#take();
    return [...this.#times].map(([stage, ms]) => ({ stage, ms: Math.round(ms) }));
  }

  #take(): void {
    const now = performance.now();
    this.#times.set(this.#stage, (this.#times.get(this.#stage) ?? 0) + now - this.#since);
    this.#since = now;
  }
}
