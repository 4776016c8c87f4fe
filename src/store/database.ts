import Sqlite, { type Statement, type Value } from 'better-sqlite3';
import { InvariantError } from '../base/index.ts';
import { migrations } from './migrations.ts';
import { storageError } from './storageError.ts';

export type Parameters = Readonly<Record<string, Value | undefined>>;

/** Statements inside one transaction; parameters are written `@name` in the text, and undefined becomes NULL. */
export interface Sql {
  /** Returns how many rows changed. */
  run(text: string, parameters?: Parameters): number;
  get(text: string, parameters?: Parameters): unknown;
  all(text: string, parameters?: Parameters): unknown[];
}

/** Longest wait for another process that writes. */
const BUSY_TIMEOUT_MS = 10_000;

/** Size that the write-ahead log is cut back to after a checkpoint. */
const LOG_LIMIT_BYTES = 16 * 1_048_576;

/**
 * One SQLite file, shared with other processes. `write` is on disk when it returns; `writeLazily` may lose its last
 * commits in a power cut, but neither order nor consistency, and costs no fsync.
 */
export class Database {
  readonly #durable: Connection;
  readonly #lazy: Connection;

  constructor(path: string) {
    this.#durable = new Connection(path, 'FULL');
    try {
      migrate(this.#durable);
      this.#lazy = new Connection(path, 'NORMAL');
    } catch (error) {
      this.#durable.close();
      throw error;
    }
  }

  /** One transaction that holds the write lock from its start. */
  write<T>(work: (sql: Sql) => T): T {
    return this.#durable.transaction('BEGIN IMMEDIATE', work);
  }

  writeLazily<T>(work: (sql: Sql) => T): T {
    return this.#lazy.transaction('BEGIN IMMEDIATE', work);
  }

  /** One consistent view. */
  read<T>(work: (sql: Sql) => T): T {
    return this.#lazy.transaction('BEGIN DEFERRED', work);
  }

  close(): void {
    this.#lazy.close();
    this.#durable.close();
  }
}

class Connection implements Sql {
  readonly #sqlite: Sqlite;
  readonly #statements = new Map<string, Statement>();

  constructor(path: string, synchronous: 'FULL' | 'NORMAL') {
    this.#sqlite = new Sqlite(path, { timeout: BUSY_TIMEOUT_MS });
    this.#sqlite.pragma('journal_mode = WAL');
    this.#sqlite.pragma(`synchronous = ${synchronous}`);
    this.#sqlite.pragma(`journal_size_limit = ${LOG_LIMIT_BYTES}`);
    this.#sqlite.pragma('foreign_keys = ON');
    this.#sqlite.pragma('trusted_schema = OFF');
  }

  transaction<T>(begin: 'BEGIN IMMEDIATE' | 'BEGIN DEFERRED', work: (sql: Sql) => T): T {
    try {
      this.#sqlite.exec(begin);
      const result = work(this);
      this.#sqlite.exec('COMMIT');
      return result;
    } catch (error) {
      // SQLite ends the transaction by itself after some failures, as that of a full disk.
      if (this.#sqlite.inTransaction) this.#sqlite.exec('ROLLBACK');
      throw storageError(error);
    }
  }

  exec(text: string): void {
    this.#sqlite.exec(text);
  }

  run(text: string, parameters: Parameters = {}): number {
    return this.#statement(text).run(bindable(parameters)).changes;
  }

  get(text: string, parameters: Parameters = {}): unknown {
    return this.#statement(text).get(bindable(parameters));
  }

  all(text: string, parameters: Parameters = {}): unknown[] {
    return this.#statement(text).all(bindable(parameters));
  }

  close(): void {
    this.#sqlite.close();
  }

  #statement(text: string): Statement {
    const known = this.#statements.get(text);
    if (known !== undefined) return known;
    const statement = this.#sqlite.prepare(text);
    this.#statements.set(text, statement);
    return statement;
  }
}

function bindable(parameters: Parameters): Record<string, Value> {
  return Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, value ?? null]));
}

/** Brings the file to the newest schema; processes that open it at once do it one after the other. */
function migrate(connection: Connection): void {
  connection.transaction('BEGIN IMMEDIATE', (sql) => {
    connection.exec('CREATE TABLE IF NOT EXISTS migrations (step INTEGER PRIMARY KEY, appliedAt TEXT NOT NULL) STRICT');
    const applied = sql.all('SELECT step FROM migrations').length;
    if (applied > migrations.length)
      throw new InvariantError(
        `the data directory has schema ${applied}, this Octet knows ${migrations.length}; use a newer one`,
      );
    for (const [step, text] of migrations.entries()) {
      if (step < applied) continue;
      connection.exec(text);
      sql.run('INSERT INTO migrations (step, appliedAt) VALUES (@step, @appliedAt)', {
        step,
        appliedAt: new Date().toISOString(),
      });
    }
  });
}
