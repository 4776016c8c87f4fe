import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { getPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  openQueue,
  startWorkerProcess,
  type Incident,
  type WorkerOptions,
  type WorkerProcess,
} from '../../src/jobs/index.ts';
import { openStore } from '../../src/store/index.ts';
import { ended, followUntil, jobModule, openService, type Service } from './fixtures/service.ts';

describe('the worker process', () => {
  let service: Service;
  let worker: WorkerProcess | undefined;
  let incidents: Incident[];
  beforeEach(async () => {
    // Followers are woken by the worker's messages alone: a poll would come too late for these tests.
    service = await openService({ pollMs: 40_000 });
    incidents = [];
  });
  afterEach(async () => {
    await worker?.stop();
    await service.close();
  });

  const start = async (module: string, options: Partial<WorkerOptions> = {}): Promise<WorkerProcess> => {
    worker = startWorkerProcess({
      // Neither leases nor polls help a job along in the time of these tests.
      worker: {
        dataDir: service.dataDir,
        jobModule: jobModule(module),
        leaseMs: 60_000,
        pollMs: 60_000,
        cancelGraceMs: 100,
        ...options,
      },
      queue: service.queue,
      restartMs: 20,
      onIncident: (incident) => incidents.push(incident),
    });
    await worker.ready;
    return worker;
  };
  const submit = async () => (await service.queue.submit(service.spec)).id;
  const endOf = async (id: string) => (await followUntil(service.queue, id, ended)).job;
  const calibrating = (id: string) => followUntil(service.queue, id, (job) => job.progress?.stage === 'calibrate');
  const kill = (): void => {
    process.kill(worker?.pid ?? 0, 'SIGKILL');
  };

  it('runs what is submitted, at low priority', async () => {
    const { pid } = await start('quick');
    expect(getPriority(pid)).toBeGreaterThan(getPriority());
    const { job, events } = await followUntil(service.queue, await submit(), ended);
    expect(job).toMatchObject({ state: 'succeeded', resultVersion: 2 });
    expect(events.at(0)?.job.state).toBe('queued');
    expect((await endOf(await submit())).resultVersion).toBe(3);
    expect(incidents).toEqual([]);
  });

  it('takes up what was submitted while it was not there', async () => {
    const id = await submit();
    await start('quick');
    expect((await endOf(id)).state).toBe('succeeded');
  });

  it('tries a job again after a kill -9 in its middle', async () => {
    await start('hangsFirst');
    const id = await submit();
    await calibrating(id);
    kill();
    expect(await endOf(id)).toMatchObject({ state: 'succeeded', attempts: 2, resultVersion: 2 });
    expect(worker?.restarts).toBe(1);
    expect(incidents[0]?.what).toContain('SIGKILL');
    expect((await service.store.metadata.model('digits')).versions).toHaveLength(2);
  });

  it('fails a job that kills its worker three times, and goes on with the next', async () => {
    await start('killer');
    const id = await submit();
    const job = await endOf(id);
    expect(job).toMatchObject({ state: 'failed', attempts: 3, problem: { code: 'WORKER_DIED' } });
    expect((await service.queue.counts()).queued).toBe(0);
    expect(incidents).toHaveLength(3);
  });

  it('stops a cancelled job', async () => {
    await start('endless');
    const id = await submit();
    await calibrating(id);
    await service.queue.cancel(id);
    const next = await submit();
    expect((await calibrating(next)).job.attempts).toBe(1);
    await service.queue.cancel(next);
  });

  it('ends with its service, and the next service takes up the job', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'octet-killed-'));
    const script = join(import.meta.dirname, 'fixtures/serviceProcess.ts');
    const child = spawn(process.execPath, [script, dataDir, jobModule('hangsFirst')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(child.stdout, 'data', { signal: AbortSignal.timeout(20_000) })) as [Buffer];
    const { jobId, workerPid } = JSON.parse(line.toString()) as { jobId: string; workerPid: number };
    expect(isAlive(workerPid)).toBe(true);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await expect.poll(() => isAlive(workerPid), { timeout: 15_000 }).toBe(false);

    const store = await openStore(dataDir);
    const queue = openQueue(store);
    expect(await store.metadata.job(jobId)).toMatchObject({ state: 'queued', attempts: 0 });
    worker = startWorkerProcess({ worker: { dataDir, jobModule: jobModule('quick') }, queue });
    expect((await followUntil(queue, jobId, ended)).job.state).toBe('succeeded');
    await worker.stop();
    await store.metadata.close();
    rmSync(dataDir, { recursive: true });
  });

  it('gives its job back on SIGTERM, and is started again', async () => {
    await start('hangsFirst', { stopGraceMs: 100 });
    const id = await submit();
    await calibrating(id);
    process.kill(worker?.pid ?? 0, 'SIGTERM');
    await followUntil(service.queue, id, (job) => job.state === 'queued');
    // Again its first attempt: the one before does not count.
    expect((await calibrating(id)).job.attempts).toBe(1);
    expect(worker?.restarts).toBe(1);
    expect(incidents[0]?.what).toContain('exit code 0');
    await service.queue.cancel(id);
  });

  it('puts its job back when it is stopped', async () => {
    await start('hangsFirst', { stopGraceMs: 200 });
    const id = await submit();
    await calibrating(id);
    const { pid } = worker ?? {};
    await worker?.stop();
    expect(isAlive(pid ?? 0)).toBe(false);
    expect(await service.store.metadata.job(id)).toMatchObject({ state: 'queued', attempts: 0 });
    expect(incidents).toEqual([]);
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
