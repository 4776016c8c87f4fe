import type { Problem } from '../base/index.ts';
import {
  insertVersion,
  type Database,
  type JobProgress,
  type JobRecord,
  type NewVersion,
  type Sha256,
  type Sql,
  type VersionRecord,
} from '../store/index.ts';
import type { ClaimedJob } from './queue.ts';

export interface LeaseContext {
  readonly database: Database;
  readonly leaseMs: number;
  readonly maxAttempts: number;
  readonly now: () => number;
  readonly changed: () => void;
}

/** What a job has at its end, by column. */
interface JobResult {
  readonly resultVersion?: number;
  readonly gridSha256?: Sha256;
  /** JSON. */
  readonly problem?: string;
}

/** True of the row only while this claim is the last one and the job has not ended: the fence. */
const held = `id = @id AND fence = @fence AND state = 'running'`;

/** A claimed job. An update that finds no row has lost the job to a cancel, a recovery or a later claim. */
export class SqliteLease implements ClaimedJob {
  readonly job: JobRecord;
  readonly #fence: number;
  readonly #context: LeaseContext;

  constructor(job: JobRecord, fence: number, context: LeaseContext) {
    this.job = job;
    this.#fence = fence;
    this.#context = context;
  }

  async renew(): Promise<boolean> {
    return this.#context.database.writeLazily((sql) => this.#update(sql, 'leaseUntil = @leaseUntil', this.#extended()));
  }

  async progress(progress: JobProgress): Promise<boolean> {
    const parameters = { ...this.#extended(), progress: JSON.stringify(progress) };
    const kept = this.#context.database.writeLazily((sql) =>
      this.#update(sql, 'progress = @progress, leaseUntil = @leaseUntil, sequence = sequence + 1', parameters),
    );
    return this.#told(kept);
  }

  async succeed(version: NewVersion): Promise<VersionRecord | undefined> {
    const record = this.#context.database.write((sql) => {
      if (!this.#update(sql, 'leaseUntil = leaseUntil', {})) return undefined;
      const added = insertVersion(sql, version);
      this.#end(sql, 'succeeded', { resultVersion: added.version });
      return added;
    });
    this.#told(record !== undefined);
    return record;
  }

  async succeedWithGrid(gridSha256: Sha256): Promise<boolean> {
    return this.#told(this.#context.database.write((sql) => this.#end(sql, 'succeeded', { gridSha256 })));
  }

  async fail(problem: Problem): Promise<boolean> {
    return this.#told(
      this.#context.database.write((sql) => this.#end(sql, 'failed', { problem: JSON.stringify(problem) })),
    );
  }

  async retry(problem: Problem): Promise<boolean> {
    if (this.job.attempts >= this.#context.maxAttempts) return this.fail(problem);
    return this.#requeue(this.job.attempts);
  }

  async putBack(): Promise<boolean> {
    return this.#requeue(this.job.attempts - 1);
  }

  #requeue(attempts: number): boolean {
    const assignments = `state = 'queued', attempts = @attempts, startedAt = NULL, progress = NULL, worker = NULL,
      leaseUntil = NULL, sequence = sequence + 1`;
    return this.#told(this.#context.database.write((sql) => this.#update(sql, assignments, { attempts })));
  }

  #end(sql: Sql, state: 'succeeded' | 'failed', result: JobResult): boolean {
    const endedAt = new Date(this.#context.now()).toISOString();
    return this.#update(
      sql,
      `state = @state, endedAt = @endedAt, resultVersion = @resultVersion, gridSha256 = @gridSha256, problem = @problem, worker = NULL,
       leaseUntil = NULL, sequence = sequence + 1`,
      { resultVersion: undefined, gridSha256: undefined, problem: undefined, ...result, state, endedAt },
    );
  }

  #extended() {
    return { leaseUntil: this.#context.now() + this.#context.leaseMs };
  }

  #update(sql: Sql, assignments: string, parameters: Readonly<Record<string, string | number | undefined>>): boolean {
    const changes = sql.run(`UPDATE jobs SET ${assignments} WHERE ${held}`, {
      ...parameters,
      id: this.job.id,
      fence: this.#fence,
    });
    return changes === 1;
  }

  #told(changed: boolean): boolean {
    if (changed) this.#context.changed();
    return changed;
  }
}
