import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planNetwork } from '../../src/engine/plan/plan.ts';
import { suites } from '../suites/index.ts';
import { assemble, disassemble } from '../wasm/support/disassemble.ts';
import { runners } from './support/runners.ts';

describe.each(runners)('modules of %s', (_, { dot }) => {
  it.each(suites.map((suite) => [suite.name, suite] as const))(
    '%s: another toolkit reads and writes the same bytes',
    (_name, suite) => {
      for (const { graph } of fc.sample(suite.problems, { numRuns: 2, seed: 11 })) {
        const { moduleBytes } = planNetwork(graph, dot);
        expect(WebAssembly.validate(moduleBytes)).toBe(true);
        const again = assemble(disassemble(moduleBytes));
        expect(Buffer.from(again).equals(moduleBytes)).toBe(true);
      }
    },
  );
});
