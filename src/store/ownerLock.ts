import Sqlite from 'better-sqlite3';
import { AppError } from '../base/index.ts';

/** A service that has just been killed may need a moment to go. */
const WAIT_MS = 3_000;

/** Held by the one process that owns a data directory; the operating system frees it when that process ends in any way. */
export class OwnerLock {
  readonly #file: Sqlite;

  /** @throws AppError IN_USE while another process owns the directory */
  constructor(path: string, dataDir: string) {
    this.#file = new Sqlite(path, { timeout: WAIT_MS });
    try {
      this.#file.exec('BEGIN EXCLUSIVE');
    } catch (error) {
      this.#file.close();
      if (error instanceof Error && 'code' in error && error.code === 'SQLITE_BUSY')
        throw new AppError('IN_USE', `The data directory '${dataDir}' is used by another Octet process.`);
      throw error;
    }
  }

  release(): void {
    this.#file.close();
  }
}
