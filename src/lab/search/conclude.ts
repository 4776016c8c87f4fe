import type { Comparison } from '../evaluate.ts';
import { figuresOf, reportFigures, type Figures } from './figures.ts';
import { withinBudget } from './ranking.ts';
import type { LayerSensitivity, SearchReport } from './searchReport.ts';
import type { SearchResult } from './searchRecipe.ts';

/** The given recipe and the preferred one on the samples that prove; no second one where they are the same. */
export type Contenders = readonly [given: Comparison, preferred: Comparison | undefined];

/**
 * Proves the preferred recipe on samples that did not choose it: where it is worse than the given one there, the given one
 * is returned.
 */
export function concludeSearch(
  { best, report }: Pick<SearchResult, 'best' | 'report'>,
  [given, preferred]: Contenders,
  budget: number,
): SearchReport {
  const givenFigures = figuresOf(given);
  if (preferred === undefined) return { ...report, chosen: 0, ...prevented(report, givenFigures, budget) };
  const preferredFigures = figuresOf(preferred);
  const returned = isWorse(preferredFigures, givenFigures) ? 'default' : 'chosen';
  return {
    ...report,
    chosen: returned === 'chosen' ? best : 0,
    proof: { best, default: reportFigures(givenFigures), chosen: reportFigures(preferredFigures), returned },
    ...prevented(report, returned === 'chosen' ? preferredFigures : givenFigures, budget),
  };
}

/** More loss, or more disagreement without labels, or more noise where there are no answers. */
function isWorse(figures: Figures, given: Figures): boolean {
  if (figures.finite !== given.finite) return given.finite;
  const [a, b] = [figures.paired, given.paired];
  if (a?.labelled !== undefined && b?.labelled !== undefined) return a.labelled.netLoss > b.labelled.netLoss;
  if (a !== undefined && b !== undefined) return a.disagreements > b.disagreements;
  return (figures.sqnrDb ?? Infinity) < (given.sqnrDb ?? Infinity);
}

const endings = {
  finished: 'after all it could try',
  deadline: 'at its time limit',
  stopped: 'when it was stopped',
  candidates: 'at its number of candidates',
} as const satisfies Record<SearchReport['ended'], string>;

/** Why the budget is not met, and by which layer. */
function prevented(
  { candidates, ended, selection, sensitivity }: SearchResult['report'],
  proved: Figures,
  budget: number,
): Pick<SearchReport, 'prevented'> {
  const chosenWithin = candidates.some(({ withinBudget: within }) => within);
  if (chosenWithin && withinBudget(proved, budget)) return {};
  const [worst] = sensitivity;
  const blame = worst === undefined ? '' : ` ${blameOf(worst)}`;
  const why = chosenWithin
    ? `Candidates kept the budget on the ${selection.samples} samples that choose, but not on the ${proved.samples} that prove.`
    : `None of ${candidates.length} candidates kept the budget on the ${selection.samples} samples that choose; the search ended ${endings[ended]}.`;
  return { prevented: why + blame };
}

function blameOf({ name, sqnrDb, outputKl, cause }: LayerSensitivity): string {
  const left = sqnrDb === null ? 'no error' : `${sqnrDb.toFixed(1)} dB`;
  const divergence = outputKl === undefined ? '' : ` (divergence ${outputKl.toPrecision(2)})`;
  const by = cause === undefined ? '' : `, most of it by its ${cause}`;
  return `The layer that costs most is '${name}': in int8 alone it leaves ${left} at the outputs${divergence}${by}.`;
}
