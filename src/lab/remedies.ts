import { dequantizeWeights, quantizeWeights, type Histogram, type Recipe } from '../quant/index.ts';
import type { Tensor } from '../tensor/index.ts';
import { bestRange, predictedSqnrDb } from './histogramFigures.ts';
import type { LayerReport } from './report.ts';
import { channelSqnrDb } from './weightRanges.ts';

/** A change of one quantizer, and the signal over its own noise that it would leave. */
export interface Remedy {
  readonly kind: 'perChannel' | 'asymmetric' | 'meanSquare' | 'minMax';
  readonly fromDb: number;
  readonly toDb: number;
}

export interface WeightsToRemedy {
  readonly tensor: Tensor;
  /** Counts output channels. */
  readonly channelAxis: number;
  readonly report: NonNullable<LayerReport['weights']>;
}

/** Quantizes the weights of a layer again, each time with one setting that its recipe does not use; the best comes first. */
export function weightRemedies({ tensor, channelAxis, report }: WeightsToRemedy, { weights }: Recipe): Remedy[] {
  if (weights === 'none' || tensor.dtype !== 'float32') return [];
  const fromDb = report.channelSqnrDb ?? null;
  if (fromDb === null) return [];
  const channelled = { data: tensor.data, shape: tensor.shape, axis: channelAxis };
  const remedy = (kind: Remedy['kind'], change: Partial<typeof weights>): Remedy => {
    const { granularity, symmetric, bits, calibrator } = { ...weights, ...change };
    const quantized = quantizeWeights(tensor, {
      spec: { bits, signed: true, symmetric, narrowRange: symmetric },
      axis: granularity === 'perChannel' ? channelAxis : undefined,
      calibrator,
      name: 'weights',
    });
    return { kind, fromDb, toDb: channelSqnrDb(channelled, dequantizeWeights(quantized)) ?? Infinity };
  };
  return [
    ...(weights.granularity === 'perTensor' ? [remedy('perChannel', { granularity: 'perChannel' })] : []),
    ...(weights.symmetric ? [remedy('asymmetric', { symmetric: false })] : []),
    ...(weights.calibrator === 'minMax' ? [remedy('meanSquare', { calibrator: 'mse' })] : []),
  ]
    .filter(({ toDb }) => Number.isFinite(toDb))
    .sort((a, b) => b.toDb - a.toDb);
}

/** Other ranges of an activation, tried on its histogram: all of it where it is cut, and the best cut. The best comes first. */
export function activationRemedies(
  histogram: Histogram,
  { min, max, localSqnrDb }: NonNullable<LayerReport['activation']>,
  steps: number,
): Remedy[] {
  if (localSqnrDb === null || histogram.width === 0) return [];
  const now = predictedSqnrDb(histogram, { min, max }, steps);
  const remedy = (kind: Remedy['kind'], db: number): Remedy => ({
    kind,
    fromDb: localSqnrDb,
    toDb: localSqnrDb + db - now,
  });
  const isCut = histogram.min < min || histogram.max > max;
  return [
    ...(isCut ? [remedy('minMax', predictedSqnrDb(histogram, histogram, steps))] : []),
    remedy('meanSquare', bestRange(histogram, steps).db),
  ]
    .filter(({ toDb }) => Number.isFinite(toDb))
    .sort((a, b) => b.toDb - a.toDb);
}
