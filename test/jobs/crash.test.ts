import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openQueue, startWorkerProcess } from '../../src/jobs/index.ts';
import { openStore } from '../../src/store/index.ts';
import { ended, followUntil, jobModule, openService, type Service } from './fixtures/service.ts';

const child = join(import.meta.dirname, 'fixtures/finishAndDie.ts');

describe('jobs whose processes are killed', () => {
  let service: Service;
  beforeEach(async () => {
    service = await openService();
  });
  afterEach(() => service.close());

  it('have a version exactly when they have succeeded, whichever step their process dies at', async () => {
    const { dataDir } = service;
    await service.store.metadata.close();
    const outcomes = new Set<string>();
    // Around the COMMITs of submit (1, 2) and claim (5, 6), inside the artifacts (7 to 34, as the store's tests show in full),
    // around the COMMIT of version and end (35, 36), and not at all.
    for (const fatal of [1, 2, 5, 6, 14, 20, 34, 35, 36, 37]) {
      const { stdout, signal, stderr } = spawnSync(process.execPath, [child, dataDir, String(fatal)], {
        encoding: 'utf8',
      });
      expect(signal, stderr).toBe(fatal === 37 ? null : 'SIGKILL');

      const store = await openStore(dataDir, { graceMs: 0 });
      const queue = openQueue(store);
      await queue.recover('mortal');
      const { items: jobs } = await store.metadata.jobs({ limit: 200 });
      const { versions } = await store.metadata.model('digits');
      const submitted = /submitted (\S+)/.exec(stdout)?.[1];
      if (submitted !== undefined) expect(jobs.map(({ id }) => id)).toContain(submitted);
      for (const job of jobs) {
        const made = versions.filter(({ jobId }) => jobId === job.id);
        expect(made.map(({ version }) => version)).toEqual(job.state === 'succeeded' ? [job.resultVersion] : []);
        for (const { sha256, reportSha256 } of made) {
          await store.artifacts.read(sha256);
          await store.artifacts.read(reportSha256 ?? '');
        }
        expect(job.state).not.toBe('running');
        // What the death left is given up, so that the next child finds its own job first.
        if (job.state === 'queued') await queue.cancel(job.id);
        outcomes.add(job.state);
      }
      expect(stdout.includes('succeeded') ? jobs.at(-1)?.state : 'succeeded').toBe('succeeded');
      await store.metadata.close();
    }
    expect([...outcomes].sort()).toEqual(['cancelled', 'queued', 'succeeded']);
    service = { ...service, store: await openStore(dataDir) };
    await service.store.metadata.close();
  });

  it('are each run by one of several workers', async () => {
    const workers = [1, 2].map(() =>
      startWorkerProcess({
        worker: { dataDir: service.dataDir, jobModule: jobModule('quick'), concurrency: 2, pollMs: 5 },
        queue: service.queue,
      }),
    );
    try {
      await Promise.all(workers.map(({ ready }) => ready));
      const jobs = await Promise.all(Array.from({ length: 12 }, () => service.queue.submit(service.spec)));
      for (const { id } of jobs)
        expect((await followUntil(service.queue, id, ended)).job).toMatchObject({ state: 'succeeded', attempts: 1 });
      const { versions } = await service.store.metadata.model('digits');
      expect(
        versions
          .slice(1)
          .map(({ jobId }) => jobId)
          .sort(),
      ).toEqual(jobs.map(({ id }) => id).sort());
    } finally {
      await Promise.all(workers.map((worker) => worker.stop()));
    }
  });
});
