import type { Graph } from '../../graph/index.ts';
import { planQuantization, quantizeGraph, type Ranges, type Recipe } from '../../quant/index.ts';
import type { Job } from '../job.ts';
import { floatRunner } from '../runner.ts';
import type { ChoosingBatch } from './choosingSamples.ts';
import { measureFigures, type Figures } from './figures.ts';
import { compareFidelity } from './ranking.ts';
import type { LayerSensitivity } from './searchReport.ts';

/** What int8 in one layer alone does to the outputs. */
export interface Sensitivity {
  readonly name: string;
  readonly figures: Figures;
}

export interface SensitivityOptions {
  readonly ranges: Ranges;
  readonly samples: readonly ChoosingBatch[];
  /** Throws to end the search; layers measured until then stay measured. */
  readonly check: () => void;
  /** Ends the measurement alone. */
  readonly isEnough: () => boolean;
  readonly onMeasured: (layer: Sensitivity) => void;
}

/** The layers with weights that a recipe quantizes. */
export function quantizedLayers(graph: Graph, recipe: Recipe): readonly string[] {
  return planQuantization(graph, recipe).layers.map(({ node }) => node.name);
}

/** The recipe with more layers left float. */
export function withFloatLayers(recipe: Recipe, layers: readonly string[]): Recipe {
  const { nodes, opTypes } = recipe.exclude;
  return { ...recipe, exclude: { nodes: [...nodes, ...layers], opTypes } };
}

/** Quantizes each layer alone, without correction, and compares the outputs with those of the float network. */
export async function measureSensitivity(
  { network, options }: Job,
  { ranges, samples, check, isEnough, onMeasured }: SensitivityOptions,
): Promise<void> {
  const { prepared, classOutput } = network;
  const layers = quantizedLayers(prepared, options.recipe);
  for (const name of layers) {
    if (isEnough()) return;
    const others = layers.filter((other) => other !== name);
    const alone = quantizeGraph(prepared, ranges, withFloatLayers(options.recipe, others));
    const runner = await floatRunner(alone, options.executor);
    try {
      onMeasured({ name, figures: await measureFigures(runner, samples, { classOutput, check }) });
    } finally {
      await runner.close();
    }
  }
}

/** The most sensitive first; the order of the network where they are equal. */
export function mostSensitiveFirst(layers: readonly Sensitivity[]): readonly Sensitivity[] {
  return [...layers].sort((a, b) => compareFidelity(b.figures, a.figures));
}

export function reportSensitivity({ name, figures: { outputKl, sqnrDb } }: Sensitivity): LayerSensitivity {
  return { name, sqnrDb, ...(outputKl === undefined ? {} : { outputKl }) };
}
