import { AppError } from '../base/index.ts';
import type { Dataset } from '../data/index.ts';
import type { Recipe } from '../quant/index.ts';
import type { SamplePlan } from './samples.ts';

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
  if (recipe.equalization && (isDataFree(recipe, calibration) || recipe.biasCorrection === 'analytic'))
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
