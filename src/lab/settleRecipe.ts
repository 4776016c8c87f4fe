import { prepareGraph, type Recipe } from '../quant/index.ts';
import { compareRunners } from './evaluate.ts';
import { batchSizeOf, spread, type Job } from './job.ts';
import { floatRunner } from './runner.ts';

/** Calibration samples that tell whether a Relu6 is needed. */
const SAMPLES = 64;
/** The float network without its Relu6 must keep every answer, and outputs this close. */
const HARMLESS_DB = 40;

/** The recipe with what it leaves to measurement decided: whether Relu6 between equalized layers may become Relu. */
export async function settleRecipe(job: Job): Promise<Recipe> {
  const { recipe } = job.options;
  const { equalization } = recipe;
  if (typeof equalization === 'boolean' || equalization.relu6 !== 'auto') return recipe;
  const without: Recipe = { ...recipe, equalization: { ...equalization, relu6: 'relu' } };
  const harmless = await isHarmless(job, without);
  return harmless ? without : { ...recipe, equalization: { ...equalization, relu6: 'caps' } };
}

async function isHarmless({ options, network, plan }: Job, recipe: Recipe): Promise<boolean> {
  if (plan.calibration === undefined) return false;
  const { dataset, indices } = plan.calibration;
  const float = await floatRunner(network.simplified, options.executor);
  try {
    const uncapped = await floatRunner(prepareGraph(network.simplified, recipe), options.executor);
    try {
      const { paired, outputs, notFinite } = await compareRunners([float, uncapped], dataset, {
        inputs: network.inputs,
        preprocessing: options.preprocessing,
        classOutput: network.classOutput,
        indices: spread(indices, SAMPLES),
        batchSize: batchSizeOf(network),
        signal: options.signal,
      });
      const close = outputs.every(({ sqnrDb }) => sqnrDb === null || sqnrDb >= HARMLESS_DB);
      return close && notFinite === 0 && (paired?.disagreements ?? 0) === 0;
    } finally {
      await uncapped.close();
    }
  } finally {
    await float.close();
  }
}
