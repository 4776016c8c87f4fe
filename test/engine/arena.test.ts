import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { QuantizedGraph } from '../../src/graph/index.ts';
import { ALIGNMENT, planArena } from '../../src/engine/plan/arena.ts';
import { chooseLayouts, SLACK_BYTES } from '../../src/engine/plan/layout.ts';
import { inputsOf } from '../../src/reference/index.ts';
import { networkSuite } from '../suites/network.ts';

const START = 4_096;

/** The operations during which a value is needed: from the one that makes it to the last that reads it. */
function lifeOf(graph: QuantizedGraph, name: string): [number, number] {
  const made = graph.operations.findIndex((operation) =>
    operation.kind === 'float' ? operation.outputs.includes(name) : operation.output === name,
  );
  const read = graph.operations.findLastIndex((operation) => inputsOf(operation).includes(name));
  return [made, graph.outputs.includes(name) ? graph.operations.length : Math.max(made, read)];
}

const graphs = networkSuite.problems.map(({ graph }) => graph);

describe('the arena', () => {
  it('gives no byte to two values that are needed at one time', () => {
    fc.assert(
      fc.property(graphs, (graph) => {
        const layouts = chooseLayouts(graph);
        const { addresses, byteLength } = planArena(graph, layouts, {
          start: START,
          homes: new Map(),
          early: new Map(),
        });
        const places = [...addresses].map(([name, address]) => {
          const [from, to] = lifeOf(graph, name);
          return { name, from, to, address, end: address + layouts.get(name)!.byteLength + SLACK_BYTES };
        });
        expect(new Set(addresses.keys())).toEqual(new Set(graph.values.keys()));
        for (const one of places) {
          expect(one.address % ALIGNMENT).toBe(0);
          expect(one.address).toBeGreaterThanOrEqual(START);
          expect(one.end).toBeLessThanOrEqual(byteLength);
          for (const other of places) {
            if (one === other || one.to < other.from || other.to < one.from) continue;
            expect(one.end <= other.address || other.end <= one.address, `${one.name} and ${other.name}`).toBe(true);
          }
        }
      }),
      { numRuns: 40 },
    );
  });

  it('uses the bytes of a value again when nothing reads it any more', () => {
    const [graph] = fc.sample(graphs, { numRuns: 1, seed: 1 });
    const layouts = chooseLayouts(graph!);
    const { byteLength } = planArena(graph!, layouts, { start: 0, homes: new Map(), early: new Map() });
    const total = [...layouts.values()].reduce((sum, layout) => sum + layout.byteLength, 0);
    expect(byteLength).toBeLessThan(total / 2);
  });
});
