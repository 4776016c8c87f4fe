import type { Operation, QuantizedGraph } from '../../../graph/index.ts';
import { inputsOf } from '../../../reference/index.ts';
import { movedInputs, type MoveOperation } from './elements.ts';
import { isMove } from './operators.ts';

/** Moves that follow each other become one: Reshape, Transpose, Reshape, that shuffle channels, read and write once. */
export function joinMoves(graph: QuantizedGraph): QuantizedGraph {
  const readers = new Map<string, number>();
  for (const name of [...graph.outputs, ...graph.operations.flatMap(inputsOf)])
    readers.set(name, (readers.get(name) ?? 0) + 1);
  /** Chains by the value that they make. */
  const chains = new Map<string, MoveOperation>();
  for (const operation of graph.operations) {
    if (!isChainable(operation, graph)) continue;
    const [input = '', ...others] = movedInputs(operation);
    const before = others.length === 0 && readers.get(input) === 1 ? chains.get(input) : undefined;
    const follows = before && (before.kind === 'float') === (operation.kind === 'float');
    if (follows) chains.delete(input);
    chains.set(operation.output, follows ? joined(before, operation) : operation);
  }
  const joins = [...chains.values()].filter(({ then }) => then);
  const heads = new Set<Operation | undefined>(joins.map(({ head }) => head));
  const followers = new Set<Operation>(joins.flatMap(({ then }) => then ?? []));
  const operations = graph.operations.flatMap((operation): Operation[] => {
    if (heads.has(operation)) return [];
    const chain = followers.has(operation) ? chains.get(operation.output) : operation;
    return chain ? [chain] : [];
  });
  return { ...graph, operations };
}

function joined(before: MoveOperation, operation: MoveOperation): MoveOperation {
  const { name, output } = operation;
  const then = [...(before.then ?? []), operation];
  const head = before.head ?? before;
  return { ...before, name, output, ...('outputs' in before ? { outputs: [output] } : {}), then, head };
}

/** One output, constants for all but what it moves, and no padding of its own. */
function isChainable(operation: Operation, { constants }: QuantizedGraph): operation is MoveOperation {
  if (!isMove(operation)) return false;
  if (operation.kind === 'concat') return true;
  if (operation.kind !== 'layout' && operation.kind !== 'float') return false;
  const { node } = operation;
  if (node.opType === 'Pad' || (operation.kind === 'float' && node.outputs.length > 1)) return false;
  const further = node.opType === 'Concat' ? [] : node.inputs.slice(1);
  return further.every((name) => name === '' || constants.has(name));
}
