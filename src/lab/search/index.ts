export { mostChoosingSamples } from './choosingSamples.ts';
export { concludeSearch } from './conclude.ts';
export { searchRecipe, withoutSearch } from './searchRecipe.ts';
export { searchWarnings } from './warnings.ts';
export type { SearchReport } from './searchReport.ts';
