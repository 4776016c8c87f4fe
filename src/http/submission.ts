import { AppError, type ErrorCode } from '../base/index.ts';
import { openDataset } from '../data/index.ts';
import { selectVersion } from '../serving/index.ts';
import type { JobRecord, JobSpec, ModelRecord, VersionRecord } from '../store/index.ts';
import { datasetFileErrors, submitErrors } from './errorGroups.ts';
import type { IdempotencyGate } from './idempotency.ts';
import type { HttpServices } from './services.ts';
import { checkFit } from './uploads/intake.ts';

/** What asking for a job on stored things may meet. */
export const storedJobErrors = [
  'MODEL_NOT_FOUND',
  'VERSION_NOT_FOUND',
  'DATASET_NOT_FOUND',
  'MODEL_INVALID',
  'UNSUPPORTED_OPERATOR',
  'TOO_MANY_REQUESTS',
  'UNSUPPORTED_MEDIA_TYPE',
  'UPLOAD_TOO_LARGE',
  ...submitErrors,
  ...datasetFileErrors,
] as const satisfies ErrorCode[];

/** A job whose version is named by number or alias, or left to be the newest. */
export type StoredJob = Omit<JobSpec, 'version'> & { readonly version: number | string | undefined };

/**
 * Checks a job on stored things and queues it; the same key with the same request gives the first job.
 *
 * @throws AppError of `storedJobErrors`
 */
export async function submitStored(
  services: HttpServices,
  { version, ...request }: StoredJob,
  { gate, key }: { readonly gate: IdempotencyGate; readonly key: string | undefined },
): Promise<JobRecord> {
  return gate.once(key, async () => {
    const source = fp32Version(await services.store.metadata.model(request.model), version);
    const spec = { ...request, version: source.version };
    await checkData(services, source, spec);
    return services.queue.submit(spec, key === undefined ? {} : { idempotencyKey: key });
  });
}

/**
 * The version that a job reads: the named one, or the newest fp32 one.
 *
 * @throws AppError VERSION_NOT_FOUND, MODEL_INVALID for an int8 one, UNSUPPORTED_OPERATOR for one that cannot be imported
 */
function fp32Version(model: ModelRecord, selector: number | string | undefined): VersionRecord {
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
async function checkData(services: HttpServices, source: VersionRecord, spec: JobSpec): Promise<void> {
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
