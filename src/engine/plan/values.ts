import type { Operation, QuantizedGraph } from '../../graph/index.ts';

/** Values that an operation makes. */
export const outputsOf = (operation: Operation): readonly string[] =>
  operation.kind === 'float' ? operation.outputs : [operation.output];

/** Constants that integer operations read as values. */
export function heldConstants(graph: QuantizedGraph): string[] {
  return [...graph.constants.keys()].filter((name) => graph.values.get(name)?.kind === 'quantized');
}
