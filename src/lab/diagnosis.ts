import type { LayerReport, Report } from './report.ts';

type WorstLayer = Report['worstLayers'][number];

/** Below these a quantizer's own noise shows in the result; above, other layers matter more. */
const WEAK_WEIGHTS_DB = 32;
const WEAK_ACTIVATION_DB = 28;
const MANY_CLIPPED = 0.005;
const WIDE_SPREAD = 16;
const SHOWN = 5;

/** The layers that add the most noise themselves, weakest first, each with what causes it and what to try. */
export function diagnose(layers: readonly LayerReport[]): WorstLayer[] {
  return layers
    .flatMap((layer) => [weightProblem(layer), activationProblem(layer)])
    .filter((found) => found !== undefined)
    .sort((a, b) => a.db - b.db)
    .filter((found, i, all) => all.findIndex(({ name }) => name === found.name) === i)
    .slice(0, SHOWN)
    .map(({ name, diagnosis, advice }) => ({ name, diagnosis, advice }));
}

interface Problem extends WorstLayer {
  readonly db: number;
}

function weightProblem({ name, weights }: LayerReport): Problem | undefined {
  const db = weights?.sqnrDb ?? Infinity;
  if (weights === undefined || db >= WEAK_WEIGHTS_DB) return undefined;
  const noise = `Its weights keep ${db.toFixed(1)} dB over their rounding`;
  if (weights.scales === 1 && weights.channelSpread >= WIDE_SPREAD)
    return {
      name,
      db,
      diagnosis: `${noise}: one scale serves channels whose largest weights differ by 2^${Math.log2(weights.channelSpread).toFixed(1)}.`,
      advice: 'Use per-channel weights, or equalization.',
    };
  return {
    name,
    db,
    diagnosis: `${noise}: within a channel a few large weights set the scale of the many small ones.`,
    advice: "Keep bias correction on; try the 'mse' weight calibrator, or exclude this node.",
  };
}

function activationProblem({ name, activation }: LayerReport): Problem | undefined {
  const db = activation?.localSqnrDb ?? Infinity;
  if (activation === undefined || db >= WEAK_ACTIVATION_DB) return undefined;
  const noise = `Its result keeps ${db.toFixed(1)} dB over the noise of its own quantizer`;
  if (activation.clippedShare >= MANY_CLIPPED)
    return {
      name,
      db,
      diagnosis: `${noise}: ${(activation.clippedShare * 100).toFixed(2)} % of its values lie outside of ${range(activation)}.`,
      advice: "Use a wider calibrator ('minMax', or a higher percentile), or more calibration samples.",
    };
  return {
    name,
    db,
    diagnosis: `${noise}: its values are small against the range ${range(activation)} that rare ones set.`,
    advice: "Try the 'entropy', 'percentile' or 'mse' calibrator, or exclude this node.",
  };
}

function range({ min, max }: NonNullable<LayerReport['activation']>): string {
  return `[${min.toPrecision(3)}, ${max.toPrecision(3)}]`;
}
