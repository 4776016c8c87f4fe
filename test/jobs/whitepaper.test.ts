import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digitsPreprocessing, readDigits, readDigitsModel, zipDigits } from '../../src/cli/sample/digits.ts';
import { startWorkerProcess, type WorkerProcess } from '../../src/jobs/index.ts';
import { whitepaperSchema } from '../../src/lab/index.ts';
import type { JobRecord, JobSpec } from '../../src/store/index.ts';
import { fp32Version, imageDataset } from '../store/fixtures/records.ts';
import { ended, followUntil, openService, type Service } from './fixtures/service.ts';

describe('a whitepaper job in the worker process', () => {
  let service: Service;
  let worker: WorkerProcess;
  let spec: JobSpec;

  beforeEach(async () => {
    service = await openService();
    const model = await service.store.artifacts.putBytes(await readDigitsModel());
    const data = await service.store.artifacts.putBytes(
      zipDigits(await readDigits('training', { first: 0, count: 200 })),
    );
    const { version } = await service.store.metadata.addVersion({
      ...fp32Version(model),
      preprocessing: digitsPreprocessing,
      labels: undefined,
    });
    const { id } = await service.store.metadata.addDataset({ ...imageDataset(data), sampleCount: 200 });
    spec = { ...service.spec, kind: 'whitepaper', version, calibration: id };
    worker = startWorkerProcess({ worker: { dataDir: service.dataDir }, queue: service.queue, restartMs: 50 });
    await worker.ready;
  });
  afterEach(async () => {
    await worker.stop();
    await service.close();
  });

  const isMeasuring = ({ progress }: JobRecord): boolean => progress?.stage === 'evaluate' && progress.done >= 1;

  it('is done cell by cell, also by a worker that follows one that was killed, and makes no version', async () => {
    const { id } = await service.queue.submit(spec);
    const { job: halfway } = await followUntil(service.queue, id, isMeasuring);
    expect(halfway.progress?.total).toBe(10);
    process.kill(worker.pid ?? 0, 'SIGKILL');
    const { job } = await followUntil(service.queue, id, ended);
    expect(job, JSON.stringify(job.problem)).toMatchObject({
      state: 'succeeded',
      attempts: 2,
      resultVersion: undefined,
    });
    const grid = whitepaperSchema.parse(
      JSON.parse(new TextDecoder().decode(await service.store.artifacts.read(job.gridSha256 ?? ''))),
    );
    expect(grid.cells).toHaveLength(10);
    const record = await service.store.metadata.model('digits');
    expect(record.versions.every(({ kind }) => kind === 'fp32')).toBe(true);
    const found = await service.store.metadata.latestGridJob(
      await service.store.metadata.version('digits', spec.version),
    );
    expect(found?.id).toBe(id);
  });

  it('is cancelled between cells, and leaves nothing', async () => {
    const { id } = await service.queue.submit(spec);
    await followUntil(service.queue, id, isMeasuring);
    await service.queue.cancel(id);
    const { job } = await followUntil(service.queue, id, ended);
    expect(job).toMatchObject({ state: 'cancelled', gridSha256: undefined });
    const version = await service.store.metadata.version('digits', spec.version);
    expect(await service.store.metadata.latestGridJob(version)).toBeUndefined();
  });
});
