import type { Tier } from '../engine/index.ts';
import type { DatasetRecord, JobKind, JobProgress, ModelSummary, Sha256, VersionRecord } from '../store/index.ts';
import type { Preprocessing } from '../data/index.ts';
import type { Recipe } from '../quant/index.ts';

/** A stored data set, on this machine's disk. */
export interface JobDataset {
  readonly path: string;
  readonly format: DatasetRecord['format'];
  readonly sha256: Sha256;
}

/** Everything a job needs, as data: what a thread is started with. */
export interface JobInput {
  readonly jobId: string;
  readonly kind: JobKind;
  /** 1, 2 … */
  readonly attempt: number;
  readonly model: {
    readonly name: string;
    readonly version: number;
    readonly path: string;
    readonly sha256: Sha256;
    readonly preprocessing: Preprocessing;
    readonly labels: readonly string[] | undefined;
  };
  readonly recipe: Recipe;
  readonly calibration: JobDataset | undefined;
  readonly evaluation: JobDataset | undefined;
  /** Absent: the fastest that the machine has. */
  readonly engineTier: Tier | undefined;
}

/** The parts of a new version. */
export interface VersionOutput {
  readonly kind: 'version';
  readonly onnx: Uint8Array;
  /** JSON of the report. */
  readonly report: string;
  readonly summary: ModelSummary;
  readonly golden: string;
  readonly verdict: Exclude<VersionRecord['verdict'], undefined>;
  readonly labels: readonly string[] | undefined;
}

/** What a whitepaper job measured. */
export interface GridOutput {
  readonly kind: 'grid';
  /** JSON of the grid. */
  readonly grid: string;
}

export type JobOutput = VersionOutput | GridOutput;

export interface JobContext {
  readonly onProgress: (progress: JobProgress) => void;
  /** Fires when the job is cancelled, has run too long, or the worker stops; soon after, the thread is ended. */
  readonly signal: AbortSignal;
}

/** What a job module exports under the name `runJob`; it is loaded in a thread of its own for each job. */
export type JobFunction = (input: JobInput, context: JobContext) => Promise<JobOutput>;
