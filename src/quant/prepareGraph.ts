import type { Graph } from '../graph/index.ts';
import type { Statistics } from './batchNormStatistics.ts';
import { equalize } from './equalize.ts';
import type { Recipe } from './recipe.ts';

/**
 * The graph that is calibrated, corrected and quantized: the simplified one, equalized where the recipe asks for it.
 * It computes what the simplified graph computes, but for what the recipe gives up: Relu6, and values below absorbed biases.
 *
 * @param statistics  of the network before simplification; without them no bias is absorbed
 */
export function prepareGraph(graph: Graph, recipe: Recipe, statistics: Statistics = new Map()): Graph {
  return recipe.equalization === false ? graph : equalize(graph, recipe, statistics);
}
