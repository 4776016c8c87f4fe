import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { InjectOptions } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tierReport } from '../../src/engine/index.ts';
import { colorNetwork } from '../support/networks.ts';
import { qdqNetwork } from '../support/qdqNetwork.ts';
import { multipart, octets, startTestService, type TestService } from '../support/service.ts';

describe('a service that is told which tier to use', () => {
  const environment = { OCTET_ENGINE_TIER: 'simd', OCTET_LOG_LEVEL: 'silent' };
  let service: TestService;
  const send = (options: InjectOptions | string) =>
    service.inject(typeof options === 'string' ? { url: options } : options);
  const loadModel = (name: string) => send({ method: 'POST', url: `/v2/repository/models/${name}/load` });

  beforeAll(async () => {
    service = await startTestService(environment);
    const file = octets(qdqNetwork());
    expect((await send({ method: 'POST', url: '/v1/models/m/versions', ...file })).statusCode).toBe(201);
  });
  afterAll(() => service.stop());

  it('runs its versions on that tier and says why', async () => {
    expect((await send('/v1/engine')).json()).toMatchObject({ ...tierReport('simd'), tier: 'simd', loaded: [] });
    expect((await loadModel('m')).statusCode).toBe(200);
    expect((await send('/v1/engine')).json<{ loaded: unknown }>().loaded).toEqual([
      { model: 'm', version: 1, tier: 'simd', mismatchedTiers: [], memoryBytes: expect.any(Number) as number },
    ]);
  });

  it('measures its jobs on that tier', async () => {
    const form = await multipart([
      { name: 'name', value: 'colors' },
      { name: 'model', value: colorNetwork(), fileName: 'colors.onnx' },
      { name: 'recipe', value: '{"activations":"none"}' },
    ]);
    const accepted = await send({ method: 'POST', url: '/v1/quantize', ...form });
    const url = String(accepted.headers.location);
    await expect
      .poll(async () => (await send(url)).json<{ state: string }>().state, { timeout: 60_000 })
      .toBe('succeeded');
    const report = await send('/v1/models/colors/versions/2/report');
    expect(report.json<{ engine: unknown }>().engine).toEqual({ tier: 'simd', reason: tierReport('simd').reason });
  });

  it('does not serve a version whose golden output no tier gives: it says so, and counts it', async () => {
    const database = new Database(join(service.dataDir, 'octet.db'));
    database.exec(`UPDATE versions SET golden = '${'0'.repeat(64)}' WHERE model = 'm'`);
    database.close();
    // records of versions never change, so the service reads them once
    await service.service.stop();
    const { dataDir } = service;
    service = await startTestService({ ...environment, OCTET_DATA_DIR: dataDir });
    const refused = await loadModel('m');
    expect(refused.statusCode).toBe(503);
    expect(refused.json<{ error: string }>().error).toMatch(/golden output .* damaged/);
    expect((await send('/v2/models/m/ready')).statusCode).not.toBe(200);
    const metrics = (await send('/metrics')).body;
    for (const tier of ['simd', 'reference'])
      expect(metrics).toContain(`octet_golden_mismatch_total{tier="${tier}"} 1`);
    expect(metrics).not.toContain('octet_golden_mismatch_total{tier="wide"}');
  });
});
