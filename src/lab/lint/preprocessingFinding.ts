import { present } from '../../base/index.ts';
import type { Preprocessing } from '../../data/index.ts';
import { significant } from '../significant.ts';
import { mcnemarExact } from '../statistics.ts';
import type { CalibrationReport, Finding } from './findings.ts';
import type { Trial, Trials } from './preprocessingTrial.ts';

/** Another way must answer so much more, and the paired test must leave so little to chance (of a dozen ways tried). */
const CLEAR_SHARE = 0.1;
const CLEAR_P = 0.001;
/** A lead from which on more images shall decide where these do not. */
const LEAD = 0.05;
/** Without labels: nats that its answers must tell more. */
const CLEAR_NATS = 0.7;

type Scores = NonNullable<CalibrationReport['preprocessing']>;

/** The scores of all ways, and a finding where the declared one is clearly not the best. */
export function preprocessingFinding({ trials, labels }: Trials): {
  readonly scores: Scores;
  readonly finding?: Finding;
  /** The declared way and one that may be better. */
  readonly undecided?: readonly [Trial, Trial];
} {
  const scored = trials.map((trial) => ({
    trial,
    score: labels === undefined ? information(trial.answers) : share(hits(trial, labels)),
  }));
  const scores = scored.map(({ trial, score }) => ({ title: trial.title, score: significant(score) }));
  const declared = present(scored[0], 'the declared preprocessing');
  const best = scored.reduce((a, b) => (b.score > a.score ? b : a));
  const clear =
    labels === undefined
      ? best.score - declared.score >= CLEAR_NATS
      : best.score - declared.score >= CLEAR_SHARE &&
        isSignificant(hits(declared.trial, labels), hits(best.trial, labels));
  if (!clear && labels !== undefined && best.score - declared.score >= LEAD)
    return { scores, undecided: [declared.trial, best.trial] };
  if (!clear) return { scores };
  const measured =
    labels === undefined
      ? `its answers on ${best.trial.answers.length} images are far more certain and varied (${best.score.toFixed(1)} against ${declared.score.toFixed(1)} nats)`
      : `fp32 is right on ${percent(best.score)} of ${labels.length} images instead of ${percent(declared.score)}`;
  return {
    scores,
    finding: {
      code: 'PREPROCESSING_DOUBTFUL',
      text: `The images do not look as the network expects them: with ${best.trial.title}, ${measured}. Try ${json(best.trial.preprocessing)}.`,
    },
  };
}

function hits({ answers }: Trial, labels: readonly number[]): boolean[] {
  return answers.map((scores, i) => scores.indexOf(Math.max(...scores)) === labels[i]);
}

function share(right: readonly boolean[]): number {
  return right.filter(Boolean).length / Math.max(1, right.length);
}

function isSignificant(declared: readonly boolean[], other: readonly boolean[]): boolean {
  const only = (a: readonly boolean[], b: readonly boolean[]): number => a.filter((hit, i) => hit && !b[i]).length;
  return mcnemarExact(only(declared, other), only(other, declared)) < CLEAR_P;
}

/**
 * Nats that an answer tells of its image: the mutual information of image and class, H(mean p) − mean H(p). It is small
 * where answers are unsure, and where they are sure of the same class every time, as those to garbage are.
 */
function information(answers: readonly Float64Array[]): number {
  const mean = new Float64Array(answers[0]?.length ?? 0);
  let own = 0;
  for (const answer of answers) {
    own += entropy(answer) / answers.length;
    for (const [i, p] of answer.entries()) mean[i] = (mean[i] ?? 0) + p / answers.length;
  }
  return entropy(mean) - own;
}

function entropy(p: Float64Array): number {
  return p.reduce((sum, x) => (x > 0 ? sum - x * Math.log(x) : sum), 0);
}

function percent(value: number): string {
  return `${(value * 100).toFixed(0)} %`;
}

function json({ color, scale, mean, std }: Preprocessing): string {
  return JSON.stringify({ color, scale, mean, std });
}
