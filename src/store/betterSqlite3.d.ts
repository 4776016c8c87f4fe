/** The part of better-sqlite3 13.2 that `database.ts` uses; the package brings no types. */
declare module 'better-sqlite3' {
  export type Value = string | number | null;

  export interface Statement {
    run(parameters: Readonly<Record<string, Value>>): { readonly changes: number };
    get(parameters: Readonly<Record<string, Value>>): unknown;
    all(parameters: Readonly<Record<string, Value>>): unknown[];
  }

  export default class Database {
    constructor(path: string, options?: { timeout?: number });
    readonly inTransaction: boolean;
    prepare(sql: string): Statement;
    exec(sql: string): void;
    pragma(text: string): unknown;
    close(): void;
  }
}
