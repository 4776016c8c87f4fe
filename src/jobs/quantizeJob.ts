import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { AppError } from '../base/index.ts';
import { openDataset, type Dataset } from '../data/index.ts';
import { quantizeModel } from '../lab/index.ts';
import { loadOnnxruntime } from '../onnxruntime/index.ts';
import { referenceExecutor } from '../reference/index.ts';
import type { JobDataset, JobFunction, JobInput } from './jobFunction.ts';

/** The job of the service: the laboratory's whole pipeline on stored files. Loaded in a job's thread only. */
export const runJob: JobFunction = async (input, { onProgress, signal }) => {
  const { model, recipe } = input;
  const datasets: Dataset[] = [];
  const open = async (stored: JobDataset | undefined): Promise<Dataset | undefined> => {
    if (stored === undefined) return undefined;
    const dataset = await openDataset(stored.path, { format: stored.format, classNames: model.labels, signal });
    datasets.push(dataset);
    return dataset;
  };
  try {
    const { report, ...made } = await quantizeModel({
      name: model.name,
      modelBytes: await readIntact(model),
      calibration: await open(input.calibration),
      evaluation: await open(input.evaluation),
      preprocessing: model.preprocessing,
      labels: model.labels,
      recipe,
      executor: (await loadOnnxruntime()) ?? referenceExecutor,
      tier: input.engineTier,
      onProgress,
      signal,
    });
    return { ...made, report: JSON.stringify(report) };
  } finally {
    for (const dataset of datasets) await dataset.close();
  }
};

async function readIntact({ path, sha256 }: JobInput['model']): Promise<Uint8Array> {
  const bytes = await readFile(path);
  if (createHash('sha256').update(bytes).digest('hex') !== sha256)
    throw new AppError('ARTIFACT_DAMAGED', `The stored file ${sha256} is damaged.`, { sha256 });
  return bytes;
}
