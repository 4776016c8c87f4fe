import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openQueue, type ClaimedJob, type EmbeddedQueue, type JobEvent } from '../../src/jobs/index.ts';
import { openStore } from '../../src/store/index.ts';
import { fp32Version } from '../store/fixtures/records.ts';
import { ended, followUntil, openService, type Service } from './fixtures/service.ts';

const problem = { code: 'INTERNAL', detail: 'It failed.', params: {} } as const;

describe('the job queue', () => {
  let service: Service;
  let queue: EmbeddedQueue;
  let now: number;
  beforeEach(async () => {
    now = Date.parse('2030-01-01T00:00:00Z');
    service = await openService({ leaseMs: 1_000, maxQueued: 3, now: () => now });
    queue = service.queue;
  });
  afterEach(() => service.close());

  const submit = (idempotencyKey?: string) =>
    queue.submit(service.spec, idempotencyKey === undefined ? {} : { idempotencyKey });
  const claim = async (worker = 'w1'): Promise<ClaimedJob> => {
    const claimed = await queue.claim(worker);
    if (claimed === undefined) throw new Error('nothing to claim');
    return claimed;
  };
  const result = async () => fp32Version(await service.store.artifacts.putBytes(Buffer.from('int8')));
  const read = (id: string) => service.store.metadata.job(id);

  it('goes from queued over running to succeeded', async () => {
    const job = await submit();
    expect(job).toMatchObject({ state: 'queued', spec: service.spec, attempts: 0, startedAt: undefined });
    const claimed = await claim();
    expect(claimed.job).toMatchObject({ id: job.id, state: 'running', attempts: 1 });
    expect(await claimed.progress({ stage: 'calibrate', done: 1, total: 2 })).toBe(true);
    expect((await read(job.id)).progress).toEqual({ stage: 'calibrate', done: 1, total: 2 });
    now += 5;
    const version = await claimed.succeed(await result());
    expect(version?.version).toBe(2);
    expect(await read(job.id)).toMatchObject({
      state: 'succeeded',
      resultVersion: 2,
      endedAt: '2030-01-01T00:00:00.005Z',
    });
    expect(await claimed.fail(problem)).toBe(false);
    expect(await queue.counts()).toEqual({ queued: 0, running: 0, succeeded: 1, failed: 0, cancelled: 0 });
  });

  it('gives jobs in order, each to one worker', async () => {
    const ids = [await submit(), await submit(), await submit()].map(({ id }) => id);
    const claimed = await Promise.all([queue.claim('w1'), queue.claim('w2'), queue.claim('w3'), queue.claim('w4')]);
    expect(claimed.map((each) => each?.job.id)).toEqual([...ids, undefined]);
  });

  it('refuses when too many wait', async () => {
    for (let i = 0; i < 3; i++) await submit();
    await expect(submit()).rejects.toMatchObject({ code: 'QUEUE_FULL' });
    await claim();
    await submit();
  });

  it('refuses a spec that names what is not there', async () => {
    const { spec } = service;
    await expect(queue.submit({ ...spec, model: 'absent' })).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
    await expect(queue.submit({ ...spec, version: 9 })).rejects.toMatchObject({ code: 'VERSION_NOT_FOUND' });
    await expect(queue.submit({ ...spec, evaluation: 'absent' })).rejects.toMatchObject({ code: 'DATASET_NOT_FOUND' });
    expect((await queue.counts()).queued).toBe(0);
  });

  it('keeps what a job needs until the job has ended', async () => {
    const { metadata } = service.store;
    const { id } = await submit();
    const inUse = { code: 'IN_USE' };
    for (const state of ['queued', 'running']) {
      expect((await read(id)).state).toBe(state);
      await expect(metadata.deleteVersion('digits', 1)).rejects.toMatchObject(inUse);
      await expect(metadata.deleteModel('digits')).rejects.toMatchObject(inUse);
      await expect(metadata.deleteDataset(service.spec.calibration ?? '')).rejects.toMatchObject(inUse);
      await queue.claim('w1');
    }
    await queue.cancel(id);
    await metadata.deleteDataset(service.spec.calibration ?? '');
    await metadata.deleteModel('digits');
    expect((await read(id)).spec).toEqual(service.spec);
  });

  it('returns the first job for the same key and spec, for 24 hours', async () => {
    const first = await submit('key');
    // The same spec, built in another order.
    const { recipe, ...rest } = service.spec;
    expect((await queue.submit({ recipe, ...rest }, { idempotencyKey: 'key' })).id).toBe(first.id);
    await expect(
      queue.submit({ ...service.spec, recipe: { ...recipe, seed: 1 } }, { idempotencyKey: 'key' }),
    ).rejects.toMatchObject({ code: 'IDEMPOTENCY_KEY_REUSED' });
    expect((await submit('other')).id).not.toBe(first.id);
    await queue.cancel(first.id);
    now += 24 * 3_600_000 - 1;
    expect(await submit('key')).toMatchObject({ id: first.id, state: 'cancelled' });
    now += 1;
    expect((await submit('key')).id).not.toBe(first.id);
  });

  it('cancels what waits and what runs, once', async () => {
    const [waiting, running] = [await submit(), await submit()];
    const claimed = await claim();
    expect(claimed.job.id).toBe(waiting.id);
    for (const { id } of [waiting, running]) {
      expect((await queue.cancel(id)).state).toBe('cancelled');
      await expect(queue.cancel(id)).rejects.toMatchObject({ code: 'JOB_ENDED', params: { state: 'cancelled' } });
    }
    expect(await claimed.renew()).toBe(false);
    expect(await claimed.progress({ stage: 'store', done: 0, total: 1 })).toBe(false);
    expect(await claimed.putBack()).toBe(false);
    expect(await claimed.retry(problem)).toBe(false);
    expect(await claimed.succeed(await result())).toBeUndefined();
    expect((await service.store.metadata.model('digits')).versions).toHaveLength(1);
    await expect(queue.cancel('absent')).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' });
  });

  it('takes a job from a worker that does not renew, and fences that worker off', async () => {
    const { id } = await submit();
    const late = await claim('late');
    now += 900;
    expect(await late.renew()).toBe(true);
    now += 1_000;
    expect(await queue.recover()).toBe(0);
    now += 1;
    expect(await queue.recover()).toBe(1);
    expect(await late.renew()).toBe(false);
    const second = await claim('second');
    expect(second.job).toMatchObject({ id, attempts: 2 });
    expect(await late.progress({ stage: 'store', done: 1, total: 1 })).toBe(false);
    expect(await late.succeed(await result())).toBeUndefined();
    expect(await late.fail(problem)).toBe(false);
    expect(await read(id)).toMatchObject({ state: 'running', progress: undefined });
    expect((await second.succeed(await result()))?.version).toBe(2);
  });

  it('takes the jobs of a worker that is known to be dead at once', async () => {
    const [first, second] = [await submit(), await submit()];
    await claim('dead');
    await claim('alive');
    expect(await queue.recover('dead')).toBe(1);
    expect([(await read(first.id)).state, (await read(second.id)).state]).toEqual(['queued', 'running']);
  });

  it('fails a job that has stopped three workers', async () => {
    const { id } = await submit();
    for (const attempt of [1, 2, 3]) {
      expect((await claim()).job.attempts).toBe(attempt);
      await queue.recover('w1');
    }
    expect(await queue.claim('w1')).toBeUndefined();
    expect(await read(id)).toMatchObject({
      state: 'failed',
      attempts: 3,
      problem: { code: 'WORKER_DIED', params: { attempts: 3 } },
    });
  });

  it('tries again when asked, at most three times, and not counting what was put back', async () => {
    const { id } = await submit();
    expect(await (await claim()).putBack()).toBe(true);
    expect(await read(id)).toMatchObject({ state: 'queued', attempts: 0, startedAt: undefined });
    for (const state of ['queued', 'queued', 'failed']) {
      expect(await (await claim()).retry(problem)).toBe(true);
      expect((await read(id)).state).toBe(state);
    }
    expect(await read(id)).toMatchObject({ attempts: 3, problem });
  });

  it('lets followers see the state, then each change, with growing sequence numbers, to the end', async () => {
    const { id } = await submit();
    const seen: JobEvent[] = [];
    const following = (async () => {
      for await (const event of queue.follow(id, new AbortController().signal)) seen.push(event);
    })();
    const settle = () => new Promise((resolve) => setTimeout(resolve, 5));
    await settle();
    const claimed = await claim();
    await settle();
    await claimed.progress({ stage: 'calibrate', done: 1, total: 2 });
    await settle();
    await claimed.renew();
    await settle();
    await claimed.succeed(await result());
    await following;
    expect(seen.map(({ job }) => [job.state, job.progress?.done])).toEqual([
      ['queued', undefined],
      ['running', undefined],
      ['running', 1],
      ['succeeded', 1],
    ]);
    expect(seen.map(({ sequence }) => sequence)).toEqual([0, 1, 2, 3]);
    const again = await followUntil(queue, id, ended);
    expect(again.events).toEqual([seen.at(-1)]);
  });

  it('lets followers see what another process changed without telling', async () => {
    const { id } = await submit();
    const guest = await openStore(service.dataDir, { role: 'guest' });
    const following = followUntil(queue, id, ended);
    await openQueue(guest).cancel(id);
    expect((await following).job.state).toBe('cancelled');
    await guest.metadata.close();
  });

  it('stops following when asked, and refuses a job that is not there', async () => {
    const { id } = await submit();
    const stop = new AbortController();
    const states: string[] = [];
    for await (const { job } of queue.follow(id, stop.signal)) {
      states.push(job.state);
      setTimeout(() => stop.abort(), 10);
    }
    expect(states).toEqual(['queued']);
    const absent = queue.follow('absent', new AbortController().signal)[Symbol.asyncIterator]();
    await expect(absent.next()).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' });
  });
});
