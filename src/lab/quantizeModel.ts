import { present } from '../base/index.ts';
import { batches, type Batch } from '../data/index.ts';
import { compile, tierReport, type Executable } from '../engine/index.ts';
import type { Graph, QuantizedGraph } from '../graph/index.ts';
import { readModel } from '../onnx/index.ts';
import type { Recipe } from '../quant/index.ts';
import { runQuantized } from '../reference/index.ts';
import { importModel, lowerQdq, summarize } from '../transform/index.ts';
import { buildReport } from './buildReport.ts';
import { compareRunners, type Comparison } from './evaluate.ts';
import { galleryOf } from './gallery.ts';
import { goldenHash } from './golden.ts';
import { batchSizeOf, jobWith, labelsOf, spread, type Job, type QuantizeModelOptions } from './job.ts';
import { analyzeLayers, type LayerAnalysis } from './layers.ts';
import { lintCalibration } from './lint/index.ts';
import { latencyFigures, measureFloatNodes, measureLatency, measureNodes } from './latency.ts';
import { checkDataset, openNetwork } from './network.ts';
import { StageClock } from './progress.ts';
import { quantizeNetwork, type QuantizedNetwork } from './quantizeNetwork.ts';
import { checkNames, checkRecipe, checkSelection } from './recipe.ts';
import type { Disagreement, Report } from './report.ts';
import { executableRunner, floatRunner, singleThreadRunner } from './runner.ts';
import { planSamples, type Selection } from './samples.ts';
import { concludeSearch, mostChoosingSamples, searchRecipe, withoutSearch, type SearchReport } from './search/index.ts';
import { settleRecipe } from './settleRecipe.ts';

export interface QuantizedModel {
  /** QDQ ONNX. */
  readonly onnx: Uint8Array;
  readonly report: Report;
  /** Hash of the reference kernels' outputs for the golden input. */
  readonly golden: string;
  readonly verdict: Report['verdict']['outcome'];
  readonly summary: ReturnType<typeof summarize>;
  /** The class names in the file. */
  readonly labels: readonly string[] | undefined;
}

/**
 * The whole job: float ONNX in, int8 QDQ ONNX with its proof out. What is evaluated is what was written: the file's bytes
 * are read back, lowered and run on the engine.
 *
 * @throws AppError of the model, data set and quantization groups; CANCELLED once the signal fires
 */
export async function quantizeModel(options: QuantizeModelOptions): Promise<QuantizedModel> {
  const clock = new StageClock(options.onProgress, options.signal);
  clock.enter('prepare', 1);
  const { calibration, evaluation, preprocessing } = options;
  checkRecipe(options.recipe, calibration);
  const network = openNetwork(options.modelBytes, {
    externalData: options.externalData ?? new Map(),
    recipe: options.recipe,
  });
  for (const dataset of [calibration, evaluation]) if (dataset) checkDataset(dataset, network, preprocessing);
  const plan = planSamples({ calibration, evaluation }, options.recipe, mostChoosingSamples(network));
  checkSelection(options.recipe, plan);
  checkNames(options.recipe, [network.imported, network.simplified]);
  const given: Job = { options, network, clock, plan };
  const recipe = await settleRecipe(given);
  const job = recipe === options.recipe ? given : jobWith(given, recipe);
  if (recipe.search === undefined)
    return withContenders(job, [{ recipe }], ([only]) => prove(present(only, 'a network')));
  const found = await searchRecipe(job);
  const preferred = found.report.candidates.filter((_, index) => index === found.best && index !== 0);
  const entries = [{ recipe: withoutSearch(recipe), made: found.given }, ...preferred];
  return withContenders(job, entries, ([given, other]) => {
    const [first, second] = [given?.comparison, other?.comparison];
    const search = concludeSearch(found, [present(first, 'a comparison'), second], recipe.accuracyBudget);
    return prove(present(search.chosen === 0 ? given : other, 'the chosen network'), search);
  });
}

/** A network as one recipe makes it, compiled and compared with fp32. */
interface Contender extends QuantizedNetwork {
  readonly job: Job;
  /** Read back from the file. */
  readonly written: Graph;
  readonly lowered: QuantizedGraph;
  readonly executable: Executable;
  readonly comparison: Comparison | undefined;
}

/** Makes a network of each recipe, where it is not made yet, and measures it on the evaluation samples. */
async function withContenders<T>(
  job: Job,
  entries: readonly { readonly recipe: Recipe; readonly made?: QuantizedNetwork }[],
  use: (contenders: readonly Contender[]) => Promise<T>,
): Promise<T> {
  const { tier } = job.options;
  const opened: Contender[] = [];
  try {
    for (const { recipe, made } of entries) {
      const own = jobWith(job, recipe);
      const network = made ?? (await quantizeNetwork(own));
      const written = importModel(readModel(network.onnx));
      const lowered = lowerQdq(written);
      const executable = compile(lowered, { tier });
      opened.push({ ...network, job: own, written, lowered, executable, comparison: undefined });
    }
    const compared: Contender[] = [];
    for (const contender of opened)
      compared.push({ ...contender, comparison: await compare(contender.job, contender.executable) });
    return await use(compared);
  } finally {
    for (const { executable } of opened) executable.close();
  }
}

/** All that the report says of a network. */
async function prove(
  { job, onnx, convergence, quantized, written, lowered, executable, comparison }: Contender,
  search?: SearchReport,
): Promise<QuantizedModel> {
  const { clock } = job;
  clock.enter('measure', 4);
  const layers = await layerReports(job, { quantized, executable });
  clock.at(1, 4);
  const latency = await latencies(job, executable);
  clock.at(2, 4);
  const golden = goldenHash(lowered, (feeds) => runQuantized(lowered, feeds));
  clock.at(3, 4);
  const engine = { tier: executable.tier, reason: tierReport(job.options.tier).reason };
  const disagreements = await gallery(job, comparison);
  const calibration = await lintCalibration(job, convergence);
  clock.at(4, 4);
  const parts = { ...job, calibration, comparison, disagreements, layers, latency, onnx, golden, engine, search };
  const report = buildReport({ ...parts, stages: clock.times() });
  return {
    onnx,
    report,
    golden,
    verdict: report.verdict.outcome,
    summary: summarize(written),
    labels: labelsOf(job),
  };
}

async function compare(
  { options, network, plan, clock }: Job,
  executable: Executable,
): Promise<Comparison | undefined> {
  if (plan.evaluation === undefined) return undefined;
  clock.enter('evaluate', plan.evaluation.indices.length);
  const fp32 = await floatRunner(network.imported, options.executor);
  try {
    return await compareRunners([fp32, executableRunner(executable)], plan.evaluation.dataset, {
      inputs: network.inputs,
      preprocessing: options.preprocessing,
      classOutput: network.classOutput,
      indices: plan.evaluation.indices,
      batchSize: batchSizeOf(network),
      signal: options.signal,
      onProgress: (done, total) => clock.at(done, total),
    });
  } finally {
    await fp32.close();
  }
}

async function gallery(job: Job, comparison: Comparison | undefined): Promise<readonly Disagreement[]> {
  const { options, network, plan } = job;
  if (plan.evaluation === undefined || comparison === undefined) return [];
  const { dataset } = plan.evaluation;
  const { preprocessing } = options;
  return galleryOf(comparison.disagreements, {
    dataset,
    inputs: network.inputs,
    preprocessing,
    classNames: labelsOf(job),
  });
}

/** The samples that are looked at layer by layer and timed: any will do, those that were not calibrated on do best. */
function specimens({ plan }: Job): Selection | undefined {
  return plan.evaluation ?? plan.calibration;
}

async function layerReports(
  job: Job,
  { quantized, executable }: { readonly quantized: Graph; readonly executable: Executable },
): Promise<LayerAnalysis[]> {
  const { options, network } = job;
  const { preprocessing, recipe, executor, signal } = options;
  const selection = specimens(job);
  const samples = selection
    ? batches(selection.dataset, network.inputs, preprocessing, {
        batchSize: 1,
        indices: spread(selection.indices, 8),
        signal,
      })
    : emptySamples();
  const { imported, prepared: float } = network;
  const { kernels } = executable;
  return analyzeLayers({ imported, float, quantized, recipe, executor, samples, kernels, signal });
}

async function* emptySamples(): AsyncGenerator<Batch, void, undefined> {
  yield* [];
}

async function latencies(job: Job, executable: Executable): Promise<Report['latency']> {
  const { options, network } = job;
  const { preprocessing, recipe, executor, signal } = options;
  const selection = specimens(job);
  if (selection === undefined) return {};
  const one = batches(selection.dataset, network.inputs, preprocessing, {
    batchSize: 1,
    indices: selection.indices.slice(0, 1),
    signal,
  });
  for await (const { feeds } of one) {
    const fp32 = await singleThreadRunner(network.imported, executor);
    const runners = [fp32, executableRunner(executable)];
    // Closed before nodes are timed: two sessions would hold the float weights twice.
    const both = await measureLatency(runners, feeds, { threads: 1, signal }).finally(() => fp32.close());
    const float = await measureFloatNodes(executor, { ...network, recipe }, feeds);
    return latencyFigures(both, measureNodes(executable, feeds, float));
  }
  return {};
}
