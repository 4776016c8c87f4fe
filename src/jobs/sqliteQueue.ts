import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { AppError } from '../base/index.ts';
import {
  jobColumns,
  parse,
  readJob,
  requireDataset,
  requireVersion,
  toJob,
  type Database,
  type EmbeddedStore,
  type JobRecord,
  type JobSpec,
  type JobState,
  type Sql,
} from '../store/index.ts';
import { SqliteLease } from './sqliteLease.ts';
import type { ClaimedJob, JobEvent, JobQueue, JobSource } from './queue.ts';
import { specHash } from './specHash.ts';
import { Waiters } from './waiters.ts';

/** A job that has stopped its worker this often is not tried again. */
export const MAX_ATTEMPTS = 3;

const KEY_LIFETIME_MS = 24 * 3_600_000;

export interface QueueOptions {
  /** Jobs that may wait. */
  readonly maxQueued?: number;
  /** A worker that has not renewed for this long is taken to be dead. */
  readonly leaseMs?: number;
  /** Longest delay until a follower sees a change that another process made and did not announce. */
  readonly pollMs?: number;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** Both sides of the queue on one machine's database. */
export interface EmbeddedQueue extends JobQueue, JobSource {
  /** Says that another process has changed a job: its followers look at once. */
  announce(jobId: string): void;
  /** Calls `listener` after each change made through this queue, for other processes to be told; returns how to end it. */
  subscribe(listener: (jobId: string) => void): () => void;
}

/** The queue in the store's database; any number of processes may open it. */
export function openQueue(store: EmbeddedStore, options: QueueOptions = {}): EmbeddedQueue {
  return new SqliteQueue(store.database, options);
}

const sequenceOf = z.object({ sequence: z.int() });
const claimRow = z.looseObject({ fence: z.int() });
const keyRow = z.object({ requestHash: z.string(), jobId: z.string() });
const runningRows = z.array(z.object({ id: z.string(), attempts: z.int() }));
const countRows = z.array(z.object({ state: z.string(), count: z.int() }));

class SqliteQueue implements EmbeddedQueue {
  readonly #database: Database;
  readonly #maxQueued: number;
  readonly #leaseMs: number;
  readonly #now: () => number;
  readonly #listeners = new Set<(jobId: string) => void>();
  readonly #followers: Waiters;

  constructor(database: Database, options: QueueOptions) {
    this.#database = database;
    this.#maxQueued = options.maxQueued ?? 1_000;
    this.#leaseMs = options.leaseMs ?? 10_000;
    this.#now = options.now ?? Date.now;
    this.#followers = new Waiters(options.pollMs ?? 500);
  }

  async submit(spec: JobSpec, options: { idempotencyKey?: string } = {}): Promise<JobRecord> {
    const key = options.idempotencyKey;
    const { job, added } = this.#database.write((sql) => {
      const first = key === undefined ? undefined : this.#firstOf(sql, key, spec);
      if (first !== undefined) return { job: first, added: false };
      requireVersion(sql, spec.model, spec.version);
      for (const dataset of [spec.calibration, spec.evaluation]) {
        if (dataset !== undefined) requireDataset(sql, dataset);
      }
      this.#refuseFull(sql);
      const job = this.#insert(sql, spec);
      if (key !== undefined) this.#remember(sql, key, spec, job.id);
      return { job, added: true };
    });
    if (added) this.#changed(job.id);
    return job;
  }

  async cancel(id: string): Promise<JobRecord> {
    const job = this.#database.write((sql) => {
      const { state } = readJob(sql, id);
      if (state !== 'queued' && state !== 'running')
        throw new AppError('JOB_ENDED', `Job '${id}' has already ended: it is ${state}.`, { job: id, state });
      sql.run(
        `UPDATE jobs SET state = 'cancelled', endedAt = @now, sequence = sequence + 1, worker = NULL, leaseUntil = NULL
         WHERE id = @id`,
        { id, now: this.#timestamp() },
      );
      return readJob(sql, id);
    });
    this.#changed(id);
    return job;
  }

  async *follow(id: string, signal: AbortSignal): AsyncGenerator<JobEvent> {
    let seen = -1;
    while (!signal.aborted) {
      const event = this.#eventAfter(id, seen);
      if (event === undefined) {
        await this.#followers.next(id, signal);
        continue;
      }
      seen = event.sequence;
      yield event;
      if (event.job.endedAt !== undefined) return;
    }
  }

  async counts(): Promise<Readonly<Record<JobState, number>>> {
    const rows = this.#database.read((sql) => sql.all('SELECT state, COUNT(*) AS count FROM jobs GROUP BY state'));
    const found = parse('count', countRows, rows).map(({ state, count }): [string, number] => [state, count]);
    return { queued: 0, running: 0, succeeded: 0, failed: 0, cancelled: 0, ...Object.fromEntries(found) };
  }

  async claim(workerId: string): Promise<ClaimedJob | undefined> {
    // A look without the write lock: idle workers ask often.
    if (this.#database.read((sql) => countQueued(sql)) === 0) return undefined;
    const row = this.#database.write((sql) =>
      sql.get(
        `UPDATE jobs SET state = 'running', attempts = attempts + 1, startedAt = @now, progress = NULL, worker = @workerId,
           leaseUntil = @leaseUntil, fence = fence + 1, sequence = sequence + 1
         WHERE position = (SELECT position FROM jobs WHERE state = 'queued' ORDER BY position LIMIT 1)
         RETURNING fence, ${jobColumns}`,
        { workerId, now: this.#timestamp(), leaseUntil: this.#now() + this.#leaseMs },
      ),
    );
    if (row === undefined) return undefined;
    const job = toJob(row);
    this.#changed(job.id);
    return new SqliteLease(job, parse('job', claimRow, row).fence, {
      database: this.#database,
      leaseMs: this.#leaseMs,
      maxAttempts: MAX_ATTEMPTS,
      now: this.#now,
      changed: () => this.#changed(job.id),
    });
  }

  async recover(deadWorker?: string): Promise<number> {
    const condition = `state = 'running' AND (leaseUntil < @now OR worker = @deadWorker)`;
    const parameters = { now: this.#now(), deadWorker };
    const lost = (sql: Sql) =>
      parse('job', runningRows, sql.all(`SELECT id, attempts FROM jobs WHERE ${condition}`, parameters));
    if (this.#database.read(lost).length === 0) return 0;
    const recovered = this.#database.write((sql) => {
      const jobs = lost(sql);
      for (const { id, attempts } of jobs) {
        if (attempts < MAX_ATTEMPTS) requeue(sql, id);
        else this.#failDead(sql, id, attempts);
      }
      return jobs;
    });
    for (const { id } of recovered) this.#changed(id);
    return recovered.length;
  }

  announce(jobId: string): void {
    this.#followers.notify(jobId);
  }

  subscribe(listener: (jobId: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #changed(id: string): void {
    this.#followers.notify(id);
    for (const listener of this.#listeners) listener(id);
  }

  #timestamp(): string {
    return new Date(this.#now()).toISOString();
  }

  #eventAfter(id: string, seen: number): JobEvent | undefined {
    return this.#database.read((sql) => {
      const row = sql.get('SELECT sequence FROM jobs WHERE id = @id', { id });
      if (row !== undefined) {
        const { sequence } = parse('job', sequenceOf, row);
        return sequence > seen ? { sequence, job: readJob(sql, id) } : undefined;
      }
      readJob(sql, id);
      return undefined;
    });
  }

  #firstOf(sql: Sql, key: string, spec: JobSpec): JobRecord | undefined {
    sql.run('DELETE FROM idempotencyKeys WHERE createdAt <= @before', { before: this.#now() - KEY_LIFETIME_MS });
    const row = sql.get('SELECT requestHash, jobId FROM idempotencyKeys WHERE key = @key', { key });
    if (row === undefined) return undefined;
    const { requestHash, jobId } = parse('idempotency key', keyRow, row);
    if (requestHash !== specHash(spec))
      throw new AppError(
        'IDEMPOTENCY_KEY_REUSED',
        `The idempotency key '${key}' was used for job '${jobId}', which is another request.`,
        {
          job: jobId,
        },
      );
    return readJob(sql, jobId);
  }

  #remember(sql: Sql, key: string, spec: JobSpec, jobId: string): void {
    sql.run(
      'INSERT INTO idempotencyKeys (key, requestHash, jobId, createdAt) VALUES (@key, @requestHash, @jobId, @createdAt)',
      { key, requestHash: specHash(spec), jobId, createdAt: this.#now() },
    );
  }

  #refuseFull(sql: Sql): void {
    const queued = countQueued(sql);
    if (queued >= this.#maxQueued)
      throw new AppError('QUEUE_FULL', `${queued} jobs are waiting, as many as are allowed; try again later.`, {
        queued,
      });
  }

  #insert(sql: Sql, spec: JobSpec): JobRecord {
    const id = randomUUID();
    const { recipe, ...references } = spec;
    sql.run(
      `INSERT INTO jobs (id, kind, model, version, recipe, calibration, evaluation, state, attempts, createdAt, sequence, fence)
       VALUES (@id, @kind, @model, @version, @recipe, @calibration, @evaluation, 'queued', 0, @createdAt, 0, 0)`,
      { ...references, id, recipe: JSON.stringify(recipe), createdAt: this.#timestamp() },
    );
    return readJob(sql, id);
  }

  #failDead(sql: Sql, id: string, attempts: number): void {
    const problem = {
      code: 'WORKER_DIED',
      detail: `The worker stopped in each of ${attempts} attempts while this job ran; it is not tried again.`,
      params: { attempts },
    };
    sql.run(
      `UPDATE jobs SET state = 'failed', endedAt = @now, problem = @problem, sequence = sequence + 1, worker = NULL,
         leaseUntil = NULL
       WHERE id = @id`,
      { id, now: this.#timestamp(), problem: JSON.stringify(problem) },
    );
  }
}

function countQueued(sql: Sql): number {
  const row = sql.get(`SELECT COUNT(*) AS count FROM jobs WHERE state = 'queued'`);
  return parse('count', z.object({ count: z.int() }), row).count;
}

function requeue(sql: Sql, id: string): void {
  sql.run(
    `UPDATE jobs SET state = 'queued', startedAt = NULL, progress = NULL, sequence = sequence + 1, worker = NULL,
       leaseUntil = NULL
     WHERE id = @id`,
    { id },
  );
}
