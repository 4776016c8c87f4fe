import '../support/compileCache.ts';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createMetrics } from '../../src/serving/index.ts';
import { ModelCache, type Mismatch } from '../../src/serving/modelCache.ts';
import { InferencePool } from '../../src/serving/pool.ts';
import { preflight } from '../../src/serving/preflightModel.ts';
import { openStore, type EmbeddedStore, type VersionRecord } from '../../src/store/index.ts';
import { tensor } from '../../src/tensor/index.ts';
import { qdqNetwork, type QdqOptions } from '../support/qdqNetwork.ts';
import { versionRecord } from '../support/records.ts';

describe('ModelCache', () => {
  let folder: string;
  let store: EmbeddedStore;
  let pool: InferencePool;
  const metrics = createMetrics();
  const mismatches: Mismatch[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'octet-cache-'));
    store = await openStore(folder);
    pool = new InferencePool({ threads: 1, queueLength: 10, timeoutMs: 60_000, tier: undefined, sharing: 'off' });
  });
  afterEach(async () => {
    await pool.close();
    await store.metadata.close();
    await rm(folder, { recursive: true, force: true });
  });

  const open = (budgetBytes: number) =>
    new ModelCache(pool, store.artifacts, {
      budgetBytes,
      metrics,
      onMismatch: (_, mismatch) => {
        mismatches.push(mismatch);
      },
    });

  async function stored(options: QdqOptions, golden?: string): Promise<VersionRecord> {
    const bytes = qdqNetwork(options);
    const { sha256 } = await store.artifacts.putBytes(bytes);
    return versionRecord({ kind: 'int8', sha256, golden: golden ?? preflight(bytes, new Map()).golden });
  }

  const image = () => new Map([['image', tensor('float32', [1, 3, 8, 8])]]);
  const use = (cache: ModelCache, version: VersionRecord) => cache.using(version, (key) => pool.run(key, image()));

  it('loads on first use, and evicts what was used longest ago', async () => {
    const versions = await Promise.all([4, 5, 6].map((channels) => stored({ channels })));
    const [a, b, c] = versions as [VersionRecord, VersionRecord, VersionRecord];
    const measuring = open(Number.MAX_SAFE_INTEGER);
    const { memoryBytes } = await measuring.load(a);
    expect(memoryBytes).toBeGreaterThan(0);
    await measuring.unload(a);

    const cache = open(memoryBytes * 2.5);
    const states = () => versions.map((version) => cache.state(version).state);
    await use(cache, a);
    await use(cache, b);
    await use(cache, a);
    expect(states()).toEqual(['READY', 'READY', 'UNLOADED']);
    await use(cache, c);
    expect(states()).toEqual(['READY', 'UNLOADED', 'READY']);
    await use(cache, b);
    expect(states()).toEqual(['UNLOADED', 'READY', 'READY']);
  });

  it('evicts for what is loaded ahead of its first use, too', async () => {
    const [a, b] = await Promise.all([stored({ channels: 4 }), stored({ channels: 5 })]);
    const cache = open(1);
    await cache.load(a);
    await cache.load(b);
    expect([a, b].map((version) => cache.state(version).state)).toEqual(['UNLOADED', 'READY']);
    expect(cache.loaded.map(({ version }) => version)).toEqual([b]);
    expect((await metrics.loadedModels.get()).values).toMatchObject([{ value: 1 }]);
  });

  it('answers every request while versions push each other out', async () => {
    const versions = await Promise.all([4, 5, 6].map((channels) => stored({ channels })));
    const alone = open(Number.MAX_SAFE_INTEGER);
    const expected: unknown[] = [];
    for (const version of versions) {
      expected.push((await use(alone, version)).outputs);
      await alone.unload(version);
    }
    const cache = open(1);
    for (const requests of [0, 1, 2].map((start) => [0, 1, 2, 0, 1, 2].map((index) => (start + index) % 3))) {
      const answers = await Promise.all(
        requests.map(async (index) => (await use(cache, versions[index] as VersionRecord)).outputs),
      );
      expect(answers).toEqual(requests.map((index) => expected[index]));
    }
    expect(cache.loaded).toHaveLength(1);
  });

  it('keeps nothing in its threads of a version that was unloaded while it loaded', async () => {
    const version = await stored({ channels: 4 });
    const cache = open(Number.MAX_SAFE_INTEGER);
    const loading = cache.load(version);
    await cache.unload(version);
    await loading;
    expect(cache.state(version).state).toBe('UNLOADED');
    await expect(pool.run(version.sha256, image())).rejects.toMatchObject({ code: 'VERSION_NOT_READY' });
  });

  it('keeps a version that alone exceeds the budget', async () => {
    const version = await stored({ channels: 4 });
    const cache = open(1);
    await use(cache, version);
    expect(cache.state(version).state).toBe('READY');
  });

  it('loads once for requests that come together', async () => {
    const version = await stored({ channels: 4 });
    const cache = open(Number.MAX_SAFE_INTEGER);
    const loads = async () =>
      (await metrics.loads.get()).values.find(({ metricName }) => metricName?.endsWith('_count'))?.value ?? 0;
    const before = await loads();
    await Promise.all(Array.from({ length: 5 }, () => use(cache, version)));
    expect((await loads()) - before).toBe(1);
  });

  it('says why a version cannot be loaded, and remembers it', async () => {
    mismatches.length = 0;
    const version = await stored({ channels: 4 }, 'f'.repeat(64));
    const cache = open(Number.MAX_SAFE_INTEGER);
    await expect(use(cache, version)).rejects.toMatchObject({ code: 'VERSION_UNAVAILABLE' });
    expect(cache.state(version)).toMatchObject({
      state: 'UNAVAILABLE',
      reason: expect.stringContaining('golden') as string,
    });
    await expect(cache.load(version)).rejects.toMatchObject({ code: 'VERSION_UNAVAILABLE' });
    expect(mismatches).toEqual([
      { tier: undefined, mismatchedTiers: expect.arrayContaining(['reference']) as unknown },
    ]);
  });
});
