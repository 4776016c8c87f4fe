import type { Problem } from '../base/index.ts';
import type { JobProgress, JobRecord, JobSpec } from '../store/index.ts';

/** A change of one job, for followers (SSE). The last event of a job is its end. */
export interface JobEvent {
  /** Grows by one with each event of a job; a follower resumes after it. */
  readonly sequence: number;
  readonly job: JobRecord;
}

/**
 * Where jobs wait. `submit` returned means the job survives a crash; each job ends once; a worker that lost its lease
 * cannot end a job.
 */
export interface JobQueue {
  /** @throws QUEUE_FULL; the same idempotency key and spec returns the first job, another spec IDEMPOTENCY_KEY_REUSED */
  submit(spec: JobSpec, options?: { idempotencyKey?: string }): Promise<JobRecord>;
  /** @throws JOB_ENDED once it has ended */
  cancel(id: string): Promise<JobRecord>;
  /** Current state first, then each change, until the job has ended or `signal` fires. */
  follow(id: string, signal: AbortSignal): AsyncIterable<JobEvent>;
}

/** The worker's side of the queue. */
export interface JobSource {
  /** Takes the oldest queued job, or undefined. */
  claim(workerId: string): Promise<ClaimedJob | undefined>;
  /** Puts jobs of dead workers back (or fails them after the last attempt). Returns how many. */
  recover(): Promise<number>;
}

/** A job under lease: every call is refused (returns false) once the lease is lost or the job cancelled. */
export interface ClaimedJob {
  readonly job: JobRecord;
  renew(): Promise<boolean>;
  progress(progress: JobProgress): Promise<boolean>;
  succeed(result: { resultVersion: number }): Promise<boolean>;
  fail(problem: Problem): Promise<boolean>;
}
