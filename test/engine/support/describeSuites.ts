import fc from 'fast-check';
import { describe, it } from 'vitest';
import { floatSuites } from '../../suites/float/index.ts';
import { suites } from '../../suites/index.ts';
import type { Runner } from './compare.ts';
import { expectSameBits } from './sameBits.ts';

/**
 * All suites on one runner; `share` of the runs where another runner emits nearly the same code. An emulated arithmetic of bytes
 * leaves out what is float, which runs with the tier's own.
 */
export function describeSuites(title: string, runner: Runner, share = 1): void {
  const emulated = runner.tier === 'simd' && runner.dot.name !== 'pairs';
  const chosen = emulated ? suites.filter((suite) => !floatSuites.includes(suite)) : suites;
  describe(title, () => {
    it.each(chosen.map((suite) => [suite.name, suite] as const))('%s equals the reference', (_, suite) => {
      const property = fc.property(suite.problems, (problem) => expectSameBits(problem, runner));
      fc.assert(property, { numRuns: Math.ceil(suite.runs * share) });
    });
  });
}

/** A tier that this machine does not have: named, with the reason, in the list of tests. */
export function describeAbsent(title: string, reason: string): void {
  describe(title, () => it.skip(`does not run on this machine: ${reason}`, () => undefined));
}
