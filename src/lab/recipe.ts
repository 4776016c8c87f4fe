import { AppError } from '../base/index.ts';
import type { Dataset } from '../data/index.ts';
import type { Recipe } from '../quant/index.ts';

/**
 * What a recipe asks for that cannot be had, before any compute.
 *
 * @throws AppError CALIBRATION_REQUIRED, RECIPE_INVALID
 */
export function checkRecipe(recipe: Recipe, calibration: Dataset | undefined): void {
  if (recipe.activations !== 'none' && calibration === undefined)
    throw new AppError(
      'CALIBRATION_REQUIRED',
      "The recipe quantizes activations, so it needs a calibration set; or set activations to 'none'.",
    );
  if (recipe.activations === 'none' && recipe.weights === 'none')
    throw new AppError('RECIPE_INVALID', "Recipe: weights and activations are both 'none', so nothing is quantized.");
  if (recipe.biasCorrection === 'analytic')
    throw new AppError(
      'RECIPE_INVALID',
      "Recipe: biasCorrection 'analytic' is not available in this version; allowed: 'empirical', 'none'.",
    );
}
