import type { FloatOperation, FloatValue, Operation, QuantizedGraph, QuantizedValue } from '../../graph/index.ts';
import { isMove } from '../kernels/move/operators.ts';

/**
 * Float images enter and leave in ONNX's order, and are computed pixel by pixel: where one meets an operator that computes, an
 * Identity is put between, which changes nothing but the layout.
 */
export function withBorders(graph: QuantizedGraph): QuantizedGraph {
  const values = new Map(graph.values);
  const inner = (name: string): string => `${name} inside`;
  const copy = (name: string, input: string, output: string): FloatOperation => ({
    ...{ kind: 'float', name, output, outputs: [output] },
    node: { name, opType: 'Identity', domain: '', inputs: [input], outputs: [output], attributes: new Map() },
  });
  const images = (names: readonly string[]): Set<string> =>
    new Set(names.filter((name) => isImage(graph.values.get(name))));
  const [entering, leaving] = [images(graph.inputs), images(graph.outputs)];
  const read = new Set(graph.operations.filter(computes).flatMap(({ node }) => node.inputs));
  const made = new Set(graph.operations.filter(computes).flatMap(({ outputs }) => outputs));
  const renamed = new Set([...entering].filter((name) => read.has(name)));
  for (const name of leaving) if (made.has(name)) renamed.add(name);
  if (renamed.size === 0) return graph;
  for (const name of renamed) values.set(inner(name), graph.values.get(name)!);
  const rename = (name: string): string => (renamed.has(name) ? inner(name) : name);
  const operations: Operation[] = [...entering]
    .filter((name) => renamed.has(name))
    .map((name) => copy(inner(name), name, inner(name)));
  for (const operation of graph.operations) {
    if (!computes(operation)) {
      operations.push(operation);
      continue;
    }
    const { node } = operation;
    const outputs = operation.outputs.map(rename);
    const inputs = node.inputs.map(rename);
    operations.push({ ...operation, output: rename(operation.output), outputs, node: { ...node, inputs, outputs } });
    for (const name of operation.outputs)
      if (renamed.has(name)) operations.push(copy(`${name} outside`, inner(name), name));
  }
  return { ...graph, values, operations };
}

const computes = (operation: Operation): operation is FloatOperation =>
  operation.kind === 'float' && !isMove(operation);

function isImage(value: QuantizedValue | FloatValue | undefined): boolean {
  if (value?.kind !== 'float' || value.dtype !== 'float32') return false;
  const [batch = 1, channels = 1, height = 1, width = 1] = value.shape;
  return value.shape.length === 4 && batch === 1 && channels > 1 && height * width > 1;
}
