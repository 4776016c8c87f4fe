import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { AppError } from '../base/index.ts';
import { openDataset, type Dataset } from '../data/index.ts';
import { quantizeModel, whitepaperGrid } from '../lab/index.ts';
import { loadOnnxruntime } from '../onnxruntime/index.ts';
import { referenceExecutor } from '../reference/index.ts';
import type { JobContext, JobDataset, JobFunction, JobInput, JobOutput } from './jobFunction.ts';

/** The jobs of the service: the laboratory on stored files. Loaded in a job's thread only. */
export const runJob: JobFunction = async (input, context) => {
  const { model } = input;
  const datasets: Dataset[] = [];
  const open = async (stored: JobDataset | undefined): Promise<Dataset | undefined> => {
    if (stored === undefined) return undefined;
    const { path, format } = stored;
    const dataset = await openDataset(path, { format, classNames: model.labels, signal: context.signal });
    datasets.push(dataset);
    return dataset;
  };
  try {
    const sets = { calibration: await open(input.calibration), evaluation: await open(input.evaluation) };
    const modelBytes = await readIntact(model);
    return await (input.kind === 'quantize' ? quantize : measureGrid)({ ...input, ...sets, modelBytes }, context);
  } finally {
    for (const dataset of datasets) await dataset.close();
  }
};

/** A job with its files opened. */
interface Opened extends Omit<JobInput, 'calibration' | 'evaluation'> {
  readonly modelBytes: Uint8Array;
  readonly calibration: Dataset | undefined;
  readonly evaluation: Dataset | undefined;
}

async function quantize(job: Opened, { onProgress, signal }: JobContext): Promise<JobOutput> {
  const { model, modelBytes, calibration, evaluation, recipe } = job;
  const { report, ...made } = await quantizeModel({
    name: model.name,
    modelBytes,
    calibration,
    evaluation,
    preprocessing: model.preprocessing,
    labels: model.labels,
    recipe,
    executor: (await loadOnnxruntime()) ?? referenceExecutor,
    tier: job.engineTier,
    onProgress,
    signal,
  });
  return { kind: 'version', ...made, report: JSON.stringify(report) };
}

async function measureGrid(job: Opened, { onProgress, signal }: JobContext): Promise<JobOutput> {
  const { model, modelBytes, calibration, evaluation } = job;
  if (calibration === undefined)
    throw new AppError('CALIBRATION_REQUIRED', 'The tables of the whitepaper need a calibration set.');
  const grid = await whitepaperGrid({
    modelBytes,
    calibration,
    evaluation,
    preprocessing: model.preprocessing,
    executor: (await loadOnnxruntime()) ?? referenceExecutor,
    onProgress: (done, total) => onProgress({ stage: 'evaluate', done, total }),
    signal,
  });
  return { kind: 'grid', grid: JSON.stringify(grid) };
}

async function readIntact({ path, sha256 }: JobInput['model']): Promise<Uint8Array> {
  const bytes = await readFile(path);
  if (createHash('sha256').update(bytes).digest('hex') !== sha256)
    throw new AppError('ARTIFACT_DAMAGED', `The stored file ${sha256} is damaged.`, { sha256 });
  return bytes;
}
