import type { Problem } from '../base/index.ts';
import type { Preprocessing } from '../data/index.ts';
import type { Recipe } from '../quant/index.ts';

/** sha-256 of an artifact's bytes, lower-case hex: its only address. */
export type Sha256 = string;

/** RFC 3339 in UTC, to the millisecond. */
export type Timestamp = string;

export interface TensorInfo {
  readonly name: string;
  readonly dtype: string;
  /** −1 is the free batch. */
  readonly shape: readonly number[];
}

/** What the upload's pre-flight found. */
export interface ModelSummary {
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  /** Nodes by operator type. */
  readonly operators: Readonly<Record<string, number>>;
  readonly parameters: number;
  /** Multiply-accumulates of one sample. */
  readonly macs: number;
  readonly opset: number;
  readonly producer: string;
  /** Why the file cannot be imported; such a network runs on onnxruntime alone, and its `macs` are not known (0). */
  readonly unsupported?: string | undefined;
}

export interface VersionRecord {
  readonly model: string;
  /** 1, 2, 3 … */
  readonly version: number;
  readonly kind: 'fp32' | 'int8';
  readonly sha256: Sha256;
  readonly sizeBytes: number;
  readonly createdAt: Timestamp;
  readonly summary: ModelSummary;
  readonly preprocessing: Preprocessing;
  readonly labels: readonly string[] | undefined;
  /** The job that made it; absent for uploads. */
  readonly jobId: string | undefined;
  /** Artifact of the report's JSON. */
  readonly reportSha256: Sha256 | undefined;
  /** Hash of the reference kernels' outputs on the golden input; int8 only. */
  readonly golden: string | undefined;
  /** 'fail' is stored, never routed to without an explicit version. */
  readonly verdict: 'pass' | 'fail' | 'notEnoughData' | undefined;
}

export interface ModelRecord {
  readonly name: string;
  readonly createdAt: Timestamp;
  readonly versions: readonly VersionRecord[];
  readonly aliases: Readonly<Record<string, number>>;
}

export interface DatasetRecord {
  readonly id: string;
  readonly name: string | undefined;
  readonly sha256: Sha256;
  readonly sizeBytes: number;
  readonly format: 'zip' | 'npy' | 'npz';
  readonly kind: 'images' | 'tensors';
  readonly sampleCount: number;
  readonly labelled: boolean;
  readonly classNames: readonly string[] | undefined;
  readonly createdAt: Timestamp;
}

export type JobState = 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled';

export const jobStages = [
  'prepare',
  'search',
  'calibrate',
  'quantize',
  'correct',
  'evaluate',
  'measure',
  'store',
] as const;
export type JobStage = (typeof jobStages)[number];

/** quantize makes an int8 version; whitepaper measures the version quantized in every way of the paper's tables. */
export const jobKinds = ['quantize', 'whitepaper'] as const;
export type JobKind = (typeof jobKinds)[number];

/** What a job shall do; all references are to stored things. */
export interface JobSpec {
  readonly kind: JobKind;
  readonly model: string;
  readonly version: number;
  /** How to quantize; a whitepaper job brings recipes of its own. */
  readonly recipe: Recipe;
  /** Data set ids; calibration is absent for weight-only and data-free recipes. */
  readonly calibration: string | undefined;
  readonly evaluation: string | undefined;
}

export interface JobProgress {
  readonly stage: JobStage;
  readonly done: number;
  readonly total: number;
}

export interface JobRecord {
  readonly id: string;
  readonly spec: JobSpec;
  readonly state: JobState;
  readonly progress: JobProgress | undefined;
  readonly attempts: number;
  readonly createdAt: Timestamp;
  readonly startedAt: Timestamp | undefined;
  readonly endedAt: Timestamp | undefined;
  /** The int8 version it made. */
  readonly resultVersion: number | undefined;
  /** Artifact of the grid's JSON that a whitepaper job made. */
  readonly gridSha256: Sha256 | undefined;
  readonly problem: Problem | undefined;
}
