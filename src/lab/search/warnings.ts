import type { SearchReport } from './searchReport.ts';

/** Fewer samples choose by chance. */
const FEW_SAMPLES = 64;

/** What a reader of the report should know of its search. */
export function searchWarnings({ selection, candidates, proof, prevented }: SearchReport): string[] {
  const warnings: string[] = [];
  if (selection.samples < FEW_SAMPLES)
    warnings.push(`${selection.samples} samples chose the recipe; a larger evaluation set chooses better.`);
  if (proof?.returned === 'default')
    warnings.push(
      `The search preferred '${candidates[proof.best]?.title ?? ''}', which was worse than the given recipe on the samples that prove; ` +
        'the given recipe was kept.',
    );
  if (prevented !== undefined) warnings.push(prevented);
  return warnings;
}
