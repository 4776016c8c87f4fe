import type { LayerReport } from './report.ts';

/** Below these a quantizer's own noise shows in the result; above, other layers matter more. */
const WEAK_WEIGHTS_DB = 32;
const WEAK_ACTIVATION_DB = 28;

export function hasWeakWeights({ channelSqnrDb }: NonNullable<LayerReport['weights']>): boolean {
  return (channelSqnrDb ?? Infinity) < WEAK_WEIGHTS_DB;
}

export function hasWeakActivation({ localSqnrDb }: NonNullable<LayerReport['activation']>): boolean {
  return (localSqnrDb ?? Infinity) < WEAK_ACTIVATION_DB;
}
