import type { Graph } from '../graph/index.ts';
import { equalize } from './equalize.ts';
import type { Recipe } from './recipe.ts';

/**
 * The graph that is calibrated, corrected and quantized: the simplified one, equalized where the recipe asks for it.
 * It computes what the simplified graph computes.
 */
export function prepareGraph(graph: Graph, recipe: Recipe): Graph {
  return recipe.equalization ? equalize(graph, recipe) : graph;
}
