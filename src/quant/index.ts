export { defaultRecipe, recipeSchema } from './recipe.ts';
export type { Recipe } from './recipe.ts';
