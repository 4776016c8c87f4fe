import type { Operation } from '../../graph/index.ts';
import type { Absorbed } from '../plan/fuse.ts';
import { emptyStep, type KernelPlanner, type PlanContext, type Step, type WasmStep } from '../plan/step.ts';
import { planDequantize } from './convert/dequantize.ts';
import { planQuantize } from './convert/quantize.ts';
import { planDepthwise } from './depthwise/index.ts';
import { planBinary } from './elementwise/index.ts';
import { planFloat } from './float/index.ts';
import { planGemm } from './gemm/index.ts';
import { planMove } from './move/index.ts';
import { planAveragePool } from './pool/average.ts';
import { planMaxPool } from './pool/max.ts';
import { planTable } from './table/index.ts';
import { planWinograd } from './winograd/index.ts';

/** Asked in this order; the first offer is taken. */
const planners: readonly KernelPlanner[] = [
  planDepthwise,
  planWinograd,
  planGemm,
  planBinary,
  planTable,
  planMaxPool,
  planAveragePool,
  planMove,
  planQuantize,
  planDequantize,
  planFloat,
];

/** An operation that the step of another one computes. */
export const absorbedStep = (operation: Operation, fusedInto: string): WasmStep =>
  emptyStep(operation, `fused into ${fusedInto}`);

/** The kernel of an operation; what none takes runs on the reference kernels. */
export function planStep(operation: Operation, context: PlanContext): Step {
  if ('fusedInto' in operation) return absorbedStep(operation, (operation as Absorbed).fusedInto);
  for (const planner of planners) {
    const step = planner(operation, context);
    if (step) return step;
  }
  return { runs: 'island', operation, kernel: `reference.${operation.kind}`, macs: 0 };
}
