import { seededRandom } from '../../../src/base/index.ts';
import { randomFeeds } from '../../../src/cli/bench/randomFeeds.ts';
import type { Graph, QuantizedGraph } from '../../../src/graph/index.ts';
import { readModel, writeModel, type ModelProto } from '../../../src/onnx/index.ts';
import { openOnnxFile } from '../../../src/onnxruntime/index.ts';
import {
  batchNormStatistics,
  calibrate,
  correctBias,
  correctBiasAnalytically,
  prepareGraph,
  quantizeGraph,
  type Ranges,
  type Recipe,
} from '../../../src/quant/index.ts';
import { referenceExecutor } from '../../../src/reference/index.ts';
import type { TensorMap } from '../../../src/tensor/index.ts';
import { exportModel, importModel, lowerQdq, simplify } from '../../../src/transform/index.ts';
import { problemOf } from '../../suites/problem.ts';
import { faultOf, type Runner } from './compare.ts';

/** What a network is at the stages of its way to the engine. */
export interface Stages {
  readonly imported: Graph;
  /** Simplified, and equalized where the recipe says so. */
  readonly prepared: Graph;
  /** The QDQ file. */
  readonly file: Uint8Array;
  /** The QDQ file as it is read back and lowered. */
  readonly lowered: QuantizedGraph;
}

/** The pipeline of a job, with the reference as its float executor and noise as its samples. */
export async function runPipeline(model: ModelProto, recipe: Recipe): Promise<Stages> {
  const imported = importModel(readModel(writeModel(model)));
  const statistics = batchNormStatistics(imported);
  const prepared = prepareGraph(simplify(imported), recipe, statistics);
  async function* batches() {
    for (const seed of [1, 2]) yield { feeds: randomFeeds(prepared, { batch: 1, seed }) };
  }
  const common = { graph: prepared, recipe, executor: referenceExecutor };
  const calibrates = recipe.activations !== 'none';
  const ranges: Ranges = calibrates ? (await calibrate({ ...common, batches: batches() })).ranges : new Map();
  const correction = recipe.weights === 'none' ? 'none' : recipe.biasCorrection;
  const corrected = {
    none: () => prepared,
    empirical: () => correctBias({ ...common, ranges, batches: batches() }),
    analytic: () => correctBiasAnalytically(prepared, recipe, statistics),
  }[correction];
  const quantized = quantizeGraph(await corrected(), ranges, recipe);
  const file = writeModel(exportModel(quantized));
  return { imported, prepared, file, lowered: lowerQdq(importModel(readModel(file))) };
}

/** What the engine gets wrong about a network: the first difference from the reference on any of `runners`. */
export function engineFault(
  graph: QuantizedGraph,
  feeds: TensorMap,
  runners: readonly (readonly [string, Runner])[],
): string | undefined {
  const problem = { ...problemOf({ graph, kernels: {}, random: seededRandom(1), batch: 1 }), feeds };
  for (const [name, runner] of runners) {
    const fault = faultOf(problem, runner);
    if (fault !== undefined) return `${name}: ${fault}`;
  }
  return undefined;
}

/** √(Σ(actual − wanted)² / Σ wanted²) of the output that is farthest off; ∞ where shapes differ. */
export function relativeError(actual: TensorMap, wanted: TensorMap): number {
  const errors = [...wanted].map(([name, { data, shape }]) => {
    const other = actual.get(name);
    if (String(other?.shape) !== String(shape)) return Infinity;
    let [difference, square] = [0, 0];
    data.forEach((element, index) => {
      const [one, two] = [Number(other?.data[index]), Number(element)];
      square += two ** 2;
      // ∞ equals ∞
      if (one !== two) difference += (one - two) ** 2;
    });
    return difference === 0 ? 0 : Math.sqrt(difference / Math.max(square, 1e-9));
  });
  return Math.max(...errors);
}

/** A file as onnxruntime runs it without any of its rewritings. */
export async function runOnnxruntime(file: Uint8Array, feeds: TensorMap): Promise<TensorMap> {
  const session = await openOnnxFile(file, { threads: 1, optimization: 'none' });
  try {
    return await session.run(feeds);
  } finally {
    await session.close();
  }
}

export async function runFloat(graph: Graph, feeds: TensorMap): Promise<TensorMap> {
  const session = await referenceExecutor.load(graph, graph.outputs);
  return session.run(feeds);
}
