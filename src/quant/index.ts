export { batchNormStatistics, propagateStatistics } from './batchNormStatistics.ts';
export type { ChannelStatistics, Statistics } from './batchNormStatistics.ts';
export { calibrate } from './calibrate.ts';
export type { Batches, Calibration, CalibrationOptions } from './calibrate.ts';
export { correctBias } from './correctBias.ts';
export type { BiasCorrectionOptions } from './correctBias.ts';
export { correctBiasAnalytically, dataFreeRanges } from './dataFree.ts';
export { binCount as histogramBins, Histogram } from './observers/histogram.ts';
export { sparseStride } from './observers/observer.ts';
export { planQuantization } from './plan.ts';
export type { ActivationGroup, PlannedLayer, QuantizationPlan } from './plan.ts';
export { prepareGraph } from './prepareGraph.ts';
export { quantizeGraph } from './quantizeGraph.ts';
export type { QuantizeGraphOptions, Ranges } from './quantizeGraph.ts';
export { dequantizeWeights, quantizeWeights } from './quantizeWeights.ts';
export type { WeightOptions, WeightTensor } from './quantizeWeights.ts';
export {
  affineUint8,
  dequantize,
  limitsOf,
  quantize,
  quantizeStochastically,
  quantParamsOf,
  simulate,
  sqnr,
  symmetricInt8,
} from './quantizer.ts';
export type { QuantizerSpec, QuantParams, Range } from './quantizer.ts';
export { defaultRecipe, recipeSchema } from './recipe.ts';
export type { Recipe } from './recipe.ts';
export { floatSelector, globPattern, nodeSelector } from './select.ts';
