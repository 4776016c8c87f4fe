import { batches, type Dataset, type Preprocessing } from '../../data/index.ts';
import type { FloatExecutor, Graph } from '../../graph/index.ts';
import { calibrate, defaultRecipe, quantizeGraph, type Ranges } from '../../quant/index.ts';
import { compareRunners } from '../evaluate.ts';
import { checkDataset, openNetwork, type Network } from '../network.ts';
import { floatRunner, type Runner } from '../runner.ts';
import { planSamples, type SamplePlan, type Selection } from '../samples.ts';
import { whitepaperCells, type Cell } from './cells.ts';
import type { GridCell, WhitepaperGrid } from './grid.ts';
import { buildOf, paperNetwork } from './paper.ts';

export interface WhitepaperOptions {
  readonly modelBytes: Uint8Array;
  readonly externalData?: ReadonlyMap<string, Uint8Array>;
  readonly calibration: Dataset;
  /** Absent: 20 % of the calibration set are held out by content. */
  readonly evaluation?: Dataset | undefined;
  readonly preprocessing: Preprocessing;
  readonly executor: FloatExecutor;
  /** Cells done of all. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The post-training columns of the whitepaper's tables 2, 3, 5 and 6 for a network and data of one's own: each cell is the
 * network quantized that way and simulated in float, on the same samples as the float network.
 *
 * Source: Krishnamoorthi 2018, arXiv:1806.08342, section 3.1.
 */
export async function whitepaperGrid(options: WhitepaperOptions): Promise<WhitepaperGrid> {
  const { calibration, evaluation, preprocessing, executor } = options;
  const network = openNetwork(options.modelBytes, {
    externalData: options.externalData ?? new Map(),
    recipe: defaultRecipe,
  });
  for (const dataset of [calibration, evaluation]) if (dataset) checkDataset(dataset, network, preprocessing);
  const plan = planSamples({ calibration, evaluation }, defaultRecipe);
  const ranges = await rangesOf(network, plan, options);
  const paper = paperNetwork(buildOf(network.imported, network.summary.parameters));
  const fp32 = await floatRunner(network.imported, executor);
  const cells: GridCell[] = [];
  let floatTop1: number | undefined;
  try {
    for (const [index, cell] of whitepaperCells.entries()) {
      options.onProgress?.(index, whitepaperCells.length);
      const quantized = quantizeGraph(
        network.prepared,
        cell.recipe.activations === 'none' ? new Map() : ranges,
        cell.recipe,
      );
      const measured = await measure({ quantized, fp32, network, selection: plan.evaluation }, options);
      floatTop1 = measured?.reference.top1?.share;
      cells.push(gridCell(cell, measured, paper?.top1[cell.key]));
    }
  } finally {
    await fp32.close();
  }
  options.onProgress?.(whitepaperCells.length, whitepaperCells.length);
  return {
    samples: { calibration: plan.calibration?.indices.length ?? 0, evaluation: plan.evaluation?.indices.length ?? 0 },
    parameters: network.summary.parameters,
    ...(floatTop1 === undefined ? {} : { floatTop1 }),
    ...(paper === undefined ? {} : { paper: { name: paper.name, floatTop1: paper.float } }),
    cells,
  };
}

/** Batches of the calibration walk: as many samples as a mini-batch of the moving averages. */
const BATCH_SIZE = 8;

/** Moving averages do not depend on the bits, so one walk serves all cells. */
async function rangesOf(network: Network, { calibration }: SamplePlan, options: WhitepaperOptions): Promise<Ranges> {
  if (calibration === undefined) return new Map();
  const { dataset, indices } = calibration;
  const { preprocessing, executor, signal } = options;
  const { ranges } = await calibrate({
    graph: network.prepared,
    recipe: defaultRecipe,
    executor,
    batches: batches(dataset, network.inputs, preprocessing, { batchSize: BATCH_SIZE, indices, signal }),
    signal,
  });
  return ranges;
}

interface Measurement {
  readonly quantized: Graph;
  readonly fp32: Runner;
  readonly network: Network;
  readonly selection: Selection | undefined;
}

async function measure({ quantized, fp32, network, selection }: Measurement, options: WhitepaperOptions) {
  if (selection === undefined) return undefined;
  const candidate = await floatRunner(quantized, options.executor);
  try {
    return await compareRunners([fp32, candidate], selection.dataset, {
      inputs: network.inputs,
      preprocessing: options.preprocessing,
      classOutput: network.classOutput,
      indices: selection.indices,
      signal: options.signal,
    });
  } finally {
    await candidate.close();
  }
}

function gridCell(
  { key, table, title }: Cell,
  measured: Awaited<ReturnType<typeof compareRunners>> | undefined,
  paperTop1: number | undefined,
): GridCell {
  const top1 = measured?.candidate.top1?.share;
  const { agreement, labelled } = measured?.paired ?? {};
  return {
    key,
    table,
    title,
    ...(top1 === undefined ? {} : { top1 }),
    ...(agreement === undefined ? {} : { agreement }),
    ...(labelled === undefined ? {} : { labelled }),
    ...(paperTop1 === undefined ? {} : { paperTop1 }),
  };
}
