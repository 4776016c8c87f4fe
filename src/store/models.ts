import { z } from 'zod';
import { AppError, present } from '../base/index.ts';
import type { Database, Sql } from './database.ts';
import { pageStart, toPage } from './paging.ts';
import type { ModelRecord, VersionRecord } from './records.ts';
import { parse, toVersion } from './rows.ts';
import type { NewVersion, Page, PageRequest } from './store.ts';

const modelRows = z.array(z.object({ position: z.int(), name: z.string(), createdAt: z.string() }));
const positionRows = z.array(z.object({ position: z.int() }));
const aliasRows = z.array(z.object({ alias: z.string(), version: z.int() }));

/** Records kept parsed: a version never changes and its position is never used again. */
const CACHED_VERSIONS = 10_000;

/**
 * Gives a version the next number of its model, which is created where it is new. Part of the caller's transaction.
 * The artifacts it refers to must have been put before; the database refuses a version without them.
 */
export function insertVersion(sql: Sql, version: NewVersion): VersionRecord {
  const createdAt = new Date().toISOString();
  sql.run(
    'INSERT INTO models (name, createdAt, nextVersion) VALUES (@name, @createdAt, 1) ON CONFLICT(name) DO NOTHING',
    { name: version.model, createdAt },
  );
  const { nextVersion } = z
    .object({ nextVersion: z.int().positive() })
    .parse(sql.get('SELECT nextVersion FROM models WHERE name = @name', { name: version.model }));
  sql.run('UPDATE models SET nextVersion = nextVersion + 1 WHERE name = @name', { name: version.model });
  const row = {
    model: version.model,
    version: nextVersion,
    kind: version.kind,
    sha256: version.sha256,
    sizeBytes: version.sizeBytes,
    createdAt,
    summary: JSON.stringify(version.summary),
    preprocessing: JSON.stringify(version.preprocessing),
    labels: version.labels === undefined ? null : JSON.stringify(version.labels),
    jobId: version.jobId ?? null,
    reportSha256: version.reportSha256 ?? null,
    golden: version.golden ?? null,
    verdict: version.verdict ?? null,
  };
  // Before the row exists: what could not be read back is not written.
  const record = toVersion(row);
  sql.run(
    `INSERT INTO versions
       (model, version, kind, sha256, sizeBytes, createdAt, summary, preprocessing, labels, jobId, reportSha256, golden, verdict)
     VALUES
       (@model, @version, @kind, @sha256, @sizeBytes, @createdAt, @summary, @preprocessing, @labels, @jobId, @reportSha256, @golden, @verdict)`,
    row,
  );
  return record;
}

/** Models, their versions and aliases. */
export class ModelTable {
  readonly #database: Database;
  readonly #cache = new Map<number, VersionRecord>();

  constructor(database: Database) {
    this.#database = database;
  }

  add(version: NewVersion): VersionRecord {
    return this.#database.write((sql) => insertVersion(sql, version));
  }

  model(name: string): ModelRecord {
    return this.#database.read((sql) => {
      const row = sql.get('SELECT position, name, createdAt FROM models WHERE name = @name', { name });
      if (row === undefined) throw modelNotFound(name);
      const [model] = parse('model', modelRows, [row]);
      return this.#record(sql, present(model, 'model'));
    });
  }

  models(page: PageRequest): Page<ModelRecord> {
    return this.#database.read((sql) => {
      const rows = sql.all(
        'SELECT position, name, createdAt FROM models WHERE position > @start ORDER BY position LIMIT @limit',
        { start: pageStart(page), limit: page.limit + 1 },
      );
      const models = parse('model', modelRows, rows);
      return toPage(
        models.map((model) => ({ position: model.position, item: this.#record(sql, model) })),
        page,
      );
    });
  }

  version(model: string, version: number): VersionRecord {
    return this.#database.read((sql) => {
      requireModel(sql, model);
      const row = sql.get('SELECT position FROM versions WHERE model = @model AND version = @version', {
        model,
        version,
      });
      if (row === undefined) throw versionNotFound(model, version);
      const [found] = parse('version', positionRows, [row]);
      return this.#version(sql, present(found, 'version').position);
    });
  }

  /** A model without versions and jobs' references is gone too. */
  deleteVersion(model: string, version: number): void {
    this.#database.write((sql) => {
      requireVersion(sql, model, version);
      const alias = sql.get('SELECT alias FROM aliases WHERE model = @model AND version = @version', {
        model,
        version,
      });
      if (alias !== undefined)
        throw inUse(
          `Version ${version} of '${model}' has the alias '${z.object({ alias: z.string() }).parse(alias).alias}'.`,
        );
      refuseWhileQueued(
        sql,
        'model = @model AND version = @version',
        { model, version },
        `Version ${version} of '${model}'`,
      );
      sql.run('DELETE FROM versions WHERE model = @model AND version = @version', { model, version });
      sql.run('DELETE FROM models WHERE name = @model AND NOT EXISTS (SELECT 1 FROM versions WHERE model = @model)', {
        model,
      });
    });
  }

  deleteModel(model: string): void {
    this.#database.write((sql) => {
      requireModel(sql, model);
      refuseWhileQueued(sql, 'model = @model', { model }, `Model '${model}'`);
      for (const table of ['aliases', 'versions']) sql.run(`DELETE FROM ${table} WHERE model = @model`, { model });
      sql.run('DELETE FROM models WHERE name = @model', { model });
    });
  }

  setAlias(model: string, alias: string, version: number): void {
    this.#database.write((sql) => {
      requireVersion(sql, model, version);
      sql.run(
        `INSERT INTO aliases (model, alias, version) VALUES (@model, @alias, @version)
         ON CONFLICT(model, alias) DO UPDATE SET version = excluded.version`,
        { model, alias, version },
      );
    });
  }

  deleteAlias(model: string, alias: string): void {
    this.#database.write((sql) => {
      requireModel(sql, model);
      if (sql.run('DELETE FROM aliases WHERE model = @model AND alias = @alias', { model, alias }) === 0)
        throw new AppError('ALIAS_NOT_FOUND', `Model '${model}' has no alias '${alias}'.`, { model, alias });
    });
  }

  #record(sql: Sql, { name, createdAt }: { name: string; createdAt: string }): ModelRecord {
    const positions = sql.all('SELECT position FROM versions WHERE model = @name ORDER BY version', { name });
    const aliases = sql.all('SELECT alias, version FROM aliases WHERE model = @name ORDER BY alias', { name });
    return {
      name,
      createdAt,
      versions: parse('version', positionRows, positions).map(({ position }) => this.#version(sql, position)),
      aliases: Object.fromEntries(parse('alias', aliasRows, aliases).map(({ alias, version }) => [alias, version])),
    };
  }

  #version(sql: Sql, position: number): VersionRecord {
    const cached = this.#cache.get(position);
    if (cached !== undefined) return cached;
    const record = toVersion(sql.get('SELECT * FROM versions WHERE position = @position', { position }));
    if (this.#cache.size >= CACHED_VERSIONS) this.#cache.clear();
    this.#cache.set(position, record);
    return record;
  }
}

/** @throws AppError MODEL_NOT_FOUND */
export function requireModel(sql: Sql, model: string): void {
  if (sql.get('SELECT 1 FROM models WHERE name = @model', { model }) === undefined) throw modelNotFound(model);
}

/** @throws AppError MODEL_NOT_FOUND, VERSION_NOT_FOUND */
export function requireVersion(sql: Sql, model: string, version: number): void {
  requireModel(sql, model);
  if (sql.get('SELECT 1 FROM versions WHERE model = @model AND version = @version', { model, version }) === undefined)
    throw versionNotFound(model, version);
}

/** @throws AppError IN_USE while a job that has not ended matches `condition` */
export function refuseWhileQueued(
  sql: Sql,
  condition: string,
  parameters: Readonly<Record<string, string | number>>,
  what: string,
): void {
  const row = sql.get(
    `SELECT id FROM jobs WHERE state IN ('queued', 'running') AND (${condition}) LIMIT 1`,
    parameters,
  );
  if (row === undefined) return;
  const { id } = z.object({ id: z.string() }).parse(row);
  throw inUse(`${what} is needed by job '${id}', which has not ended.`);
}

function inUse(detail: string): AppError {
  return new AppError('IN_USE', detail);
}

function modelNotFound(model: string): AppError {
  return new AppError('MODEL_NOT_FOUND', `There is no model '${model}'.`, { model });
}

function versionNotFound(model: string, version: number): AppError {
  return new AppError('VERSION_NOT_FOUND', `Model '${model}' has no version ${version}.`, { model, version });
}
