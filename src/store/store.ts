import type { Readable } from 'node:stream';
import type { DatasetRecord, JobRecord, ModelRecord, Sha256, VersionRecord } from './records.ts';

/** A page of a listing, in creation order; `next` continues it. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | undefined;
}

export interface PageRequest {
  readonly limit: number;
  readonly after?: string | undefined;
}

/** Content-addressed immutable bytes. A put that returned survives a crash; equal bytes are kept once. */
export interface ArtifactStore {
  /** Streams to disk while hashing; nothing remains of a stream that fails or exceeds `maxBytes` (UPLOAD_TOO_LARGE). */
  put(source: Readable, options: { maxBytes: number }): Promise<{ sha256: Sha256; sizeBytes: number }>;
  putBytes(bytes: Uint8Array): Promise<{ sha256: Sha256; sizeBytes: number }>;
  /** Whole artifact; its hash is checked. */
  read(sha256: Sha256): Promise<Uint8Array>;
  /** `end` is inclusive. */
  stream(sha256: Sha256, range?: { start: number; end: number }): Readable;
  /** A file on this machine that holds the artifact, for readers that seek (zip). */
  localPath(sha256: Sha256): Promise<string>;
  /** Removes artifacts that no record refers to and that are older than a grace period. Returns how many. */
  sweep(): Promise<number>;
}

export type NewVersion = Omit<VersionRecord, 'version' | 'createdAt'>;
export type NewDataset = Omit<DatasetRecord, 'id' | 'createdAt'>;

/** Models, versions, aliases, data sets and jobs. Each call is one transaction. Unknown names throw …_NOT_FOUND. */
export interface MetadataStore {
  /** Numbers the version and creates the model where it is new. */
  addVersion(version: NewVersion): Promise<VersionRecord>;
  model(name: string): Promise<ModelRecord>;
  models(page: PageRequest): Promise<Page<ModelRecord>>;
  version(model: string, version: number): Promise<VersionRecord>;
  /** IN_USE while an alias points at it or a job that has not ended refers to it. A model's last version takes it along. */
  deleteVersion(model: string, version: number): Promise<void>;
  /** With its versions and aliases. IN_USE while a job that has not ended refers to it. */
  deleteModel(name: string): Promise<void>;
  setAlias(model: string, alias: string, version: number): Promise<void>;
  deleteAlias(model: string, alias: string): Promise<void>;

  addDataset(dataset: NewDataset): Promise<DatasetRecord>;
  dataset(id: string): Promise<DatasetRecord>;
  datasets(page: PageRequest): Promise<Page<DatasetRecord>>;
  deleteDataset(id: string): Promise<void>;

  job(id: string): Promise<JobRecord>;
  /** The newest whitepaper job of a version that has succeeded. */
  latestGridJob(version: VersionRecord): Promise<JobRecord | undefined>;
  jobs(page: PageRequest): Promise<Page<JobRecord>>;

  close(): Promise<void>;
}

export interface Store {
  readonly artifacts: ArtifactStore;
  readonly metadata: MetadataStore;
}
