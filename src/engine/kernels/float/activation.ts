import type { FloatOperation, QuantizedGraph } from '../../../graph/index.ts';
import { inputsOf } from '../../../reference/index.ts';
import type { PlanContext } from '../../plan/step.ts';
import { functionOf } from './functions.ts';
import type { PlannedFloat } from './planner.ts';
import type { MakeFunction } from './vectorFunction.ts';

/** The function that a layer applies to its sums. */
export function activationOf(
  { activation }: PlannedFloat,
  { graph }: Pick<PlanContext, 'graph'>,
): MakeFunction | undefined {
  return activation && functionOf(activation, (name) => graph.constants.get(name));
}

/** Layers whose kernel takes an activation: those with constant weights. */
function isLayer({ node }: FloatOperation, { constants }: QuantizedGraph): boolean {
  const weights = constants.get(node.inputs[1] ?? '');
  if (node.domain !== '' || weights?.dtype !== 'float32') return false;
  if (node.opType === 'Conv' || node.opType === 'ConvTranspose') return weights.shape.length === 4;
  return (node.opType === 'Gemm' || node.opType === 'MatMul') && weights.shape.length === 2;
}

/**
 * Functions of one value that only a layer makes and nothing else reads become a part of the layer.
 *
 * @param taken whether a kernel takes the layer
 */
export function fuseActivations(graph: QuantizedGraph, taken: (layer: FloatOperation) => boolean): QuantizedGraph {
  const readers = new Map<string, number>();
  for (const name of [...graph.outputs, ...graph.operations.flatMap(inputsOf)])
    readers.set(name, (readers.get(name) ?? 0) + 1);
  const made = new Map(graph.operations.map((operation) => [operation.output, operation]));
  const fused = new Map<FloatOperation, FloatOperation>();
  for (const operation of graph.operations) {
    if (operation.kind !== 'float') continue;
    const [input = ''] = operation.node.inputs;
    const layer = made.get(input);
    if (layer?.kind !== 'float' || readers.get(input) !== 1 || !isLayer(layer, graph)) continue;
    if (functionOf(operation.node, (name) => graph.constants.get(name)) && taken(layer)) fused.set(layer, operation);
  }
  const gone = new Set<unknown>(fused.values());
  const operations = graph.operations
    .filter((operation) => !gone.has(operation))
    .map((operation) => {
      const then = operation.kind === 'float' ? fused.get(operation) : undefined;
      if (operation.kind !== 'float' || !then) return operation;
      const joined: PlannedFloat = { ...operation, output: then.output, outputs: then.outputs, activation: then.node };
      return joined;
    });
  return { ...graph, operations };
}
