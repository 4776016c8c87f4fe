import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startService, type ServiceProcess } from '../../src/cli/demo/serviceProcess.ts';
import { call, expectClassifies, runMainJob } from './mainJob.ts';

describe('the service as a process', () => {
  let folder: string;
  let service: ServiceProcess;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'octet-e2e-'));
    service = await startService(folder);
  });
  afterAll(async () => {
    await service.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('runs the main job from upload to prediction', { timeout: 180_000 }, async () => {
    const { version } = await runMainJob(service, { evaluationImages: 500 });

    const report = (await (await call(service, `/v1/models/digits/versions/${version}/report`)).json()) as object;
    expect(Object.keys(report).length).toBeGreaterThan(3);
    const file = await call(service, `/v1/models/digits/versions/${version}/file`);
    expect(file.status).toBe(200);
    const sizeBytes = (await file.arrayBuffer()).byteLength;
    expect(sizeBytes).toBeGreaterThan(60_000);
    expect(sizeBytes).toBeLessThan(272_061 / 2);
  });

  it('answers the protocol for the version it made', async () => {
    expect((await call(service, '/v2/health/ready')).status).toBe(200);
    const metadata = (await (await call(service, '/v2/models/digits')).json()) as { inputs: { shape: number[] }[] };
    expect(metadata.inputs[0]?.shape).toEqual([-1, 1, 28, 28]);
    const response = await call(service, '/v2/models/digits/infer', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        inputs: [{ name: 'image', shape: [1, 1, 28, 28], datatype: 'FP32', data: new Array<number>(784).fill(0) }],
      }),
    });
    const answer = (await response.json()) as { outputs: { shape: number[]; data: number[] }[] };
    expect(response.status, JSON.stringify(answer)).toBe(200);
    expect(answer.outputs[0]?.shape).toEqual([1, 10]);
    expect(answer.outputs[0]?.data.every(Number.isFinite)).toBe(true);
  });

  it('keeps everything over a restart', async () => {
    const before = await (await call(service, '/v1/models/digits')).json();
    await service.stop();
    service = await startService(folder);
    expect(await (await call(service, '/v1/models/digits')).json()).toEqual(before);
    await expectClassifies(service);
  });
});
