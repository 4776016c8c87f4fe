export { exp, EXP_LIMITS, EXP_SERIES, LN2, log, sigmoid, tanh } from './math.ts';
export {
  ERF32_SERIES,
  ERF32_SMALL,
  ERFC32_SERIES,
  EXP32,
  EXP32_SERIES,
  GELU32_TANH,
  TANH32_SERIES,
  TANH32_SMALL,
} from './math32.ts';
export { broadcastIndices } from './broadcast.ts';
export { matMulShapes } from './operators/matmul.ts';
export { resizeTaps } from './operators/resize.ts';
export type { Taps } from './operators/resize.ts';
export { referenceExecutor } from './referenceExecutor.ts';
export { nearestEven, requantize } from './requantize.ts';
export { hasKernel, runNode } from './runNode.ts';
export { runOperation } from './runOperation.ts';
export { checkFeeds, inputsOf, runQuantized } from './runQuantized.ts';
export type { RunQuantizedOptions } from './runQuantized.ts';
