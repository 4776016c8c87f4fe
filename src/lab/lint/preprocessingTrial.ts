import { present } from '../../base/index.ts';
import { affineTable, batches, type InputSpec } from '../../data/index.ts';
import { tensor, type Tensor } from '../../tensor/index.ts';
import { probabilities } from '../disagreements.ts';
import { batchSizeOf, spread, type Job } from '../job.ts';
import { floatRunner, type Runner } from '../runner.ts';
import type { Selection } from '../samples.ts';
import { preprocessingVariants, type PreprocessingVariant } from './preprocessingVariants.ts';

/** One way to read images, tried on the float network. */
export interface Trial extends PreprocessingVariant {
  /** Class probabilities, a sample each. */
  readonly answers: Float64Array[];
}

export interface Trials {
  /** The declared preprocessing first. */
  readonly trials: readonly Trial[];
  readonly selection: Selection;
  /** Class of each sample; undefined where one has none. */
  readonly labels: readonly number[] | undefined;
}

const MOST_SAMPLES = 256;
/** Fewer cannot tell one way from another. */
const LEAST_SAMPLES = 16;
/** Multiply-accumulates of all trials together: some seconds. Networks that exceed it with the least samples may take more. */
const MAC_BUDGET = { onnxruntime: { usual: 5e10, most: 8e11 }, reference: { usual: 5e8, most: 3e9 } } as const;

/**
 * Runs the float network on the same images under the usual ways to read them. Undefined where that makes no sense: no
 * images, no float input of one or three channels, no classifier, or a network too large for it.
 */
export async function tryPreprocessing(job: Job): Promise<Trials | undefined> {
  const { network, options } = job;
  const [input] = network.inputs;
  const channels = input?.layout === 'NCHW' ? input.shape[1] : input?.shape[3];
  if (input?.dtype !== 'float32' || (channels !== 1 && channels !== 3)) return undefined;
  return runVariants(job, preprocessingVariants(options.preprocessing, channels), imageSets(job));
}

/** Runs some of the ways on images that the first trial has not seen; undefined where there are too few. */
export async function tryOthers(
  job: Job,
  variants: readonly PreprocessingVariant[],
  { dataset, indices }: Selection,
): Promise<Trials | undefined> {
  const seen = new Set(indices);
  const fresh = imageSets(job).map((set) =>
    set.dataset === dataset ? { dataset, indices: set.indices.filter((index) => !seen.has(index)) } : set,
  );
  // The larger set tells more.
  return runVariants(
    job,
    variants,
    fresh.toSorted((a, b) => b.indices.length - a.indices.length),
  );
}

async function runVariants(
  job: Job,
  variants: readonly PreprocessingVariant[],
  sets: readonly Selection[],
): Promise<Trials | undefined> {
  const { network, options } = job;
  const [input] = network.inputs;
  const macs = Math.max(1, network.summary.macs) * variants.length;
  const { usual, most } = MAC_BUDGET[options.executor.name];
  const count = Math.max(LEAST_SAMPLES, Math.min(MOST_SAMPLES, Math.floor(usual / macs)));
  const selection = count * macs > most ? undefined : imagesOf(sets, count);
  if (input === undefined || selection === undefined || network.classOutput === undefined) return undefined;
  const trials = variants.map(({ title, preprocessing }) => ({ title, preprocessing, answers: [] }));
  const runner = await floatRunner(network.imported, options.executor);
  try {
    for (const color of new Set(variants.map(({ preprocessing }) => preprocessing.color)))
      await runColor(job, selection, {
        input,
        runner,
        color,
        trials: trials.filter(({ preprocessing }) => preprocessing.color === color),
      });
  } finally {
    await runner.close();
  }
  const labels = selection.indices.map((index) => selection.dataset.samples[index]?.label);
  return { trials, selection, labels: labels.every((label) => label !== undefined) ? labels : undefined };
}

function imageSets({ plan: { calibration, evaluation } }: Job): Selection[] {
  return [calibration, evaluation].flatMap((set) =>
    set?.dataset.kind === 'images' && set.indices.length > 0 ? [set] : [],
  );
}

/** Some images evenly over the first set; of the first labelled set where one is. */
function imagesOf(sets: readonly Selection[], count: number): Selection | undefined {
  const labelled = sets.find((set) => set.indices.every((index) => set.dataset.samples[index]?.label !== undefined));
  const set = labelled ?? sets[0];
  if (set === undefined || Math.min(count, set.indices.length) < LEAST_SAMPLES) return undefined;
  return { dataset: set.dataset, indices: spread(set.indices, count) };
}

interface ColorRun {
  readonly input: InputSpec;
  readonly runner: Runner;
  readonly color: Trial['preprocessing']['color'];
  readonly trials: readonly Trial[];
}

/** Decodes each image once and runs it under each normalization. */
async function runColor({ network, options, clock }: Job, selection: Selection, run: ColorRun): Promise<void> {
  const { input, runner, color, trials } = run;
  const { name, classCount } = present(network.classOutput, 'class output');
  const pixels = batches(
    selection.dataset,
    [{ ...input, dtype: 'uint8' }],
    { ...options.preprocessing, color },
    { batchSize: batchSizeOf(network), indices: selection.indices, signal: options.signal },
  );
  for await (const { indices, feeds } of pixels)
    for (const { preprocessing, answers } of trials) {
      clock.check();
      const feed = normalized(present(feeds.get(input.name), input.name), input, preprocessing);
      const scores = present((await runner.run(new Map([[input.name, feed]]))).get(name), name);
      for (let row = 0; row < indices.length; row++)
        answers.push(
          probabilities(Float64Array.from({ length: classCount }, (_, i) => Number(scores.data[row * classCount + i]))),
        );
    }
}

function normalized(pixels: Tensor, { layout }: InputSpec, preprocessing: Trial['preprocessing']): Tensor {
  const [batch = 1, a = 1, b = 1, c = 1] = pixels.shape;
  const [channels, plane] = layout === 'NCHW' ? [a, b * c] : [c, a * b];
  const [step, stride] = layout === 'NCHW' ? [1, plane] : [channels, 1];
  const table = affineTable(preprocessing, channels);
  const values = new Float32Array(pixels.data.length);
  for (let image = 0; image < batch; image++)
    for (let channel = 0; channel < channels; channel++)
      for (let pixel = 0, at = image * channels * plane + channel * stride; pixel < plane; pixel++, at += step)
        values[at] = table[channel * 256 + Number(pixels.data[at])] ?? 0;
  return tensor('float32', pixels.shape, values);
}
