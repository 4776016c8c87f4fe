import { z } from 'zod';
import { AppError } from '../base/index.ts';
import type { Database, Sql } from './database.ts';
import { pageStart, toPage } from './paging.ts';
import type { JobRecord, VersionRecord } from './records.ts';
import { jobColumns, parse, toJob } from './rows.ts';
import type { Page, PageRequest } from './store.ts';

const positioned = z.looseObject({ position: z.int() });

/** One job. @throws AppError JOB_NOT_FOUND */
export function readJob(sql: Sql, id: string): JobRecord {
  const row = sql.get(`SELECT ${jobColumns} FROM jobs WHERE id = @id`, { id });
  if (row === undefined) throw new AppError('JOB_NOT_FOUND', `There is no job '${id}'.`, { job: id });
  return toJob(row);
}

/** The newest whitepaper job of a version that has succeeded. */
export function latestGridJob(sql: Sql, { model, version, createdAt }: VersionRecord): JobRecord | undefined {
  // jobs outlive their model: one of an earlier model of this name is older than the version
  const row = sql.get(
    `SELECT ${jobColumns} FROM jobs
     WHERE model = @model AND version = @version AND gridSha256 IS NOT NULL AND createdAt >= @createdAt
     ORDER BY position DESC LIMIT 1`,
    { model, version, createdAt },
  );
  return row === undefined ? undefined : toJob(row);
}

/** Jobs, oldest first. */
export function listJobs(database: Database, page: PageRequest): Page<JobRecord> {
  return database.read((sql) => {
    const rows = sql.all(
      `SELECT position, ${jobColumns} FROM jobs WHERE position > @start ORDER BY position LIMIT @limit`,
      { start: pageStart(page), limit: page.limit + 1 },
    );
    return toPage(
      rows.map((row) => ({ position: parse('job', positioned, row).position, item: toJob(row) })),
      page,
    );
  });
}
