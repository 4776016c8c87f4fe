import type { Calibration, Ranges } from '../../quant/index.ts';
import { significant } from '../significant.ts';
import type { Convergence, Finding } from './findings.ts';

/**
 * How far ranges were from where they ended, after some of the samples: the mean over all values of
 *   (|min_k − min| + |max_k − max|) / (max − min).
 */
export function convergenceOf({ earlier, ranges, samples }: Calibration): Convergence {
  const before = earlier.filter((step) => step.samples < samples);
  return [...before, { samples, ranges }].map((step) => ({
    samples: step.samples,
    moved: significant(distance(step.ranges, ranges)),
  }));
}

function distance(from: Ranges, to: Ranges): number {
  const distances = [...to].flatMap(([value, { min, max }]) => {
    const other = from.get(value);
    return other === undefined || max === min
      ? []
      : [(Math.abs(other.min - min) + Math.abs(other.max - max)) / (max - min)];
  });
  return distances.reduce((sum, d) => sum + d, 0) / Math.max(1, distances.length);
}

/** Half of the samples should put ranges within this of where all of them do, both ends together. */
const STEADY = 0.1;

/** Whether the second half of the samples still moved the ranges. */
export function convergenceFinding(convergence: Convergence): Finding | undefined {
  const samples = convergence.at(-1)?.samples ?? 0;
  const half = convergence.findLast((step) => step.samples <= samples / 2);
  if (half === undefined || half.moved <= STEADY) return undefined;
  return {
    code: 'RANGES_UNSTEADY',
    text:
      `The ranges have not settled: after ${half.samples} of ${samples} samples they were still ` +
      `${(half.moved * 100).toFixed(0)} % of their width away from where they ended. Send ${2 * samples} samples or more.`,
  };
}
