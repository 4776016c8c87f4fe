import type { Operation, QuantizedGraph } from '../../graph/index.ts';
import { inputsOf } from '../../reference/index.ts';
import { roundUp, SLACK_BYTES, type Layout } from './layout.ts';

/** Alignment of values: one cache line. */
export const ALIGNMENT = 64;

export interface Arena {
  readonly byteLength: number;
  readonly addresses: ReadonlyMap<string, number>;
}

interface Placed {
  readonly from: number;
  readonly to: number;
  readonly address: number;
  readonly end: number;
}

/**
 * Places values so that two share bytes only if they are never alive together. A value lives from the operation that makes
 * it to its last reader; inputs from the start, outputs to the end, constants
 * always. Largest first, each at the lowest free address.
 *
 * @param start address of the first value
 * @param early the operation that makes a value, where it is one before that which the graph names
 */
export function planArena(
  graph: QuantizedGraph,
  layouts: ReadonlyMap<string, Layout>,
  { start, early }: { readonly start: number; readonly early: ReadonlyMap<string, number> },
): Arena {
  const born = new Map(graph.inputs.map((name) => [name, -1]));
  const dies = new Map<string, number>();
  graph.operations.forEach((operation, at) => {
    for (const name of outputsOf(operation)) {
      born.set(name, early.get(name) ?? at);
      dies.set(name, Math.max(at, dies.get(name) ?? at));
    }
    for (const name of inputsOf(operation)) dies.set(name, at);
  });
  for (const name of graph.outputs) dies.set(name, graph.operations.length);
  for (const name of heldConstants(graph)) {
    born.set(name, -1);
    dies.set(name, graph.operations.length);
  }
  const values = [...born].map(([name, from]) => ({
    name,
    from,
    to: dies.get(name) ?? from,
    bytes: roundUp((layouts.get(name)?.byteLength ?? 0) + SLACK_BYTES, ALIGNMENT),
  }));
  values.sort((a, b) => b.bytes - a.bytes || a.from - b.from);
  const placed: Placed[] = [];
  const addresses = new Map<string, number>();
  let end = start;
  for (const value of values) {
    const rivals = placed.filter((other) => other.from <= value.to && value.from <= other.to);
    rivals.sort((a, b) => a.address - b.address);
    let address = start;
    for (const rival of rivals) {
      if (rival.address - address >= value.bytes) break;
      address = Math.max(address, rival.end);
    }
    placed.push({ from: value.from, to: value.to, address, end: address + value.bytes });
    addresses.set(value.name, address);
    end = Math.max(end, address + value.bytes);
  }
  return { byteLength: end, addresses };
}

export const outputsOf = (operation: Operation): readonly string[] =>
  operation.kind === 'float' ? operation.outputs : [operation.output];

/** Constants that integer operations read as values. */
export function heldConstants(graph: QuantizedGraph): string[] {
  return [...graph.constants.keys()].filter((name) => graph.values.get(name)?.kind === 'quantized');
}
