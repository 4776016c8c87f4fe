import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatMs } from '../../../src/cli/text.ts';
import type { FigureCase } from './cases.ts';
import { runQuantize } from './runOctet.ts';

export interface SearchFigure {
  readonly row: readonly string[];
  /** Why the budget was not met, where it was not. */
  readonly prevented: string | undefined;
  readonly reached: boolean;
}

export const searchHeader = [
  'network',
  'budget',
  'n',
  'fp32',
  'given',
  'found',
  'net loss',
  'bound',
  'lost',
  'gained',
  'latency given',
  'found',
  'recipes',
  'time',
  'reached',
  'recipe',
] as const;

/** Points of top-1 that a search may lose: one on ImageNet, where other tools lose 4 to 6. */
function budgetOf({ name }: FigureCase): number {
  return name.startsWith('mobilenet_v1') ? 1 : 0.2;
}

/** `octet quantize --search`; the figures are of the samples that prove, which chose nothing. */
export async function measureSearch(
  figureCase: FigureCase,
  { folder, seconds }: { readonly folder: string; readonly seconds: number },
): Promise<SearchFigure> {
  const budget = budgetOf(figureCase);
  const preprocessing = join(folder, `${figureCase.name}.json`);
  await writeFile(preprocessing, JSON.stringify(figureCase.preprocessing));
  const { report } = await runQuantize([
    ...[figureCase.model, figureCase.calibration, '--evaluation', figureCase.evaluation],
    ...['--preprocessing', preprocessing, '-o', join(folder, `${figureCase.name}.search.onnx`)],
    ...['--search', String(seconds), '--budget', String(budget)],
  ]);
  const { accuracy, paired, search } = report;
  const labelled = paired?.labelled;
  if (!accuracy || !labelled || !search)
    throw new Error(`${figureCase.name}: the report has no search or no accuracy.`);
  const points = (share: number | undefined): string => (100 * (share ?? NaN)).toFixed(2);
  const found = search.candidates[search.chosen];
  const notWorse = labelled.netLoss <= (search.proof?.default.netLoss ?? labelled.netLoss);
  const reached = notWorse && labelled.netLoss <= budget / 100 + labelled.bound;
  return {
    prevented: search.prevented,
    reached,
    row: [
      figureCase.name,
      String(budget),
      String(labelled.samples),
      points(accuracy.fp32.top1?.share),
      points(search.proof?.default.top1 ?? accuracy.int8.top1?.share),
      points(accuracy.int8.top1?.share),
      points(labelled.netLoss),
      points(labelled.bound),
      String(labelled.losses),
      String(labelled.gains),
      formatMs(search.candidates[0]?.p50Ms ?? NaN),
      formatMs(found?.p50Ms ?? NaN),
      String(search.candidates.length),
      formatMs(search.spentSeconds * 1_000),
      reached ? 'yes' : 'no',
      found?.title ?? '',
    ],
  };
}
