import type { Graph } from '../../graph/index.ts';
import { normalizeActivations } from './activations.ts';
import { foldAfterLinear } from './foldAfterLinear.ts';
import { foldBeforeConv } from './foldBeforeConv.ts';
import { foldPad } from './foldPad.ts';
import { recognizeHardSwish } from './hardSwish.ts';
import { matMulToGemm } from './matMulToGemm.ts';
import { batchNormToConv } from './standaloneBatchNorm.ts';

/** The passes in their order: what one leaves behind, the next may fold. */
export const simplifyPasses = [
  recognizeHardSwish,
  matMulToGemm,
  foldPad,
  foldAfterLinear,
  foldBeforeConv,
  batchNormToConv,
  // A BatchNormalization that became a convolution takes the constants that follow it.
  foldAfterLinear,
  normalizeActivations,
] as const satisfies readonly ((graph: Graph) => Graph)[];

/**
 * The same network with less to do: batch normalizations, scales, biases and padding folded into convolutions, clamps
 * in one form. Outputs agree to float32 rounding; nodes and values that remain keep their names.
 */
export function simplify(graph: Graph): Graph {
  return simplifyPasses.reduce((current, pass) => pass(current), graph);
}
