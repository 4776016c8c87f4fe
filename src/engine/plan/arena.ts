import type { QuantizedGraph } from '../../graph/index.ts';
import { inputsOf } from '../../reference/index.ts';
import { outermost, type Homes } from './homes.ts';
import { roundUp, SLACK_BYTES, type Layout } from './layout.ts';
import { heldConstants, outputsOf } from './values.ts';

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
 * always; one with others inside as long as any of them. Largest first, each at the lowest free address.
 *
 * @param start address of the first value
 * @param homes values that lie within others
 * @param early the operation that makes a value, where it is one before that which the graph names
 */
export function planArena(
  graph: QuantizedGraph,
  layouts: ReadonlyMap<string, Layout>,
  {
    start,
    homes,
    early,
  }: { readonly start: number; readonly homes: Homes; readonly early: ReadonlyMap<string, number> },
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
  for (const name of homes.keys()) {
    const { host } = outermost(homes, name);
    born.set(host, Math.min(born.get(host)!, born.get(name)!));
    dies.set(host, Math.max(dies.get(host)!, dies.get(name)!));
  }
  const outer = [...born].filter(([name]) => !homes.has(name));
  const values = outer.map(([name, from]) => ({
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
  for (const name of homes.keys()) {
    const { host, channel } = outermost(homes, name);
    addresses.set(name, addresses.get(host)! + channel);
  }
  return { byteLength: end, addresses };
}
