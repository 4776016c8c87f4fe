import type { KernelPlanner } from '../../plan/step.ts';
import { planBinary } from './binary.ts';
import { planConv } from './conv.ts';
import { planGemm } from './gemm.ts';
import { planGlobalPool } from './globalPool.ts';
import { planBatchNormalization, planLrn } from './normalization.ts';
import { planPool } from './pool.ts';
import type { FloatPlanner } from './planner.ts';
import { planSoftmax } from './softmax.ts';
import { planUnary } from './unary.ts';

/** Asked in this order; the first offer is taken. */
const planners: readonly FloatPlanner[] = [
  planConv,
  planGemm,
  planUnary,
  planBinary,
  planPool,
  planGlobalPool,
  planSoftmax,
  planBatchNormalization,
  planLrn,
];

/** Float nodes with the bits of the reference: one lane an element, every sum in the reference's order. */
export const planFloat: KernelPlanner = (operation, context) => {
  if (operation.kind !== 'float') return undefined;
  for (const planner of planners) {
    const step = planner(operation, context);
    if (step) return step;
  }
  return undefined;
};
