import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { AppError } from '../base/index.ts';
import type { Database, Sql } from './database.ts';
import { refuseWhileQueued } from './models.ts';
import { pageStart, toPage } from './paging.ts';
import type { DatasetRecord } from './records.ts';
import { parse, toDataset } from './rows.ts';
import type { NewDataset, Page, PageRequest } from './store.ts';

const positioned = z.looseObject({ position: z.int() });

/** Data sets by a generated id; two of them may hold the same bytes, which are kept once. */
export class DatasetTable {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  add(dataset: NewDataset): DatasetRecord {
    const row = {
      ...dataset,
      id: randomUUID(),
      createdAt: new Date().toISOString(),
      name: dataset.name ?? null,
      labelled: dataset.labelled ? 1 : 0,
      classNames: dataset.classNames === undefined ? null : JSON.stringify(dataset.classNames),
    };
    const record = toDataset(row);
    this.#database.write((sql) =>
      sql.run(
        `INSERT INTO datasets (id, name, sha256, sizeBytes, format, kind, sampleCount, labelled, classNames, createdAt)
         VALUES (@id, @name, @sha256, @sizeBytes, @format, @kind, @sampleCount, @labelled, @classNames, @createdAt)`,
        row,
      ),
    );
    return record;
  }

  dataset(id: string): DatasetRecord {
    return this.#database.read((sql) => toDataset(requireDataset(sql, id)));
  }

  datasets(page: PageRequest): Page<DatasetRecord> {
    return this.#database.read((sql) => {
      const rows = sql.all('SELECT * FROM datasets WHERE position > @start ORDER BY position LIMIT @limit', {
        start: pageStart(page),
        limit: page.limit + 1,
      });
      return toPage(
        rows.map((row) => ({ position: parse('data set', positioned, row).position, item: toDataset(row) })),
        page,
      );
    });
  }

  delete(id: string): void {
    this.#database.write((sql) => {
      requireDataset(sql, id);
      refuseWhileQueued(sql, 'calibration = @id OR evaluation = @id', { id }, `Data set '${id}'`);
      sql.run('DELETE FROM datasets WHERE id = @id', { id });
    });
  }
}

/** The row of a data set. @throws AppError DATASET_NOT_FOUND */
export function requireDataset(sql: Sql, id: string): unknown {
  const row = sql.get('SELECT * FROM datasets WHERE id = @id', { id });
  if (row === undefined) throw new AppError('DATASET_NOT_FOUND', `There is no data set '${id}'.`, { dataset: id });
  return row;
}
