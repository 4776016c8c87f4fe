import type { Job } from '../job.ts';
import { convergenceFinding } from './convergence.ts';
import type { CalibrationReport, Convergence } from './findings.ts';
import { imageFindings } from './imageFindings.ts';
import { preprocessingFinding } from './preprocessingFinding.ts';
import { tryOthers, tryPreprocessing } from './preprocessingTrial.ts';
import { sampleFindings } from './sampleFindings.ts';

/**
 * What may be wrong with the calibration set and with how it is read. It tells, and never changes the result.
 *
 * @param convergence  of the ranges; empty where none were observed
 */
export async function lintCalibration(job: Job, convergence: Convergence): Promise<CalibrationReport | undefined> {
  const { plan, network, options } = job;
  const { calibration } = plan;
  if (calibration === undefined) return undefined;
  const [input] = network.inputs;
  const images = calibration.dataset.kind === 'images' && input !== undefined;
  const read = images ? await readingOf(job) : undefined;
  const unsteady = convergenceFinding(convergence);
  return {
    findings: [
      ...(read?.finding === undefined ? [] : [read.finding]),
      ...sampleFindings(calibration, network.classOutput?.classCount),
      ...(unsteady === undefined ? [] : [unsteady]),
      ...(images ? await imageFindings(calibration, input, options.preprocessing) : []),
    ],
    convergence,
    ...(read === undefined ? {} : { preprocessing: read.scores }),
  };
}

/** How the images are read, against the usual ways; what a first trial leaves undecided, other images decide. */
async function readingOf(job: Job): Promise<ReturnType<typeof preprocessingFinding> | undefined> {
  const trials = await tryPreprocessing(job);
  if (trials === undefined) return undefined;
  const first = preprocessingFinding(trials);
  const again = first.undecided && (await tryOthers(job, first.undecided, trials.selection));
  return again === undefined ? first : { ...preprocessingFinding(again), scores: first.scores };
}
