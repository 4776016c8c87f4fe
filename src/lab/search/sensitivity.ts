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
  /** What of it costs most, where that was asked for. */
  readonly cause?: 'weights' | 'activations';
}

export interface LayerMeasurement {
  readonly ranges: Ranges;
  readonly samples: readonly ChoosingBatch[];
  /** Throws to end the search; layers measured until then stay measured. */
  readonly check: () => void;
}

export interface SensitivityOptions extends LayerMeasurement {
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
  job: Job,
  { isEnough, onMeasured, ...measurement }: SensitivityOptions,
): Promise<void> {
  for (const name of quantizedLayers(job.network.prepared, job.options.recipe)) {
    if (isEnough()) return;
    onMeasured({ name, figures: await measureAlone(job, name, job.options.recipe, measurement) });
  }
}

/** Whether the weights of a layer alone make at least half of the error that the layer makes. */
export async function withCause(
  job: Job,
  { name, figures }: Sensitivity,
  measurement: LayerMeasurement,
): Promise<Sensitivity> {
  const { recipe } = job.options;
  if (recipe.activations === 'none') return { name, figures, cause: 'weights' };
  const weights = await measureAlone(job, name, { ...recipe, activations: 'none' }, measurement);
  return { name, figures, cause: errorOf(weights) >= errorOf(figures) / 2 ? 'weights' : 'activations' };
}

/** Divergence, or without classes noise over signal. */
function errorOf({ outputKl, sqnrDb }: Figures): number {
  return outputKl ?? (sqnrDb === null ? 0 : 10 ** (-sqnrDb / 10));
}

async function measureAlone(
  { network, options }: Job,
  name: string,
  recipe: Recipe,
  { ranges, samples, check }: LayerMeasurement,
): Promise<Figures> {
  const { prepared, classOutput } = network;
  const others = quantizedLayers(prepared, recipe).filter((other) => other !== name);
  const alone = quantizeGraph(prepared, ranges, withFloatLayers(recipe, others));
  const runner = await floatRunner(alone, options.executor);
  try {
    return await measureFigures(runner, samples, { classOutput, check });
  } finally {
    await runner.close();
  }
}

/** The most sensitive first; the order of the network where they are equal. */
export function mostSensitiveFirst(layers: readonly Sensitivity[]): readonly Sensitivity[] {
  return [...layers].sort((a, b) => compareFidelity(b.figures, a.figures));
}

export function reportSensitivity({ name, figures: { outputKl, sqnrDb }, cause }: Sensitivity): LayerSensitivity {
  return {
    name,
    sqnrDb,
    ...(outputKl === undefined ? {} : { outputKl }),
    ...(cause === undefined ? {} : { cause }),
  };
}
