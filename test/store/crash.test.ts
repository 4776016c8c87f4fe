import { createHash } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStore } from '../../src/store/index.ts';

const child = join(import.meta.dirname, 'fixtures/putAndDie.ts');

describe('a store whose process is killed', () => {
  let dataDir: string;
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'octet-crash-'));
  });
  afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

  const files = (): string[] => readdirSync(join(dataDir, 'artifacts')).sort();

  it('keeps what it promised and nothing half, whichever step it dies at', async () => {
    const promisedVersions: number[] = [];
    let versionsAtLeast = 0;
    let fatal = 0;
    for (;;) {
      fatal++;
      const { stdout, signal, stderr } = spawnSync(process.execPath, [child, dataDir, String(fatal)], {
        encoding: 'utf8',
      });
      expect(signal === 'SIGKILL' || stdout.includes('version '), stderr).toBe(true);
      const promised = /version (\d+)/.exec(stdout)?.[1];
      if (promised !== undefined) promisedVersions.push(Number(promised));

      const store = await openStore(dataDir, { graceMs: 3_600_000 });
      // At the start alone, before the grace period of unreferenced artifacts: no temporary file, no file without a row.
      const listed = store.database
        .read((sql) => sql.all('SELECT sha256 FROM artifacts ORDER BY sha256'))
        .map((row) => (row as { sha256: string }).sha256);
      expect(files()).toEqual(listed);
      for (const sha256 of listed)
        expect(
          createHash('sha256')
            .update(readFileSync(join(dataDir, 'artifacts', sha256)))
            .digest('hex'),
        ).toBe(sha256);
      const put = /put ([0-9a-f]{64})/.exec(stdout)?.[1];
      if (put !== undefined) expect(listed).toContain(put);

      const { items } = await store.metadata.models({ limit: 10 });
      const versions = items[0]?.versions ?? [];
      for (const version of versions)
        expect(await store.artifacts.read(version.sha256)).toHaveLength(version.sizeBytes);
      expect(versions.map(({ version }) => version)).toEqual(expect.arrayContaining(promisedVersions));
      expect(versions.length).toBeGreaterThanOrEqual(versionsAtLeast);
      versionsAtLeast = versions.length;
      await store.metadata.close();
      if (signal === null) break;
    }
    // open 2, writeFile 2, sync 2, close 2, rename 2, fsync 2, COMMIT 2, and COMMIT 2 of the version.
    expect(fatal).toBe(17);
    expect(versionsAtLeast).toBe(2);

    const store = await openStore(dataDir, { graceMs: 0 });
    await store.metadata.close();
    expect(files()).toHaveLength(versionsAtLeast);
  });

  it('sweeps the temporary files of a crash at its start', async () => {
    await (await openStore(dataDir)).metadata.close();
    spawnSync(process.execPath, [child, dataDir, '3']);
    const left = files();
    expect(left).toHaveLength(1);
    expect(left[0]).toMatch(/\.tmp$/);
    const store = await openStore(dataDir);
    expect(files()).toEqual([]);
    await store.metadata.close();
  });

  it('leaves a young temporary file of another process alone when it sweeps while running', async () => {
    const store = await openStore(dataDir);
    const guest = await openStore(dataDir, { role: 'guest' });
    let release: () => void = () => undefined;
    const paused = new Promise<void>((resolve) => {
      release = resolve;
    });
    let begun: () => void = () => undefined;
    const started = new Promise<void>((resolve) => {
      begun = resolve;
    });
    async function* slowly(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('first half, ');
      begun();
      await paused;
      yield Buffer.from('second half');
    }
    const { Readable } = await import('node:stream');
    const put = guest.artifacts.put(Readable.from(slowly()), { maxBytes: 100 });
    await started;
    await store.artifacts.sweep();
    expect(files()).toHaveLength(1);
    release();
    const { sha256 } = await put;
    expect(files()).toEqual([sha256]);
    utimesSync(join(dataDir, 'artifacts', sha256), 0, 0);
    expect(await store.artifacts.sweep()).toBe(0);
    await guest.metadata.close();
    await store.metadata.close();
  });
});
