import type { ClassTally } from './classification.ts';
import { binomialInterval, binomialUpper, mcnemarExact, pairedBound, type Interval } from './statistics.ts';

/** Two classifiers on the same samples. All shares are 0..1. */
export interface PairedFigures {
  readonly samples: number;
  /** Share of samples with the same answer. */
  readonly agreement: number;
  readonly disagreements: number;
  /** Of the share of disagreement. No accuracy on these samples can change by more than that share. */
  readonly disagreementInterval: Interval;
  /** One-sided 95 % upper bound of the share of disagreement. */
  readonly disagreementUpper: number;
  /** With labels only. */
  readonly labelled: LabelledFigures | undefined;
}

export interface LabelledFigures {
  readonly samples: number;
  /** Samples that only the first gets right. */
  readonly losses: number;
  /** Samples that only the second gets right. */
  readonly gains: number;
  /** (losses − gains) / samples */
  readonly netLoss: number;
  /** 1.64 · sqrt(losses + gains) / samples */
  readonly bound: number;
  /** 95 % upper limit of the net loss, sound for few discordant samples too. */
  readonly netLossUpper: number;
  /** McNemar's exact test, two-sided. */
  readonly pValue: number;
}

export function comparePredictions(reference: ClassTally, candidate: ClassTally): PairedFigures {
  const samples = reference.predictions.length;
  const disagreements = reference.predictions.filter((answer, i) => answer !== candidate.predictions[i]).length;
  return {
    samples,
    agreement: 1 - disagreements / samples,
    disagreements,
    disagreementInterval: binomialInterval(disagreements, samples),
    disagreementUpper: binomialUpper(disagreements, samples),
    labelled: reference.labelled === 0 ? undefined : compareCorrect(reference, candidate),
  };
}

function compareCorrect(reference: ClassTally, candidate: ClassTally): LabelledFigures {
  let losses = 0;
  let gains = 0;
  for (let i = 0; i < reference.predictions.length; i++) {
    if (reference.correctAt(i) && !candidate.correctAt(i)) losses++;
    if (!reference.correctAt(i) && candidate.correctAt(i)) gains++;
  }
  const samples = reference.labelled;
  const netLoss = (losses - gains) / samples;
  const bound = pairedBound(losses, gains, samples);
  return {
    samples,
    losses,
    gains,
    netLoss,
    bound,
    // The normal bound is 0 when nothing is discordant; the exact one for the losses alone is not.
    netLossUpper: Math.max(netLoss + bound, binomialUpper(losses, samples) - gains / samples),
    pValue: mcnemarExact(losses, gains),
  };
}
