import { executorOf, selectVersion } from '../serving/index.ts';
import {
  jobStages,
  type DatasetRecord,
  type JobKind,
  type JobRecord,
  type JobStage,
  type ModelRecord,
  type VersionRecord,
} from '../store/index.ts';
import { problemDocument } from './problem.ts';

/** Stored records in the form that the interface shows them. */

export function presentVersion(version: VersionRecord, live: number | undefined) {
  const { summary, ...record } = version;
  const { unsupported, ...facts } = summary;
  const self = `/v1/models/${version.model}/versions/${version.version}`;
  return {
    ...facts,
    model: record.model,
    version: record.version,
    kind: record.kind,
    live: record.version === live,
    sha256: record.sha256,
    sizeBytes: record.sizeBytes,
    createdAt: record.createdAt,
    preprocessing: record.preprocessing,
    labels: record.labels,
    jobId: record.jobId,
    verdict: record.verdict,
    preflight: { verdict: 'supported' as const, executor: executorOf(version), reason: unsupported },
    links: {
      self,
      file: `${self}/file`,
      infer: `/v2/models/${version.model}/versions/${version.version}/infer`,
      predict: `/v1/models/${version.model}/predict?version=${version.version}`,
      ...(record.reportSha256 === undefined ? {} : { report: `${self}/report`, reportHtml: `${self}/report.html` }),
      ...(record.jobId === undefined ? {} : { job: `/v1/jobs/${record.jobId}` }),
    },
  };
}

/** The version that answers when none is named, if any may. */
export function liveVersion(model: ModelRecord): number | undefined {
  try {
    return selectVersion(model).version;
  } catch {
    return undefined;
  }
}

export function presentModel(model: ModelRecord) {
  const live = liveVersion(model);
  return {
    name: model.name,
    createdAt: model.createdAt,
    aliases: { ...model.aliases },
    live,
    versions: model.versions.map((version) => presentVersion(version, live)),
  };
}

export function presentDataset(dataset: DatasetRecord) {
  return { ...dataset, links: { self: `/v1/datasets/${dataset.id}` } };
}

export function presentJob(job: JobRecord, now = Date.now()) {
  const { spec, progress, problem, resultVersion } = job;
  const result = resultVersion === undefined ? undefined : `/v1/models/${spec.model}/versions/${resultVersion}`;
  return {
    id: job.id,
    kind: spec.kind,
    model: spec.model,
    version: spec.version,
    recipe: spec.recipe,
    calibration: spec.calibration,
    evaluation: spec.evaluation,
    state: job.state,
    stage: progress?.stage,
    done: progress?.done,
    total: progress?.total,
    etaMs: estimateRemaining(job, now),
    attempts: job.attempts,
    createdAt: job.createdAt,
    startedAt: job.startedAt,
    endedAt: job.endedAt,
    resultVersion,
    problem: problem === undefined ? undefined : problemDocument(problem),
    links: {
      self: `/v1/jobs/${job.id}`,
      events: `/v1/jobs/${job.id}/events`,
      ...(job.gridSha256 === undefined
        ? {}
        : gridLinks(`/v1/models/${spec.model}/versions/${spec.version}/whitepaper`)),
      ...(result === undefined
        ? {}
        : {
            version: result,
            report: `${result}/report`,
            reportHtml: `${result}/report.html`,
            file: `${result}/file`,
            infer: `/v2/models/${spec.model}/versions/${resultVersion ?? ''}/infer`,
          }),
    },
  };
}

const gridLinks = (path: string) => ({ whitepaper: path, whitepaperHtml: `${path}.html` });

/** A search lasts as long as so many other stages; where there is none its stage does not count. */
const SEARCH_WEIGHT = 50;

const stagesOf: Readonly<Record<JobKind, readonly JobStage[]>> = {
  quantize: jobStages,
  whitepaper: ['evaluate', 'store'],
};

/** Stages other than a search are taken to last equally long: elapsed · (1 − f) / f with f the share of the work done. */
function estimateRemaining(job: JobRecord, now: number): number | undefined {
  const { progress, startedAt, spec } = job;
  const stages = stagesOf[spec.kind];
  if (job.state !== 'running' || progress === undefined || startedAt === undefined) return undefined;
  const searchWeight = spec.recipe.search === undefined ? 0 : SEARCH_WEIGHT;
  const weightOf = (stage: JobStage): number => (stage === 'search' ? searchWeight : 1);
  const sum = (some: readonly JobStage[]): number => some.reduce((total, stage) => total + weightOf(stage), 0);
  const within = progress.total > 0 ? progress.done / progress.total : 0;
  const done = sum(stages.slice(0, stages.indexOf(progress.stage))) + within * weightOf(progress.stage);
  const share = done / sum(stages);
  const elapsed = now - Date.parse(startedAt);
  return share > 0 && elapsed >= 0 ? Math.round((elapsed * (1 - share)) / share) : undefined;
}
