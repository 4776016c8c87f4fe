import { createHash, randomUUID } from 'node:crypto';
import { closeSync, createReadStream, fsyncSync, openSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { access, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { z } from 'zod';
import { AppError } from '../base/index.ts';
import type { Database, Sql } from './database.ts';
import type { Sha256 } from './records.ts';
import { parse } from './rows.ts';
import { storageError } from './storageError.ts';
import type { ArtifactStore } from './store.ts';

const TEMPORARY = /^[0-9a-f-]{36}\.tmp$/;
const ADDRESS = /^[0-9a-f]{64}$/;

/** SQL that is true of an artifact that no record refers to. */
const unreferenced = `
  NOT EXISTS (SELECT 1 FROM versions WHERE versions.sha256 = artifacts.sha256)
  AND NOT EXISTS (SELECT 1 FROM versions WHERE versions.reportSha256 = artifacts.sha256)
  AND NOT EXISTS (SELECT 1 FROM datasets WHERE datasets.sha256 = artifacts.sha256)
  AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.gridSha256 = artifacts.sha256)`;

/**
 * Files of one folder, named by their content's hash.
 *
 * A put writes a temporary file beside them, flushes it, and then, under the database's write lock, renames it, flushes
 * the folder and writes the row. So a row never stands without its whole file; a crash leaves at most a temporary file
 * or a file without a row, and `sweep`, which takes the same lock for every file it removes, clears both.
 */
export class FileArtifacts implements ArtifactStore {
  readonly #folder: string;
  readonly #database: Database;
  readonly #graceMs: number;

  constructor(folder: string, database: Database, options: { graceMs: number }) {
    this.#folder = folder;
    this.#database = database;
    this.#graceMs = options.graceMs;
  }

  async put(source: Readable, options: { maxBytes: number }): Promise<{ sha256: Sha256; sizeBytes: number }> {
    // It may fail before the first read below, which then throws the same error.
    source.on('error', () => undefined);
    return this.#keep(source as AsyncIterable<Uint8Array>, options.maxBytes);
  }

  async putBytes(bytes: Uint8Array): Promise<{ sha256: Sha256; sizeBytes: number }> {
    return this.#keep([bytes], bytes.byteLength);
  }

  async read(sha256: Sha256): Promise<Uint8Array> {
    const bytes = await readFile(this.#path(sha256)).catch(() => Promise.reject(damaged(sha256, 'missing')));
    if (createHash('sha256').update(bytes).digest('hex') !== sha256) throw damaged(sha256, 'damaged');
    return bytes;
  }

  stream(sha256: Sha256, range?: { start: number; end: number }): Readable {
    return createReadStream(this.#path(sha256), range);
  }

  async localPath(sha256: Sha256): Promise<string> {
    const path = this.#path(sha256);
    await access(path).catch(() => Promise.reject(damaged(sha256, 'missing')));
    return path;
  }

  async sweep(): Promise<number> {
    const before = Date.now() - this.#graceMs;
    const dropped = this.#database.write((sql) =>
      sql.all(`DELETE FROM artifacts WHERE usedAt <= @before AND ${unreferenced} RETURNING sha256`, { before }),
    );
    this.#removeTemporaries(before);
    const unlisted = readdirSync(this.#folder).filter((name) => ADDRESS.test(name) && !this.#isListed(name));
    for (const sha256 of unlisted) this.#removeUnlisted(sha256);
    return dropped.length;
  }

  /** For the only process that puts: whatever temporary file is there belongs to a put that a crash ended. */
  removeAllTemporaries(): void {
    this.#removeTemporaries(Number.POSITIVE_INFINITY);
  }

  async #keep(
    source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    maxBytes: number,
  ): Promise<{ sha256: Sha256; sizeBytes: number }> {
    const temporary = join(this.#folder, `${randomUUID()}.tmp`);
    const meter = new Meter(maxBytes);
    try {
      const file = await open(temporary, 'wx', 0o600);
      try {
        await file.writeFile(meter.through(source));
        await file.sync();
      } finally {
        await file.close();
      }
      return this.#commit(temporary, meter.result());
    } catch (error) {
      await rm(temporary, { force: true });
      throw storageError(error);
    }
  }

  /** Replaces a file of the same name: its content is the same, or damaged. */
  #commit(temporary: string, artifact: { sha256: Sha256; sizeBytes: number }): { sha256: Sha256; sizeBytes: number } {
    const { sha256, sizeBytes } = artifact;
    try {
      this.#database.write((sql) => {
        renameSync(temporary, this.#path(sha256));
        flushFolder(this.#folder);
        sql.run(
          `INSERT INTO artifacts (sha256, sizeBytes, usedAt) VALUES (@sha256, @sizeBytes, @now)
           ON CONFLICT(sha256) DO UPDATE SET usedAt = excluded.usedAt`,
          { sha256, sizeBytes, now: Date.now() },
        );
      });
    } catch (error) {
      this.#removeUnlisted(sha256);
      throw error;
    }
    return artifact;
  }

  #removeTemporaries(before: number): void {
    for (const name of readdirSync(this.#folder)) {
      if (!TEMPORARY.test(name)) continue;
      const path = join(this.#folder, name);
      // A put that runs may have renamed or removed it since the listing.
      const modified = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
      if (modified !== undefined && modified <= before) rmSync(path, { force: true });
    }
  }

  #isListed(sha256: Sha256): boolean {
    return this.#database.read((sql) => isListed(sql, sha256));
  }

  /** Under the write lock no put is between its rename and its row. */
  #removeUnlisted(sha256: Sha256): void {
    this.#database.write((sql) => {
      if (!isListed(sql, sha256)) rmSync(this.#path(sha256), { force: true });
    });
  }

  #path(sha256: Sha256): string {
    return join(this.#folder, parse('address', z.string().regex(ADDRESS), sha256));
  }
}

/** Hashes and counts what passes. */
class Meter {
  readonly #maxBytes: number;
  readonly #hash = createHash('sha256');
  #sizeBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** @throws AppError UPLOAD_TOO_LARGE */
  async *through(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      this.#sizeBytes += chunk.byteLength;
      if (this.#sizeBytes > this.#maxBytes)
        throw new AppError('UPLOAD_TOO_LARGE', `The upload is larger than the allowed ${this.#maxBytes} bytes.`, {
          maxBytes: this.#maxBytes,
        });
      this.#hash.update(chunk);
      yield chunk;
    }
  }

  result(): { sha256: Sha256; sizeBytes: number } {
    return { sha256: this.#hash.digest('hex'), sizeBytes: this.#sizeBytes };
  }
}

function isListed(sql: Sql, sha256: Sha256): boolean {
  return sql.get('SELECT 1 FROM artifacts WHERE sha256 = @sha256', { sha256 }) !== undefined;
}

/** Makes a rename in the folder survive a power cut. */
function flushFolder(folder: string): void {
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function damaged(sha256: Sha256, how: 'missing' | 'damaged'): AppError {
  return new AppError('ARTIFACT_DAMAGED', `The stored file ${sha256} is ${how}.`, { sha256 });
}
