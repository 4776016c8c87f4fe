import type { OutputFigures } from './evaluate.ts';
import type { LabelledFigures, PairedFigures } from './paired.ts';
import type { Verdict } from './report.ts';
import { binomialLower, samplesForMargin } from './statistics.ts';

export interface VerdictInput {
  /** Points of top-1 (labelled), or per cent of disagreement (unlabelled). */
  readonly budget: number;
  readonly paired: PairedFigures | undefined;
  readonly outputs: readonly OutputFigures[];
  /** Values of the int8 outputs that are not finite. */
  readonly notFinite: number;
}

/** Signal-to-noise ratio of an output from which it counts as kept (1 % noise power), and below which as lost (10 %). */
export const KEPT_DB = 20;
const LOST_DB = 10;

/**
 * An unlabelled set fails only when the answers change this many times more often than the budget allows: a changed answer
 * is a lost one only where the first was right and the second is not.
 */
const DISAGREEMENT_FACTOR = 5;

/** With n samples and no loss at all, the exact upper bound of the loss is about 3 / n. */
const RULE_OF_THREE = 3;

/** What is assumed of the rate of discordant samples beside what was seen: one in twenty, so that few samples say little. */
const PRIOR_DISCORDANT = 1;
const PRIOR_SAMPLES = 20;

/**
 * Whether the network still works, in words. `pass` and `fail` are claims at 95 % confidence, one-sided:
 *   pass  the upper limit of the net loss is within the budget
 *   fail  its lower limit is beyond the budget
 * and between the two, how many samples would decide.
 */
export function judge(input: VerdictInput): Verdict {
  const { budget, paired, outputs, notFinite } = input;
  if (notFinite > 0)
    return verdict('fail', budget, 'The int8 network gives values that are not finite.', [
      `${notFinite} output values are NaN or infinite.`,
    ]);
  if (paired?.labelled !== undefined) return judgeLabelled(paired.labelled, budget);
  if (paired !== undefined) return judgeUnlabelled(paired, budget);
  if (outputs.length > 0) return judgeOutputs(outputs, budget);
  return verdict('notEnoughData', budget, 'Nothing was measured: there were no samples to evaluate.', [
    'Send an evaluation set, labelled if the network is a classifier.',
  ]);
}

function judgeLabelled(figures: LabelledFigures, budget: number): Verdict {
  const { samples, losses, gains, netLoss, bound, netLossUpper, pValue } = figures;
  const allowed = budget / 100;
  const reasons = [
    `On ${samples} labelled samples int8 gets ${losses} wrong that fp32 gets right, and ${gains} right that fp32 gets wrong.`,
    `Net loss ${points(netLoss)} of top-1, at most ${points(netLossUpper)} with 95 % confidence; the budget is ${points(allowed)}.`,
    `McNemar's exact test: p = ${pValue.toPrecision(2)}.`,
  ];
  if (netLossUpper <= allowed)
    return verdict(
      'pass',
      budget,
      `Pass: int8 ${lossWords(netLoss)} fp32, within the budget of ${points(allowed)}.`,
      reasons,
    );
  if (netLoss - bound > allowed)
    return verdict(
      'fail',
      budget,
      `Fail: int8 loses ${points(netLoss)} of top-1; the budget is ${points(allowed)}.`,
      reasons,
    );
  const needed = neededSamples(figures, allowed);
  return {
    ...verdict(
      'notEnoughData',
      budget,
      `Not enough data: int8 ${lossWords(netLoss)} fp32 on ${samples} samples, which is too few to tell whether it keeps the ` +
        `budget of ${points(allowed)}` +
        (needed === undefined ? '; it lies on the edge.' : `: send at least ${needed} labelled images.`),
      reasons,
    ),
    ...(needed === undefined ? {} : { neededSamples: needed }),
  };
}

/** Samples that would decide if the rates stay as they are; undefined where that is beyond any set one would collect. */
function neededSamples({ samples, losses, gains, netLoss }: LabelledFigures, allowed: number): number | undefined {
  const margin = Math.abs(allowed - netLoss);
  const rate = (losses + gains + PRIOR_DISCORDANT) / (samples + PRIOR_SAMPLES);
  const needed = Math.max(
    samplesForMargin(rate, margin),
    allowed > 0 ? Math.ceil(RULE_OF_THREE / allowed) : 0,
    samples + 1,
  );
  return margin > 0 && needed <= 1_000_000 ? needed : undefined;
}

function judgeUnlabelled(paired: PairedFigures, budget: number): Verdict {
  const { samples, disagreements, disagreementUpper } = paired;
  const allowed = budget / 100;
  const reasons = [
    `Without labels: int8 answers ${disagreements} of ${samples} samples differently from fp32.`,
    `No accuracy on samples like these can change by more than ${percent(disagreementUpper)} (95 % confidence).`,
  ];
  if (disagreementUpper <= allowed)
    return verdict(
      'pass',
      budget,
      `Pass: int8 gives another answer than fp32 on at most ${percent(disagreementUpper)} of samples.`,
      reasons,
    );
  if (binomialLower(disagreements, samples) > DISAGREEMENT_FACTOR * allowed)
    return verdict(
      'fail',
      budget,
      `Fail: int8 gives another answer than fp32 on ${percent(disagreements / samples)} of samples.`,
      reasons,
    );
  const needed = Math.max(samples + 1, Math.ceil(RULE_OF_THREE / Math.max(allowed, 1e-3)));
  return {
    ...verdict(
      'notEnoughData',
      budget,
      `Not enough data: int8 and fp32 differ on ${percent(disagreements / samples)} of ${samples} samples; whether that costs ` +
        `accuracy only labels can tell: send at least ${needed} labelled images.`,
      reasons,
    ),
    neededSamples: needed,
  };
}

function judgeOutputs(outputs: readonly OutputFigures[], budget: number): Verdict {
  const level = ({ sqnrDb }: OutputFigures): number => sqnrDb ?? Infinity;
  const worst = outputs.reduce((low, output) => (level(output) < level(low) ? output : low));
  const reasons = outputs.map(
    ({ name, sqnrDb, cosine, maxError }) =>
      `Output '${name}': SQNR ${sqnrDb === null ? 'without error' : `${sqnrDb.toFixed(1)} dB`}, ` +
      `cosine ${cosine?.toFixed(5) ?? 'undefined'}, largest error ${maxError.toPrecision(3)}.`,
  );
  const says = `its weakest output, '${worst.name}', has an SQNR of ${level(worst).toFixed(1)} dB`;
  if (level(worst) >= KEPT_DB)
    return verdict(
      'pass',
      budget,
      `Pass: all outputs keep at least ${KEPT_DB} dB over the quantization noise.`,
      reasons,
    );
  if (level(worst) < LOST_DB) return verdict('fail', budget, `Fail: the outputs are lost in noise; ${says}.`, reasons);
  return verdict(
    'notEnoughData',
    budget,
    `Judge by your own metric: ${says}, between ${LOST_DB} and ${KEPT_DB} dB.`,
    reasons,
  );
}

function verdict(outcome: Verdict['outcome'], budget: number, headline: string, reasons: string[]): Verdict {
  return { outcome, headline, reasons, budget };
}

function points(value: number): string {
  return `${(value * 100).toFixed(2)} points`;
}

function percent(value: number): string {
  return `${(value * 100).toFixed(1)} %`;
}

function lossWords(netLoss: number): string {
  if (netLoss > 0) return `loses ${points(netLoss)} of top-1 against`;
  return netLoss < 0 ? `gains ${points(-netLoss)} of top-1 over` : 'loses nothing against';
}
