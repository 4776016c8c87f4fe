import { setImmediate as nextTurn } from 'node:timers/promises';
import { present } from '../../base/index.ts';
import { ClassTally, type ClassOutput } from '../classification.ts';
import type { Comparison } from '../evaluate.ts';
import { ErrorTally } from '../outputError.ts';
import { comparePredictions, type PairedFigures } from '../paired.ts';
import type { Runner } from '../runner.ts';
import type { ChoosingBatch } from './choosingSamples.ts';
import { klDivergence } from './divergence.ts';
import type { SearchFigures } from './searchReport.ts';

/** How one network compares with fp32 on some samples. */
export interface Figures {
  readonly samples: number;
  /** Classifiers only. */
  readonly paired: PairedFigures | undefined;
  /** 0..1, of labelled samples. */
  readonly top1: number | undefined;
  /** Mean over the samples, classifiers only. */
  readonly outputKl: number | undefined;
  /** Of the weakest output; null without error. */
  readonly sqnrDb: number | null;
  readonly finite: boolean;
}

/**
 * Runs a network on samples whose float outputs are known. Lets other work of the thread (a cancellation) in between.
 *
 * @param check  called between batches; throws to end it
 */
export async function measureFigures(
  runner: Runner,
  batches: readonly ChoosingBatch[],
  { classOutput, check }: { readonly classOutput: ClassOutput | undefined; readonly check: () => void },
): Promise<Figures> {
  const tallies = [new ClassTally(), new ClassTally()] as const;
  const errors = new Map<string, ErrorTally>();
  let [divergence, samples] = [0, 0];
  for (const { feeds, expected, labels } of batches) {
    await nextTurn();
    check();
    const actual = await runner.run(feeds);
    samples += labels.length;
    for (const [name, value] of expected) {
      const tally = errors.get(name) ?? new ErrorTally();
      errors.set(name, tally);
      tally.add(value.data, present(actual.get(name), `output '${name}'`).data);
    }
    if (classOutput === undefined) continue;
    const { name, classCount } = classOutput;
    const scores = [expected, actual].map((values) => present(values.get(name), `output '${name}'`));
    for (const [i, tally] of tallies.entries()) tally.add(present(scores[i], 'scores'), classCount, labels);
    divergence += klDivergence(present(scores[0], 'scores'), present(scores[1], 'scores'), classCount);
  }
  const classified = classOutput !== undefined && samples > 0;
  return {
    samples,
    paired: classified ? comparePredictions(...tallies) : undefined,
    top1: classified && tallies[1].labelled > 0 ? tallies[1].top1Count / tallies[1].labelled : undefined,
    outputKl: classified ? divergence / samples : undefined,
    sqnrDb: weakest([...errors.values()].map((tally) => tally.figures().sqnrDb)),
    finite: [...errors.values()].every(({ notFinite }) => notFinite === 0),
  };
}

/** The figures of a comparison on the samples that prove. */
export function figuresOf({ candidate, paired, outputs, notFinite }: Comparison): Figures {
  return {
    samples: candidate.samples,
    paired,
    top1: candidate.top1?.share,
    outputKl: undefined,
    sqnrDb: weakest(outputs.map(({ sqnrDb }) => sqnrDb)),
    finite: notFinite === 0,
  };
}

/** The least; null where no output has an error. */
function weakest(levels: readonly (number | null)[]): number | null {
  const least = levels.reduce<number>((low, db) => Math.min(low, db ?? Infinity), Infinity);
  return Number.isFinite(least) ? least : null;
}

export function reportFigures({ samples, paired, top1, outputKl, sqnrDb }: Figures): SearchFigures {
  const labelled = paired?.labelled;
  return {
    samples,
    ...(top1 === undefined ? {} : { top1 }),
    ...(labelled === undefined
      ? {}
      : { losses: labelled.losses, gains: labelled.gains, netLoss: labelled.netLoss, bound: labelled.bound }),
    ...(paired === undefined ? {} : { agreement: paired.agreement }),
    ...(outputKl === undefined ? {} : { outputKl }),
    sqnrDb,
  };
}
