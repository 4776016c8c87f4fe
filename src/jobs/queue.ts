import type { Problem } from '../base/index.ts';
import type { JobProgress, JobRecord, JobSpec, JobState, NewVersion, Sha256, VersionRecord } from '../store/index.ts';

/** A change of one job, for followers (SSE). The last event of a job is its end. */
export interface JobEvent {
  /** Grows by one with each change of a job; a follower resumes after it, and may miss changes that a later one replaced. */
  readonly sequence: number;
  readonly job: JobRecord;
}

/**
 * Where jobs wait. `submit` returned means the job survives a crash; each job ends once; a worker that lost its lease
 * cannot end a job.
 */
export interface JobQueue {
  /**
   * @throws AppError QUEUE_FULL; MODEL_NOT_FOUND, VERSION_NOT_FOUND, DATASET_NOT_FOUND for what the spec names; the same
   *   idempotency key and spec returns the first job for 24 hours, another spec IDEMPOTENCY_KEY_REUSED
   */
  submit(spec: JobSpec, options?: { idempotencyKey?: string }): Promise<JobRecord>;
  /** @throws AppError JOB_ENDED once it has ended, JOB_NOT_FOUND */
  cancel(id: string): Promise<JobRecord>;
  /**
   * Current state first, then each change, until the job has ended or `signal` fires.
   *
   * @throws AppError JOB_NOT_FOUND
   */
  follow(id: string, signal: AbortSignal): AsyncIterable<JobEvent>;
  /** How many jobs are in each state. */
  counts(): Promise<Readonly<Record<JobState, number>>>;
}

/** The worker's side of the queue. */
export interface JobSource {
  /** Takes the oldest queued job, or undefined. */
  claim(workerId: string): Promise<ClaimedJob | undefined>;
  /**
   * Puts back jobs whose lease ran out, and those of `deadWorker`, or fails them with WORKER_DIED after the last attempt.
   * Returns how many.
   */
  recover(deadWorker?: string): Promise<number>;
}

/** A job under lease: every call is refused (false, undefined) once the lease is lost or the job cancelled. */
export interface ClaimedJob {
  readonly job: JobRecord;
  renew(): Promise<boolean>;
  progress(progress: JobProgress): Promise<boolean>;
  /** Adds the version and ends the job; a crash leaves both or neither. */
  succeed(version: NewVersion): Promise<VersionRecord | undefined>;
  /** Ends a job that makes no version; the artifact is its result. */
  succeedWithGrid(sha256: Sha256): Promise<boolean>;
  fail(problem: Problem): Promise<boolean>;
  /** Queues the job again, or fails it with `problem` after the last attempt. */
  retry(problem: Problem): Promise<boolean>;
  /** Queues the job again as if it had not been claimed: the worker stops, the job is not to blame. */
  putBack(): Promise<boolean>;
}
