import type { Tier } from '../engine/index.ts';
import type { DatasetRecord, JobRecord, Store } from '../store/index.ts';
import type { JobDataset, JobInput } from './jobFunction.ts';

/**
 * Resolves a job's references to files of this machine.
 *
 * @throws AppError …_NOT_FOUND, ARTIFACT_DAMAGED
 */
export async function jobInput(
  { artifacts, metadata }: Store,
  job: JobRecord,
  engineTier: Tier | undefined,
): Promise<JobInput> {
  const { spec } = job;
  const version = await metadata.version(spec.model, spec.version);
  const dataset = async (id: string | undefined): Promise<JobDataset | undefined> => {
    if (id === undefined) return undefined;
    const { sha256, format }: DatasetRecord = await metadata.dataset(id);
    return { path: await artifacts.localPath(sha256), format, sha256 };
  };
  return {
    jobId: job.id,
    kind: spec.kind,
    attempt: job.attempts,
    model: {
      name: version.model,
      version: version.version,
      path: await artifacts.localPath(version.sha256),
      sha256: version.sha256,
      preprocessing: version.preprocessing,
      labels: version.labels,
    },
    recipe: spec.recipe,
    calibration: await dataset(spec.calibration),
    evaluation: await dataset(spec.evaluation),
    engineTier,
  };
}
