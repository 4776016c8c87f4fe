import type { QuantizedGraph } from '../../../src/graph/index.ts';
import { readModel, writeModel } from '../../../src/onnx/index.ts';
import { calibrate, defaultRecipe, prepareGraph, quantizeGraph, type Recipe } from '../../../src/quant/index.ts';
import { referenceExecutor } from '../../../src/reference/index.ts';
import { exportModel, importModel, lowerQdq, simplify } from '../../../src/transform/index.ts';
import { randomFeeds } from '../../../src/cli/bench/randomFeeds.ts';

/** A float file through a recipe on seeded noise, by the reference alone: the same on every machine. */
export async function quantizeFile(model: Uint8Array, recipe: Recipe = defaultRecipe): Promise<QuantizedGraph> {
  const graph = prepareGraph(simplify(importModel(readModel(model))), recipe);
  async function* samples() {
    for (const index of [0, 1]) yield { indices: [index], feeds: randomFeeds(graph, { batch: 1, seed: index + 1 }) };
  }
  const { ranges } = await calibrate({ graph, recipe, executor: referenceExecutor, batches: samples() });
  return lowerFile(writeModel(exportModel(quantizeGraph(graph, ranges, recipe))));
}

/** A QDQ file as the service loads it. */
export function lowerFile(model: Uint8Array): QuantizedGraph {
  return lowerQdq(importModel(readModel(model)));
}
