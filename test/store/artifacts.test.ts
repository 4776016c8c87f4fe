import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { PassThrough, Readable } from 'node:stream';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStore, type EmbeddedStore } from '../../src/store/index.ts';
import { fp32Version } from './fixtures/records.ts';

describe('artifacts', () => {
  let dataDir: string;
  let store: EmbeddedStore;
  beforeEach(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'octet-artifacts-'));
    store = await openStore(dataDir, { graceMs: 0 });
  });
  afterEach(async () => {
    await store.metadata.close();
    rmSync(dataDir, { recursive: true, force: true });
  });

  const files = (): string[] => readdirSync(join(dataDir, 'artifacts')).sort();
  const put = (source: Readable, maxBytes = 1_000) => store.artifacts.put(source, { maxBytes });

  it('gives back any bytes, however they were cut into chunks', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 }), async (chunks) => {
        const bytes = Buffer.concat(chunks);
        const { sha256, sizeBytes } = await put(Readable.from(chunks.filter(({ length }) => length > 0)));
        expect(sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
        expect(sizeBytes).toBe(bytes.length);
        expect(Buffer.from(await store.artifacts.read(sha256))).toEqual(bytes);
        expect(await buffer(store.artifacts.stream(sha256))).toEqual(bytes);
        expect(await store.artifacts.putBytes(bytes)).toEqual({ sha256, sizeBytes });
      }),
      { numRuns: 25 },
    );
  });

  it('keeps the same content once', async () => {
    const first = await store.artifacts.putBytes(Buffer.from('same'));
    expect(await put(Readable.from([Buffer.from('sa'), Buffer.from('me')]))).toEqual(first);
    expect(files()).toEqual([first.sha256]);
  });

  it('streams a range with an inclusive end', async () => {
    const { sha256 } = await store.artifacts.putBytes(Buffer.from('0123456789'));
    expect(String(await buffer(store.artifacts.stream(sha256, { start: 2, end: 4 })))).toBe('234');
  });

  it('leaves nothing of an upload that is too large', async () => {
    await expect(put(Readable.from([Buffer.alloc(600), Buffer.alloc(401)]))).rejects.toMatchObject({
      code: 'UPLOAD_TOO_LARGE',
      params: { maxBytes: 1_000 },
    });
    expect(files()).toEqual([]);
    expect((await put(Readable.from([Buffer.alloc(600), Buffer.alloc(400)]))).sizeBytes).toBe(1_000);
  });

  it('leaves nothing of an upload that its client aborts', async () => {
    const source = new PassThrough();
    const failed = expect(put(source)).rejects.toMatchObject({ code: 'ERR_STREAM_PREMATURE_CLOSE' });
    source.write('half of it');
    await new Promise((resolve) => setTimeout(resolve, 20));
    source.destroy();
    await failed;
    expect(files()).toEqual([]);
  });

  it('leaves nothing of a source that fails, even before it is read', async () => {
    await expect(put(createReadStream(join(dataDir, 'absent')))).rejects.toMatchObject({ code: 'ENOENT' });
    expect(files()).toEqual([]);
  });

  it('refuses bytes that are not those of the address', async () => {
    const { sha256 } = await store.artifacts.putBytes(Buffer.from('right'));
    rmSync(join(dataDir, 'artifacts', sha256), { force: true });
    writeFileSync(join(dataDir, 'artifacts', sha256), 'wrong');
    await expect(store.artifacts.read(sha256)).rejects.toMatchObject({ code: 'ARTIFACT_DAMAGED' });
    rmSync(join(dataDir, 'artifacts', sha256), { force: true });
    await expect(store.artifacts.read(sha256)).rejects.toMatchObject({ code: 'ARTIFACT_DAMAGED' });
    await expect(store.artifacts.localPath(sha256)).rejects.toMatchObject({ code: 'ARTIFACT_DAMAGED' });
  });

  it('heals a damaged file when its content is put again', async () => {
    const { sha256 } = await store.artifacts.putBytes(Buffer.from('right'));
    rmSync(join(dataDir, 'artifacts', sha256), { force: true });
    await store.artifacts.putBytes(Buffer.from('right'));
    expect(String(Buffer.from(await store.artifacts.read(sha256)))).toBe('right');
  });

  it('never makes a path of what is not an address', async () => {
    await expect(store.artifacts.read('../octet.db')).rejects.toThrow(/address/);
  });

  it('sweeps what no record refers to, and that only', async () => {
    const kept = await store.artifacts.putBytes(Buffer.from('kept'));
    const report = await store.artifacts.putBytes(Buffer.from('report'));
    await store.artifacts.putBytes(Buffer.from('dropped'));
    await store.metadata.addVersion({ ...fp32Version(kept), reportSha256: report.sha256 });
    expect(await store.artifacts.sweep()).toBe(1);
    expect(files()).toEqual([kept.sha256, report.sha256].sort());
    await store.metadata.deleteVersion('digits', 1);
    expect(await store.artifacts.sweep()).toBe(2);
    expect(files()).toEqual([]);
  });

  it('keeps what was put a moment ago', async () => {
    await store.metadata.close();
    store = await openStore(dataDir, { graceMs: 60_000 });
    const { sha256 } = await store.artifacts.putBytes(Buffer.from('not yet referred to'));
    expect(await store.artifacts.sweep()).toBe(0);
    expect(files()).toEqual([sha256]);
  });

  it('has no version without its bytes, even if a sweep comes between', async () => {
    const artifact = await store.artifacts.putBytes(Buffer.from('swept'));
    await store.artifacts.sweep();
    await expect(store.metadata.addVersion(fp32Version(artifact))).rejects.toThrow(/FOREIGN KEY/);
    await expect(store.metadata.model('digits')).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
  });

  it('tells a full disk from other failures', () => {
    // The shell's file size limit stands for a full disk: the write fails with EFBIG.
    const script = join(import.meta.dirname, 'fixtures/putTooMuch.ts');
    const folder = join(dataDir, 'limited');
    const { stdout, stderr } = spawnSync(
      'bash',
      ['-c', 'ulimit -f 2048; exec "$@"', 'bash', process.execPath, script, folder],
      {
        encoding: 'utf8',
      },
    );
    expect(stdout.trim(), stderr).toBe('STORAGE_FULL 0');
  });
});
