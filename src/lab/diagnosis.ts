import type { LayerAnalysis } from './layers.ts';
import type { Remedy } from './remedies.ts';
import type { LayerReport, Report } from './report.ts';
import { hasWeakActivation, hasWeakWeights } from './weakness.ts';

type WorstLayer = Report['worstLayers'][number];
type Weights = NonNullable<LayerReport['weights']>;
type Activation = NonNullable<LayerReport['activation']>;

const MANY_CLIPPED = 0.005;
const WIDE_SPREAD = 16;
/** A fold that spread the channels by as much again is named as the cause. */
const WIDE_FOLD = 4;
const DOMINANT_SHARE = 0.5;
/** Advice that gains less is not worth following. */
const WORTHWHILE_DB = 1;
const SHOWN = 5;

/** The layers that add the most noise themselves, weakest first, each with what causes it, what to try and what that gains. */
export function diagnose(analyses: readonly LayerAnalysis[]): WorstLayer[] {
  return analyses
    .flatMap((analysis) => [weightProblem(analysis), activationProblem(analysis)])
    .filter((found) => found !== undefined)
    .sort((a, b) => a.db - b.db)
    .filter((found, i, all) => all.findIndex(({ layer }) => layer.name === found.layer.name) === i)
    .slice(0, SHOWN)
    .map(({ layer, worst }) => ({ name: layer.name, ...worst }));
}

interface Problem {
  readonly layer: LayerReport;
  readonly db: number;
  readonly worst: Omit<WorstLayer, 'name'>;
}

function weightProblem({ layer, weightRemedies }: LayerAnalysis): Problem | undefined {
  const { weights } = layer;
  const db = weights?.channelSqnrDb ?? Infinity;
  if (weights === undefined || !hasWeakWeights(weights)) return undefined;
  const diagnosis = `Its channels keep ${db.toFixed(1)} dB over the rounding of their weights: ${weightCause(weights)}.`;
  return { layer, db, worst: { diagnosis, ...adviceFrom(weightRemedies, weightAdvice, 'weights') } };
}

function weightCause({ scales, channelSpread, foldSpread = 1 }: Weights): string {
  if (scales > 1 || channelSpread < WIDE_SPREAD) return 'a few large weights set the scale of the many small ones';
  const fold = foldSpread >= WIDE_FOLD ? `, ${power(foldSpread)} of it from folding batch normalization` : '';
  return `one scale serves channels whose largest weights differ by ${power(channelSpread)}${fold}`;
}

const weightAdvice: Readonly<Record<Remedy['kind'], string>> = {
  perChannel: "Use per-channel weights (granularity 'perChannel').",
  asymmetric: 'Use asymmetric weights (symmetric false).',
  meanSquare: "Use the 'mse' weight calibrator.",
  minMax: "Use the 'minMax' weight calibrator.",
};

function activationProblem({ layer, activationRemedies, sharesRange }: LayerAnalysis): Problem | undefined {
  const { activation } = layer;
  const db = activation?.localSqnrDb ?? Infinity;
  if (activation === undefined || !hasWeakActivation(activation)) return undefined;
  const noise = `Its result keeps ${db.toFixed(1)} dB over the noise of its own quantizer`;
  if (sharesRange) {
    const advice = 'If accuracy is short, exclude the node that joins them.';
    return { layer, db, worst: { diagnosis: `${noise}: ${sharedCause(activation)}.`, advice } };
  }
  const diagnosis = `${noise}: ${activationCause(activation)}.`;
  return { layer, db, worst: { diagnosis, ...adviceFrom(activationRemedies, activationAdvice, 'histogram') } };
}

function sharedCause({ min, max }: Activation): string {
  return `it is joined with larger values, which share the range ${rangeText(min, max)} with it`;
}

function activationCause({ clippedShare, dominantChannel, min, max }: Activation): string {
  const range = rangeText(min, max);
  if (clippedShare >= MANY_CLIPPED) return `${(clippedShare * 100).toFixed(2)} % of its values lie outside of ${range}`;
  if (dominantChannel !== undefined && dominantChannel.share >= DOMINANT_SHARE)
    return `channel ${dominantChannel.channel} sets ${(dominantChannel.share * 100).toFixed(0)} % of the range ${range}`;
  return `its values are small against the range ${range} that rare ones set`;
}

function rangeText(min: number, max: number): string {
  return `[${min.toPrecision(3)}, ${max.toPrecision(3)}]`;
}

const activationAdvice: Readonly<Record<Remedy['kind'], string>> = {
  ...weightAdvice,
  meanSquare: "Use the 'mse' activation calibrator.",
  minMax: "Use a wider range: the 'minMax' activation calibrator.",
};

/** The best remedy where it is worth it, else the one that is left: float. */
function adviceFrom(
  [best]: readonly Remedy[],
  advice: Readonly<Record<Remedy['kind'], string>>,
  basis: NonNullable<WorstLayer['gain']>['basis'],
): Pick<WorstLayer, 'advice' | 'gain'> {
  if (best === undefined || best.toDb - best.fromDb < WORTHWHILE_DB)
    return { advice: 'No other setting of this quantizer does better; if accuracy is short, exclude this node.' };
  const round = (db: number): number => Math.round(db * 10) / 10;
  return { advice: advice[best.kind], gain: { fromDb: round(best.fromDb), toDb: round(best.toDb), basis } };
}

function power(ratio: number): string {
  return `2^${Math.log2(ratio).toFixed(1)}`;
}
