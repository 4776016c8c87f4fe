import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStore, type EmbeddedStore, type ModelRecord, type Page } from '../../src/store/index.ts';
import { fp32Version, imageDataset } from './fixtures/records.ts';

describe('metadata', () => {
  let dataDir: string;
  let store: EmbeddedStore;
  let artifact: { sha256: string; sizeBytes: number };
  beforeEach(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'octet-metadata-'));
    store = await openStore(dataDir);
    artifact = await store.artifacts.putBytes(Buffer.from('model'));
  });
  afterEach(async () => {
    await store.metadata.close();
    rmSync(dataDir, { recursive: true, force: true });
  });

  const add = (model = 'digits') => store.metadata.addVersion(fp32Version(artifact, model));

  it('gives back each field as it was, also after a restart', async () => {
    const version = await add();
    const whole = await store.metadata.addVersion({
      ...fp32Version(artifact),
      kind: 'int8',
      jobId: 'job',
      labels: undefined,
      reportSha256: artifact.sha256,
      golden: 'hash',
      verdict: 'notEnoughData',
    });
    const dataset = await store.metadata.addDataset(imageDataset(artifact));
    expect(version).toEqual({ ...fp32Version(artifact), version: 1, createdAt: version.createdAt });
    expect(whole).toMatchObject({ version: 2, kind: 'int8', labels: undefined, verdict: 'notEnoughData' });
    await store.metadata.setAlias('digits', 'prod', 2);

    const before = await store.metadata.model('digits');
    expect(before).toEqual({
      name: 'digits',
      createdAt: version.createdAt,
      versions: [version, whole],
      aliases: { prod: 2 },
    });
    await store.metadata.close();
    store = await openStore(dataDir);
    expect(await store.metadata.model('digits')).toEqual(before);
    expect(await store.metadata.version('digits', 2)).toEqual(whole);
    expect(await store.metadata.dataset(dataset.id)).toEqual(dataset);
    expect(dataset).toMatchObject(imageDataset(artifact));
  });

  it('never gives a version number twice while the model lives', async () => {
    await add();
    await add();
    await store.metadata.deleteVersion('digits', 2);
    expect((await add()).version).toBe(3);
  });

  it('has no model without versions', async () => {
    await add();
    await store.metadata.deleteVersion('digits', 1);
    await expect(store.metadata.model('digits')).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
  });

  it('deletes nothing that is in use', async () => {
    await add();
    await store.metadata.setAlias('digits', 'prod', 1);
    await expect(store.metadata.deleteVersion('digits', 1)).rejects.toMatchObject({ code: 'IN_USE' });
    await store.metadata.deleteAlias('digits', 'prod');
    await store.metadata.deleteVersion('digits', 1);
  });

  it('moves an alias, and deletes aliases with their model', async () => {
    await add();
    await add();
    await store.metadata.setAlias('digits', 'prod', 1);
    await store.metadata.setAlias('digits', 'prod', 2);
    expect((await store.metadata.model('digits')).aliases).toEqual({ prod: 2 });
    await store.metadata.deleteModel('digits');
    expect((await store.metadata.models({ limit: 9 })).items).toEqual([]);
    await add();
    expect((await store.metadata.model('digits')).aliases).toEqual({});
  });

  it('names what is not there', async () => {
    await add();
    const { metadata } = store;
    const code = (expected: string) => expect.objectContaining({ code: expected }) as Error;
    await expect(metadata.model('absent')).rejects.toEqual(code('MODEL_NOT_FOUND'));
    await expect(metadata.version('absent', 1)).rejects.toEqual(code('MODEL_NOT_FOUND'));
    await expect(metadata.version('digits', 7)).rejects.toEqual(code('VERSION_NOT_FOUND'));
    await expect(metadata.deleteVersion('digits', 7)).rejects.toEqual(code('VERSION_NOT_FOUND'));
    await expect(metadata.deleteModel('absent')).rejects.toEqual(code('MODEL_NOT_FOUND'));
    await expect(metadata.setAlias('digits', 'prod', 7)).rejects.toEqual(code('VERSION_NOT_FOUND'));
    await expect(metadata.deleteAlias('digits', 'prod')).rejects.toEqual(code('ALIAS_NOT_FOUND'));
    await expect(metadata.dataset('absent')).rejects.toEqual(code('DATASET_NOT_FOUND'));
    await expect(metadata.deleteDataset('absent')).rejects.toEqual(code('DATASET_NOT_FOUND'));
    await expect(metadata.job('absent')).rejects.toEqual(code('JOB_NOT_FOUND'));
    await expect(metadata.models({ limit: 1, after: 'x' })).rejects.toEqual(code('INVALID_REQUEST'));
  });

  it('lists in creation order, page by page, though what was shown is deleted meanwhile', async () => {
    const names = ['d', 'b', 'e', 'a', 'c'];
    for (const name of names) await add(name);
    const shown: string[] = [];
    let page: Page<ModelRecord> = { items: [], next: undefined };
    do {
      page = await store.metadata.models({ limit: 2, after: page.next });
      shown.push(...page.items.map(({ name }) => name));
      await store.metadata.deleteModel(shown.at(-1) ?? '');
    } while (page.next !== undefined);
    expect(shown).toEqual(names);
    expect((await store.metadata.models({ limit: 2 })).next).toBeUndefined();
  });

  it('refuses a row that does not fit its schema, instead of passing it on', async () => {
    const dataset = await store.metadata.addDataset(imageDataset(artifact));
    store.database.write((sql) => sql.run(`UPDATE datasets SET format = 'tar' WHERE id = @id`, { id: dataset.id }));
    await expect(store.metadata.dataset(dataset.id)).rejects.toThrow(/stored data set is not valid/);
    await expect(store.metadata.addVersion({ ...fp32Version(artifact), sizeBytes: -1 })).rejects.toThrow(
      /stored version is not valid/,
    );
  });

  it('has one owner, and guests beside it', async () => {
    const guest = await openStore(dataDir, { role: 'guest' });
    await guest.metadata.addVersion(fp32Version(artifact));
    expect((await store.metadata.model('digits')).versions).toHaveLength(1);
    await guest.metadata.close();
    await expect(openStore(dataDir)).rejects.toMatchObject({ code: 'IN_USE' });
  });
});
