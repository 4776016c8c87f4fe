import type { FloatOperation, Node } from '../../../graph/index.ts';
import type { PlanContext, WasmStep } from '../../plan/step.ts';

/** A node with the function that follows it, where that is computed with it. */
export interface PlannedFloat extends FloatOperation {
  readonly activation?: Node;
}

/** A float kernel's offer for a node, or undefined where it does not apply. */
export type FloatPlanner = (operation: PlannedFloat, context: PlanContext) => WasmStep | undefined;

/** Whether a name is a float32 in the arena, no constant. */
export function isFloat32({ graph }: PlanContext, name: string): boolean {
  const value = graph.values.get(name);
  return value?.kind === 'float' && value.dtype === 'float32' && !graph.constants.has(name);
}
