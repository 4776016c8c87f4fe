import { openFloatExecutor } from '../../src/cli/executors.ts';
import { randomFeeds } from '../../src/cli/bench/randomFeeds.ts';
import type { Graph } from '../../src/graph/index.ts';
import { readModel, writeModel } from '../../src/onnx/index.ts';
import { calibrate, defaultRecipe, prepareGraph, quantizeGraph } from '../../src/quant/index.ts';
import { exportModel, importModel, simplify } from '../../src/transform/index.ts';

const calibrationSamples = 4;

/** A network of the bench as QDQ, by the default recipe on seeded random samples: for speed, not for accuracy. */
export async function quantizeForBench(model: Uint8Array): Promise<Uint8Array> {
  const graph = prepareGraph(simplify(importModel(readModel(model))), defaultRecipe);
  const { ranges } = await calibrate({
    graph,
    recipe: defaultRecipe,
    executor: await openFloatExecutor(),
    batches: samples(graph),
  });
  return writeModel(exportModel(quantizeGraph(graph, ranges, defaultRecipe)));
}

async function* samples(graph: Graph) {
  for (let index = 0; index < calibrationSamples; index++)
    yield { indices: [index], feeds: randomFeeds(graph, { batch: 1, seed: index + 1 }) };
}
