import { expect } from 'vitest';
import type { Problem } from '../../suites/problem.ts';
import { faultOf, type Runner } from './compare.ts';

/** The runner gives the reference's bits, on the kernels that the problem names. */
export function expectSameBits(problem: Problem, runner: Runner): void {
  const fault = faultOf(problem, runner);
  if (fault !== undefined) expect.fail(fault);
}
