import { AppError, present } from '../base/index.ts';
import { batches, type Dataset, type InputSpec, type Preprocessing } from '../data/index.ts';
import type { TensorMap } from '../tensor/index.ts';
import { ClassTally, type ClassOutput } from './classification.ts';
import { DisagreementList, type ScoredDisagreement } from './disagreements.ts';
import { comparePredictions, type PairedFigures } from './paired.ts';
import { ErrorTally, type ErrorFigures } from './outputError.ts';
import type { Runner } from './runner.ts';
import { binomialInterval, type Interval } from './statistics.ts';

export interface EvaluateOptions {
  readonly inputs: readonly InputSpec[];
  readonly preprocessing: Preprocessing;
  /** Absent for networks that are no classifiers. */
  readonly classOutput: ClassOutput | undefined;
  /** Which samples; all if absent. */
  readonly indices?: readonly number[] | undefined;
  readonly batchSize?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

export interface Share {
  /** 0..1 */
  readonly share: number;
  readonly count: number;
  readonly interval: Interval;
}

/** What one runner answered. */
export interface Evaluation {
  readonly runner: string;
  readonly samples: number;
  readonly labelled: number;
  /** Of the labelled samples; absent without labels. */
  readonly top1?: Share;
  readonly top5?: Share;
  /** Class index per sample; empty for networks that are no classifiers. */
  readonly predictions: readonly number[];
  /** Per sample; empty without labels. */
  readonly correct: readonly boolean[];
}

export interface OutputFigures extends ErrorFigures {
  readonly name: string;
}

/** Two runners on the same samples; the first is the one to agree with. */
export interface Comparison {
  readonly reference: Evaluation;
  readonly candidate: Evaluation;
  readonly paired: PairedFigures | undefined;
  /** The most confident ones of classifiers. */
  readonly disagreements: readonly ScoredDisagreement[];
  readonly outputs: readonly OutputFigures[];
  /** Values of the candidate's outputs that are not finite. */
  readonly notFinite: number;
}

const DEFAULT_BATCH = 8;

/** Accuracy of one runner. */
export async function evaluate(runner: Runner, dataset: Dataset, options: EvaluateOptions): Promise<Evaluation> {
  const tally = new ClassTally();
  let samples = 0;
  for await (const { indices, feeds } of walk(dataset, options)) {
    const results = await runner.run(feeds);
    addScores(tally, results, options.classOutput, labelsOf(dataset, indices));
    samples += indices.length;
  }
  return evaluationOf(runner.name, samples, tally);
}

/**
 * Runs both on the same samples, each decoded once: accuracy of both, what only one gets right, and the distance of the
 * outputs. Nothing but the answers is kept, so memory does not grow with the outputs.
 */
export async function compareRunners(
  [reference, candidate]: readonly [Runner, Runner],
  dataset: Dataset,
  options: EvaluateOptions,
): Promise<Comparison> {
  const tallies = [new ClassTally(), new ClassTally()] as const;
  const disagreements = new DisagreementList();
  const errors = new Map<string, ErrorTally>();
  let samples = 0;
  for await (const { indices, feeds } of walk(dataset, options)) {
    const labels = labelsOf(dataset, indices);
    const expected = await reference.run(feeds);
    const actual = await candidate.run(feeds);
    addScores(tallies[0], expected, options.classOutput, labels);
    addScores(tallies[1], actual, options.classOutput, labels);
    if (options.classOutput !== undefined) {
      const { name, classCount } = options.classOutput;
      const scores = [present(expected.get(name), name), present(actual.get(name), name)] as const;
      const rows = indices.map((index, row) => ({ index, label: labels[row] }));
      disagreements.add(scores, classCount, rows);
    }
    addErrors(errors, expected, actual);
    samples += indices.length;
  }
  return {
    reference: evaluationOf(reference.name, samples, tallies[0]),
    candidate: evaluationOf(candidate.name, samples, tallies[1]),
    paired: options.classOutput === undefined || samples === 0 ? undefined : comparePredictions(...tallies),
    disagreements: disagreements.items,
    outputs: [...errors].map(([name, tally]) => ({ name, ...tally.figures() })),
    notFinite: [...errors.values()].reduce((sum, tally) => sum + tally.notFinite, 0),
  };
}

async function* walk(dataset: Dataset, options: EvaluateOptions): ReturnType<typeof batches> {
  const { inputs, preprocessing, batchSize = DEFAULT_BATCH, signal, onProgress } = options;
  const indices = options.indices ?? dataset.samples.map((_, index) => index);
  let done = 0;
  onProgress?.(done, indices.length);
  for await (const batch of batches(dataset, inputs, preprocessing, { batchSize, indices, signal })) {
    yield batch;
    done += batch.indices.length;
    onProgress?.(done, indices.length);
  }
}

function labelsOf(dataset: Dataset, indices: readonly number[]): (number | undefined)[] {
  return indices.map((index) => dataset.samples[index]?.label);
}

function addScores(
  tally: ClassTally,
  results: TensorMap,
  output: ClassOutput | undefined,
  labels: readonly (number | undefined)[],
): void {
  if (output === undefined) return;
  tally.add(present(results.get(output.name), `output '${output.name}'`), output.classCount, labels);
}

function addErrors(errors: Map<string, ErrorTally>, expected: TensorMap, actual: TensorMap): void {
  for (const [name, x] of expected) {
    const y = actual.get(name);
    if (y?.data.length !== x.data.length)
      throw new AppError(
        'SHAPE_MISMATCH',
        `Output '${name}' has ${x.data.length} values in one network and ${y?.data.length ?? 'none'} in the other.`,
      );
    const tally = errors.get(name) ?? new ErrorTally();
    errors.set(name, tally);
    tally.add(x.data, y.data);
  }
}

function evaluationOf(runner: string, samples: number, tally: ClassTally): Evaluation {
  const { labelled, predictions } = tally;
  const share = (count: number): Share => ({
    share: count / labelled,
    count,
    interval: binomialInterval(count, labelled),
  });
  return {
    runner,
    samples,
    labelled,
    ...(labelled === 0 ? {} : { top1: share(tally.top1Count), top5: share(tally.top5Count) }),
    predictions,
    correct: labelled === 0 ? [] : predictions.map((_, index) => tally.correctAt(index)),
  };
}
