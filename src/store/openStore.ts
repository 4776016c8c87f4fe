import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { FileArtifacts } from './artifacts.ts';
import { Database } from './database.ts';
import { DatasetTable } from './datasets.ts';
import { latestGridJob, listJobs, readJob } from './jobRecords.ts';
import { ModelTable } from './models.ts';
import { OwnerLock } from './ownerLock.ts';
import type { MetadataStore, Store } from './store.ts';

const GRACE_MS = 3_600_000;

/** The store of one machine, for rooms that keep their own tables' rules in the same transactions. */
export interface EmbeddedStore extends Store {
  readonly database: Database;
}

export interface OpenStoreOptions {
  /** There is one owner of a directory, and any number of guests (worker processes) beside it. */
  readonly role?: 'owner' | 'guest';
  /** How long an artifact that no record refers to is kept after it was put. */
  readonly graceMs?: number;
}

/**
 * Opens or creates the store in a directory: `octet.db` and `artifacts/`. The owner also clears what a crash left.
 *
 * @throws AppError IN_USE while another process owns the directory, STORAGE_FULL
 */
export async function openStore(dataDir: string, options: OpenStoreOptions = {}): Promise<EmbeddedStore> {
  const folder = join(dataDir, 'artifacts');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const lock = options.role === 'guest' ? undefined : new OwnerLock(join(dataDir, 'owner.lock'), dataDir);
  let database: Database | undefined;
  try {
    database = new Database(join(dataDir, 'octet.db'));
    const artifacts = new FileArtifacts(folder, database, { graceMs: options.graceMs ?? GRACE_MS });
    if (lock !== undefined) {
      artifacts.removeAllTemporaries();
      await artifacts.sweep();
    }
    return { artifacts, metadata: metadataStore(database, lock), database };
  } catch (error) {
    database?.close();
    lock?.release();
    throw error;
  }
}

function metadataStore(database: Database, lock: OwnerLock | undefined): MetadataStore {
  const models = new ModelTable(database);
  const datasets = new DatasetTable(database);
  let open = true;
  return {
    addVersion: async (version) => models.add(version),
    model: async (name) => models.model(name),
    models: async (page) => models.models(page),
    version: async (model, version) => models.version(model, version),
    deleteVersion: async (model, version) => models.deleteVersion(model, version),
    deleteModel: async (name) => models.deleteModel(name),
    setAlias: async (model, alias, version) => models.setAlias(model, alias, version),
    deleteAlias: async (model, alias) => models.deleteAlias(model, alias),
    addDataset: async (dataset) => datasets.add(dataset),
    dataset: async (id) => datasets.dataset(id),
    datasets: async (page) => datasets.datasets(page),
    deleteDataset: async (id) => datasets.delete(id),
    job: async (id) => database.read((sql) => readJob(sql, id)),
    latestGridJob: async (version) => database.read((sql) => latestGridJob(sql, version)),
    jobs: async (page) => listJobs(database, page),
    close: async () => {
      if (!open) return;
      open = false;
      database.close();
      lock?.release();
    },
  };
}
