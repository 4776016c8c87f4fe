import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { JobWorker, type Incident, type WorkerOptions } from '../../src/jobs/index.ts';
import { ended, followUntil, jobModule, openService, type Service } from './fixtures/service.ts';

describe('a worker with its jobs on threads', () => {
  let service: Service;
  let worker: JobWorker | undefined;
  let incidents: Incident[];
  beforeEach(async () => {
    service = await openService();
    incidents = [];
  });
  afterEach(async () => {
    await worker?.stop(0);
    await service.close();
  });

  /** Runs one job of a fixture module in this process's worker. */
  const start = async (module: string, options: Partial<WorkerOptions> = {}): Promise<string> => {
    worker = await JobWorker.start(
      {
        dataDir: service.dataDir,
        jobModule: jobModule(module),
        leaseMs: 30_000,
        pollMs: 20,
        cancelGraceMs: 100,
        ...options,
      },
      { onChange: (id) => service.queue.announce(id), onIncident: (incident) => incidents.push(incident) },
    );
    service.queue.subscribe((id) => worker?.announce(id));
    const { id } = await service.queue.submit(service.spec);
    return id;
  };
  const endOf = async (id: string) => (await followUntil(service.queue, id, ended)).job;
  const calibrating = (id: string) => followUntil(service.queue, id, (job) => job.progress?.stage === 'calibrate');

  it('stores version and report of a job that succeeds', async () => {
    const { job, events } = await followUntil(service.queue, await start('quick'), ended);
    expect(job).toMatchObject({
      state: 'succeeded',
      attempts: 1,
      resultVersion: 2,
      progress: { stage: 'store', done: 1, total: 1 },
    });
    const version = await service.store.metadata.version('digits', 2);
    const source = await service.store.metadata.version('digits', 1);
    expect(version).toMatchObject({ kind: 'int8', jobId: job.id, golden: 'golden', verdict: 'pass' });
    expect(version.labels).toEqual(source.labels);
    expect(version.preprocessing).toEqual(source.preprocessing);
    expect(Buffer.from(await service.store.artifacts.read(version.sha256)).toString()).toContain(job.id);
    expect(Buffer.from(await service.store.artifacts.read(version.reportSha256 ?? '')).toString()).toBe(
      '{"attempt":1}',
    );
    expect(events.every(({ sequence }, i) => i === 0 || sequence > (events[i - 1]?.sequence ?? Infinity))).toBe(true);
    expect(incidents).toEqual([]);
  });

  it('stores the problem of a job that fails, and does not try it again', async () => {
    const job = await endOf(await start('refusing'));
    expect(job).toMatchObject({
      state: 'failed',
      attempts: 1,
      problem: {
        code: 'CALIBRATION_RANGE',
        detail: "Tensor 'features.3' has no finite values.",
        params: { tensor: 'features.3' },
      },
    });
  });

  it('tells the log, not the caller, about an unexpected failure', async () => {
    const job = await endOf(await start('broken'));
    expect(job.problem?.code).toBe('INTERNAL');
    expect(JSON.stringify(job)).not.toContain('secret');
    expect(incidents).toMatchObject([
      { jobId: job.id, stack: expect.stringContaining('secret of the inside') as string },
    ]);
  });

  it('tries a job again when its thread crashes', async () => {
    const job = await endOf(await start('crashFirst'));
    expect(job).toMatchObject({ state: 'succeeded', attempts: 2 });
    expect(incidents).toHaveLength(1);
  });

  it('fails a job whose thread leaves three times', async () => {
    const job = await endOf(await start('exit'));
    expect(job).toMatchObject({ state: 'failed', attempts: 3, problem: { code: 'WORKER_DIED' } });
  });

  it('survives a job that runs out of memory', async () => {
    const job = await endOf(await start('outOfMemory', { maxHeapMb: 24 }));
    expect(job).toMatchObject({ state: 'failed', attempts: 3, problem: { code: 'WORKER_DIED' } });
    expect(job.problem?.detail).toContain('out of memory');
  });

  it('cancels a job that listens', async () => {
    const id = await start('patient', { cancelGraceMs: 600_000 });
    await calibrating(id);
    await service.queue.cancel(id);
    // The only slot is free again: the thread has ended without force, whose time has not come.
    const next = await service.queue.submit(service.spec);
    expect((await calibrating(next.id)).job.state).toBe('running');
    await service.queue.cancel(next.id);
  });

  it('cancels a job that is deaf in an endless loop', async () => {
    const id = await start('endless');
    await calibrating(id);
    await service.queue.cancel(id);
    const next = await service.queue.submit(service.spec);
    await calibrating(next.id);
    await service.queue.cancel(next.id);
  });

  it('keeps the lease of a job whose thread is busy', async () => {
    const id = await start('endless', { leaseMs: 1_500 });
    await calibrating(id);
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    expect(await service.queue.recover()).toBe(0);
    expect(await service.store.metadata.job(id)).toMatchObject({ state: 'running', attempts: 1 });
    await service.queue.cancel(id);
  });

  it('stops a job that runs too long', async () => {
    const job = await endOf(await start('endless', { jobTimeoutMs: 300 }));
    expect(job).toMatchObject({
      state: 'failed',
      attempts: 1,
      problem: { code: 'JOB_TIMEOUT', params: { timeoutMs: 300 } },
    });
  });

  it('puts its job back when it stops, without counting the attempt', async () => {
    const id = await start('hangsFirst');
    await calibrating(id);
    await worker?.stop(0);
    worker = undefined;
    expect(await service.store.metadata.job(id)).toMatchObject({ state: 'queued', attempts: 0, progress: undefined });
  });

  it('lets a short job end when it stops', async () => {
    const id = await start('quick');
    await followUntil(service.queue, id, (job) => job.state !== 'queued');
    await worker?.stop(30_000);
    worker = undefined;
    expect((await service.store.metadata.job(id)).state).toBe('succeeded');
  });
});
