import { AppError } from '../base/index.ts';
import { openDataset } from '../data/index.ts';
import { selectVersion } from '../serving/index.ts';
import type { JobSpec, ModelRecord, VersionRecord } from '../store/index.ts';
import type { HttpServices } from './services.ts';
import { checkFit } from './uploads/intake.ts';

/**
 * The version that a job reads: the named one, or the newest fp32 one.
 *
 * @throws AppError VERSION_NOT_FOUND, MODEL_INVALID for an int8 one, UNSUPPORTED_OPERATOR for one that cannot be imported
 */
export function fp32Version(model: ModelRecord, selector: number | string | undefined): VersionRecord {
  const version =
    selector === undefined
      ? [...model.versions].sort((a, b) => b.version - a.version).find((candidate) => candidate.kind === 'fp32')
      : selectVersion(model, String(selector));
  if (version === undefined)
    throw new AppError('VERSION_NOT_FOUND', `Model '${model.name}' has no fp32 version to quantize.`, {
      model: model.name,
    });
  if (version.kind !== 'fp32')
    throw new AppError(
      'MODEL_INVALID',
      `Version ${version.version} of '${model.name}' is int8 already; name an fp32 version.`,
    );
  if (version.summary.unsupported !== undefined)
    throw new AppError(
      'UNSUPPORTED_OPERATOR',
      `Version ${version.version} of '${model.name}' runs on onnxruntime alone and cannot be quantized: ${version.summary.unsupported}`,
    );
  return version;
}

/**
 * Finds at once what would make a job fail at its first sample.
 *
 * @throws AppError CALIBRATION_REQUIRED, DATASET_NOT_FOUND and those of data sets
 */
export async function checkData(services: HttpServices, source: VersionRecord, spec: JobSpec): Promise<void> {
  if (spec.recipe.activations !== 'none' && spec.calibration === undefined)
    throw new AppError(
      'CALIBRATION_REQUIRED',
      "The recipe quantizes activations, so a 'calibration' data set is needed (or activations 'none').",
    );
  for (const id of [spec.calibration, spec.evaluation]) {
    if (id === undefined) continue;
    const record = await services.store.metadata.dataset(id);
    const dataset = await openDataset(await services.store.artifacts.localPath(record.sha256), {
      format: record.format,
      classNames: source.labels,
    });
    try {
      await checkFit(dataset, source);
    } finally {
      await dataset.close();
    }
  }
}
