import type { QuantizedGraph } from '../../../graph/index.ts';
import type { DotStrategy } from '../../dot.ts';
import { chooseLayouts } from '../../plan/layout.ts';
import type { KernelPlanner } from '../../plan/step.ts';
import { fuseActivations } from './activation.ts';
import { planArgMax } from './argMax.ts';
import { planBinary } from './binary.ts';
import { convOf, planConv } from './conv/index.ts';
import { convTransposeOf, planConvTranspose } from './conv/transposed.ts';
import { gemmOf, planGemm } from './gemm.ts';
import { planGlobalPool } from './globalPool.ts';
import { planMatMul } from './matMul.ts';
import { planInstanceNormalization } from './instanceNormalization.ts';
import { planBatchNormalization, planLrn } from './normalization.ts';
import { planLayerNormalization } from './layerNormalization.ts';
import { planPool } from './pool.ts';
import type { FloatPlanner } from './planner.ts';
import { planReduce } from './reduce.ts';
import { planResize } from './resize.ts';
import { planSoftmax } from './softmax.ts';
import { planUnary } from './unary.ts';

/** Asked in this order; the first offer is taken. */
const planners: readonly FloatPlanner[] = [
  planConv,
  planConvTranspose,
  planGemm,
  planMatMul,
  planUnary,
  planBinary,
  planPool,
  planGlobalPool,
  planReduce,
  planSoftmax,
  planResize,
  planArgMax,
  planBatchNormalization,
  planInstanceNormalization,
  planLayerNormalization,
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

/** Float layers with the functions that follow them, where their kernels take them. */
export function fuseFloat(graph: QuantizedGraph, dot: DotStrategy): QuantizedGraph {
  const context = { graph, layouts: chooseLayouts(graph), homes: new Map(), dot };
  return fuseActivations(graph, (layer) =>
    [convOf, convTransposeOf, gemmOf].some((layerOf) => layerOf(layer, context) !== undefined),
  );
}
