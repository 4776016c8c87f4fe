import type { FloatOperation } from '../../../graph/index.ts';
import type { PlanContext, WasmStep } from '../../plan/step.ts';

/** A float kernel's offer for a node, or undefined where it does not apply. */
export type FloatPlanner = (operation: FloatOperation, context: PlanContext) => WasmStep | undefined;

export function isFloat32({ graph }: PlanContext, name: string): boolean {
  const value = graph.values.get(name);
  return value?.kind === 'float' && value.dtype === 'float32';
}
