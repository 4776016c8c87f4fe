import type { Step } from './step.ts';

/**
 * Steps that threads pass in order: no thread begins a stage before the one in front is done. Steps that are too small to be
 * shared follow each other in one stage of one unit.
 */
export interface Stage {
  /** Indices of steps; several only where there is one unit. */
  readonly steps: readonly number[];
  readonly units: number;
}

/** What runs without a break: stages of WebAssembly steps in one exported function, or one step of the reference kernels. */
export type Segment =
  | { readonly runs: 'wasm'; readonly stages: readonly number[] }
  | { readonly runs: 'island'; readonly step: number; readonly stage: number };

export interface Course {
  readonly stages: readonly Stage[];
  readonly segments: readonly Segment[];
}

/** Passing from one stage to the next costs two threads about 0.3 µs: a step is shared where that is a small part of it. */
export const SHARED_MICROSECONDS = 4;

/** What one thread does in a microsecond, roughly: a guess for every machine. */
const MACS = 40_000;
const BYTES = 4_000;

/** @param bytes that the step moves */
export function estimatedMicroseconds(step: Step, bytes: number): number {
  return step.macs / MACS + bytes / BYTES;
}

/**
 * @param bytesOf bytes that a step moves
 * @param sharedMicroseconds estimated time from which on a step is shared
 */
export function planCourse(
  steps: readonly Step[],
  bytesOf: (step: Step) => number,
  sharedMicroseconds = SHARED_MICROSECONDS,
): Course {
  const stages: { steps: number[]; units: number }[] = [];
  const segments: ({ runs: 'wasm'; stages: number[] } | Extract<Segment, { runs: 'island' }>)[] = [];
  steps.forEach((step, index) => {
    if (step.runs === 'wasm' && step.units === 0) return;
    const stage = stages.length;
    const segment = segments.at(-1);
    if (step.runs === 'island') {
      stages.push({ steps: [index], units: 1 });
      segments.push({ runs: 'island', step: index, stage });
      return;
    }
    const shared = step.units > 1 && estimatedMicroseconds(step, bytesOf(step)) >= sharedMicroseconds;
    const last = stages.at(-1);
    if (!shared && segment?.runs === 'wasm' && last?.units === 1) {
      last.steps.push(index);
      return;
    }
    stages.push({ steps: [index], units: shared ? step.units : 1 });
    if (segment?.runs === 'wasm') segment.stages.push(stage);
    else segments.push({ runs: 'wasm', stages: [stage] });
  });
  return { stages, segments };
}
