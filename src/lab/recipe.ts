import { AppError } from '../base/index.ts';
import type { Dataset } from '../data/index.ts';
import type { Graph } from '../graph/index.ts';
import { globPattern, type Recipe } from '../quant/index.ts';
import type { SamplePlan } from './samples.ts';

/** Names that a message offers instead. */
const OFFERED = 3;

/**
 * Refuses names that mean nothing in this network: a typing error would otherwise quantize what was to stay float.
 *
 * @throws AppError RECIPE_INVALID
 */
export function checkNames(recipe: Recipe, graphs: readonly Graph[]): void {
  const nodes = graphs.flatMap((graph) => graph.nodes);
  const known = {
    nodes: nodes.map(({ name }) => name),
    opTypes: nodes.map(({ opType }) => opType),
    values: graphs.flatMap(({ types }) => [...types.keys()]),
  };
  const check = (field: string, pattern: string, names: readonly string[]): void => {
    const glob = globPattern(pattern);
    if (names.some((name) => glob.test(name))) return;
    const offered = nearest(pattern, [...new Set(names)]).map((name) => `'${name}'`);
    throw new AppError(
      'RECIPE_INVALID',
      `Recipe: ${field} '${pattern}' matches nothing in this network; near it are ${offered.join(', ')}.`,
    );
  };
  for (const field of ['include', 'exclude'] as const)
    for (const kind of ['nodes', 'opTypes'] as const)
      for (const pattern of recipe[field][kind]) check(`${field}.${kind}`, pattern, known[kind]);
  for (const value of Object.keys(recipe.overrides))
    if (!known.values.includes(value)) check('overrides', value, known.values);
}

/** Names that share the longest beginning or ending with it first. */
function nearest(wanted: string, names: readonly string[]): string[] {
  const likeness = (name: string): number => {
    let start = 0;
    let end = 0;
    while (start < wanted.length && wanted[start] === name[start]) start++;
    while (end < wanted.length && wanted.at(-1 - end) === name.at(-1 - end)) end++;
    return Math.max(start, end);
  };
  return names.toSorted((a, b) => likeness(b) - likeness(a)).slice(0, OFFERED);
}

/** Whether ranges come from BatchNormalization instead of samples. The recipe says so by not asking for samples. */
export function isDataFree(recipe: Recipe, calibration: Dataset | undefined): boolean {
  return calibration === undefined && recipe.activations !== 'none' && recipe.biasCorrection !== 'empirical';
}

/**
 * What a recipe asks for that cannot be had, before any compute.
 *
 * @throws AppError CALIBRATION_REQUIRED, RECIPE_INVALID
 */
export function checkRecipe(recipe: Recipe, calibration: Dataset | undefined): void {
  if (recipe.activations === 'none' && recipe.weights === 'none')
    throw new AppError('RECIPE_INVALID', "Recipe: weights and activations are both 'none', so nothing is quantized.");
  if (recipe.activations !== 'none' && calibration === undefined && !isDataFree(recipe, calibration))
    throw new AppError(
      'CALIBRATION_REQUIRED',
      "The recipe quantizes activations, so it needs a calibration set; without one set activations to 'none', or " +
        "biasCorrection to 'analytic' or 'none' for ranges from BatchNormalization.",
    );
  if (recipe.equalization !== false && (isDataFree(recipe, calibration) || recipe.biasCorrection === 'analytic'))
    throw new AppError(
      'RECIPE_INVALID',
      'Recipe: equalization leaves the statistics of BatchNormalization behind, so it needs a calibration set and ' +
        "biasCorrection 'empirical' or 'none'.",
    );
}

/** @throws AppError RECIPE_INVALID where a search has nothing to choose or to prove with */
export function checkSelection({ search }: Recipe, { selection }: SamplePlan): void {
  if (search !== undefined && selection === undefined)
    throw new AppError(
      'RECIPE_INVALID',
      'Recipe: a search chooses with some evaluation samples and proves with the others, so it needs at least 2 different ones.',
    );
}
