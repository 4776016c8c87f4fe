import { roundUp } from './layout.ts';

/**
 * Words by which threads that share an inference agree, at the start of its arena; then two for each stage:
 *
 *   gate       threads inside, and CLOSED while no inference may be joined
 *   inference  number of the one that was opened last
 *   sleepers   threads that wait for a stage in their sleep
 *   abort      not 0: whoever waits gives up
 *   stages     next: first unit that nobody took; done: units that are finished
 */
export const CONTROL = { gate: 0, inference: 4, sleepers: 8, abort: 12, stages: 16 } as const;

export const CLOSED = 0x4000_0000;

const STAGE_BYTES = 8;

/** Offset of a stage's `next`. */
export const nextOf = (stage: number): number => CONTROL.stages + stage * STAGE_BYTES;

/** Offset of a stage's `done`. */
export const doneOf = (stage: number): number => nextOf(stage) + 4;

/** Bytes of all words: where scratch begins. */
export const controlBytes = (stages: number): number => roundUp(nextOf(stages), 64);
