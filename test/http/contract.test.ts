import { readFile } from 'node:fs/promises';
import type { InjectOptions, LightMyRequestResponse } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { errorCatalogue } from '../../src/base/index.ts';
import { defaultPreprocessing, preprocessImage } from '../../src/data/index.ts';
import { jobOnlyErrors } from '../../src/http/errorGroups.ts';
import { renderOpenapi } from '../../src/http/renderOpenapi.ts';
import { tensorOf } from '../../src/tensor/index.ts';
import { colorImage, colorZip } from '../support/images.ts';
import { colorNetwork, colors } from '../support/networks.ts';
import { Contract, exchangeOf, readOpenapi } from '../support/contract.ts';
import { multipart, octets, startTestService, type TestService } from '../support/service.ts';

let contract: Contract;
let service: TestService;

beforeAll(async () => {
  contract = new Contract(await readOpenapi());
  service = await startTestService();
});
afterAll(() => service.stop());

/** Sends a request and holds the answer to the document. */
async function send(options: InjectOptions & { url: string }, status: number): Promise<LightMyRequestResponse> {
  const answer = await service.inject(options);
  expect(answer.statusCode, `${options.method ?? 'GET'} ${options.url}: ${answer.body.slice(0, 500)}`).toBe(status);
  contract.expect(exchangeOf(answer));
  return answer;
}

const get = (url: string, status = 200, headers: Record<string, string> = {}) => send({ url, headers }, status);
const post = (url: string, payload: object | string | Buffer, status: number, headers: Record<string, string> = {}) =>
  send({ method: 'POST', url, payload, headers }, status);

async function untilEnded(location: string): Promise<{ state: string; resultVersion?: number; problem?: unknown }> {
  for (;;) {
    const job = (await get(`${location}?wait=20`)).json<{ state: string; resultVersion?: number; problem?: unknown }>();
    if (job.state !== 'queued' && job.state !== 'running') return job;
  }
}

describe('the committed document', () => {
  it('is what the routes say: run `npm run openapi` after a change', async () => {
    expect(await readFile(new URL('../../openapi/openapi.yaml', import.meta.url), 'utf8')).toBe(await renderOpenapi());
  });

  it('knows every code of the catalogue, and no other', () => {
    const declared = new Set<string>();
    for (const operations of Object.values(contract.document.paths))
      for (const operation of Object.values(operations))
        for (const response of Object.values(operation.responses))
          for (const code of response['x-error-codes'] ?? []) declared.add(code);
    const expected = Object.keys(errorCatalogue).filter(
      (code) => code !== 'ROUTE_NOT_FOUND' && !(jobOnlyErrors as readonly string[]).includes(code),
    );
    expect([...declared].sort()).toEqual(expected.sort());
    const problem = contract.document.components.schemas['Problem'] as { properties: { code: { enum: string[] } } };
    expect(problem.properties.code.enum.toSorted()).toEqual(Object.keys(errorCatalogue).sort());
  });
});

describe('the main job', () => {
  it('goes from one upload to an int8 endpoint', async () => {
    const form = await multipart([
      { name: 'name', value: 'colors' },
      { name: 'model', value: colorNetwork(), fileName: 'colors.onnx' },
      { name: 'calibration', value: await colorZip(8), fileName: 'calibration.zip' },
      { name: 'evaluation', value: await colorZip(8, 500_000), fileName: 'evaluation.zip' },
      { name: 'labels', value: colors.join('\n') },
      { name: 'recipe', value: '{}' },
    ]);
    const accepted = await send(
      { method: 'POST', url: '/v1/quantize', ...form, headers: { ...form.headers, 'idempotency-key': 'one' } },
      202,
    );
    const location = accepted.headers.location ?? '';
    const job = await untilEnded(location);
    expect(job.state, JSON.stringify(job.problem)).toBe('succeeded');
    expect(job.resultVersion).toBe(2);

    const again = await send(
      { method: 'POST', url: '/v1/quantize', ...form, headers: { ...form.headers, 'idempotency-key': 'one' } },
      202,
    );
    expect(again.headers.location).toBe(location);
    expect((await get('/v1/models/colors')).json<{ versions: unknown[] }>().versions).toHaveLength(2);
    const other = await multipart([
      { name: 'name', value: 'colors' },
      { name: 'model', value: colorNetwork(), fileName: 'colors.onnx' },
      { name: 'recipe', value: '{"activations":"none"}' },
    ]);
    await send(
      { method: 'POST', url: '/v1/quantize', ...other, headers: { ...other.headers, 'idempotency-key': 'one' } },
      422,
    );
    await send({ method: 'DELETE', url: location }, 409);
  });

  it('has a live version that classifies images it has never seen', async () => {
    for (const [index, color] of colors.entries()) {
      const answer = await post('/v1/models/colors/predict?top_k=2', await colorImage(color, 900_000, 'webp'), 200, {
        'content-type': 'image/webp',
      });
      const prediction = answer.json<{
        version: number;
        kind: string;
        scores: string;
        classes: { index: number; label: string; score: number }[];
      }>();
      expect(prediction).toMatchObject({ version: 2, kind: 'int8', scores: 'softmax' });
      expect(prediction.classes[0]).toMatchObject({ index, label: color });
      expect(prediction.classes).toHaveLength(2);
      expect(answer.headers['server-timing']).toMatch(
        /^queue;dur=.*preprocess;dur=.*compute;dur=.*postprocess;dur=.*total;dur=/,
      );
    }
  });

  it('answers an image as it answers the tensor that preprocessing makes of it', async () => {
    const shape = [1, 3, 8, 8];
    const input = { name: 'image', dtype: 'float32', shape, layout: 'NCHW' } as const;
    for (const [seed, color] of colors.entries()) {
      const image = await colorImage(color, seed, 'jpeg', 40);
      const predicted = await post('/v1/models/colors/predict?version=2&raw=true', image, 200, {
        'content-type': 'image/jpeg',
      });
      const { data } = tensorOf(await preprocessImage(image, input, defaultPreprocessing));
      const inputs = [{ name: 'image', datatype: 'FP32', shape, data: Array.from(data, Number) }];
      const inferred = await post('/v2/models/colors/versions/2/infer', JSON.stringify({ inputs }), 200);
      const [one, other] = [predicted, inferred].map((answer) => answer.json<{ outputs: { data: number[] }[] }>());
      expect(one?.outputs[0]?.data).toHaveLength(4);
      expect(one?.outputs[0]?.data).toEqual(other?.outputs[0]?.data);
    }
  });

  it('takes the image as a part, and gives raw outputs when asked', async () => {
    const form = await multipart([
      { name: 'image', value: await colorImage('blue', 3, 'jpeg', 40), fileName: '../../x.jpg' },
    ]);
    const answer = await send({ method: 'POST', url: '/v1/models/colors/predict?version=1&raw=true', ...form }, 200);
    expect(answer.json()).toMatchObject({
      version: 1,
      kind: 'fp32',
      outputs: [{ name: 'scores', datatype: 'FP32', shape: [1, 4] }],
    });
    expect(answer.json<{ classes: { label: string }[] }>().classes[0]?.label).toBe('blue');
  });

  it('refuses what is no image', async () => {
    await post('/v1/models/colors/predict', { a: 1 }, 415, { 'content-type': 'application/json' });
    await post('/v1/models/colors/predict', '', 400, { 'content-type': 'image/png' });
    await post('/v1/models/nobody/predict', await colorImage('red', 1), 404, { 'content-type': 'image/png' });
    await post('/v1/models/colors/predict?top_k=0', await colorImage('red', 1), 400, { 'content-type': 'image/png' });
  });

  it('has a report, as JSON and as a page', async () => {
    expect(Object.keys((await get('/v1/models/colors/versions/2/report')).json<object>()).length).toBeGreaterThan(3);
    const page = await get('/v1/models/colors/versions/2/report.html');
    expect(page.body).toMatch(/^<!doctype html>/i);
    await get('/v1/models/colors/versions/1/report', 404);
    await get('/v1/models/colors/versions/1/report.html', 404);
  });

  it("has the whitepaper's tables for a version, once a job has measured them", async () => {
    const whitepaper = '/v1/models/colors/versions/1/whitepaper';
    expect((await get(whitepaper, 404)).json()).toMatchObject({ code: 'WHITEPAPER_NOT_FOUND' });
    const datasets = (await get('/v1/datasets')).json<{ items: { id: string }[] }>().items;
    const [calibration, evaluation] = datasets.map(({ id }) => id);
    await post(whitepaper, {}, 400);
    await post(whitepaper, { calibration: 'nothing' }, 404);
    await post('/v1/models/colors/versions/2/whitepaper', { calibration }, 422);
    const accepted = await post(whitepaper, { calibration, evaluation }, 202);
    expect(accepted.json()).toMatchObject({ kind: 'whitepaper', model: 'colors', version: 1 });
    const job = await untilEnded(accepted.headers.location ?? '');
    expect(job, JSON.stringify(job.problem)).toMatchObject({ state: 'succeeded', links: { whitepaper } });
    expect(job.resultVersion).toBeUndefined();
    const page = await get(`${whitepaper}.html`);
    expect(page.headers['content-type']).toContain('text/html');
    expect(page.body).toContain('weights 8 bit, symmetric per channel');
    const grid = (await get(whitepaper)).json<{ floatTop1: number; cells: { key: string; top1: number }[] }>();
    expect(grid).toMatchObject({ samples: { calibration: 32, evaluation: 32 }, floatTop1: 1 });
    expect(grid.cells.map(({ key }) => key)).toEqual(
      expect.arrayContaining(['w8l', 'w8s', 'w8a', 'b8l', 'b8s', 'b8a', 'a8', 'w4l', 'w4s', 'a4']),
    );
    expect(grid.cells.find(({ key }) => key === 'b8s')?.top1).toBe(1);
    expect((await get('/v1/models/colors')).json<{ versions: unknown[] }>().versions).toHaveLength(2);
  });

  it('has files that can be downloaded whole, in part, or not at all', async () => {
    const file = '/v1/models/colors/versions/1/file';
    const whole = await get(file);
    expect(whole.rawPayload.equals(colorNetwork())).toBe(true);
    expect(whole.headers['content-disposition']).toBe('attachment; filename="colors-v1-fp32.onnx"');
    const etag = String(whole.headers.etag);
    await get(file, 304, { 'if-none-match': etag });
    await get(file, 304, { 'if-none-match': `"other", W/${etag}` });
    const part = await get(file, 206, { range: 'bytes=10-19', 'if-range': etag });
    expect(part.rawPayload.equals(whole.rawPayload.subarray(10, 20))).toBe(true);
    expect(part.headers['content-range']).toBe(`bytes 10-19/${whole.rawPayload.length}`);
    await get(file, 200, { range: 'bytes=10-19', 'if-range': '"stale"' });
    const beyond = await get(file, 416, { range: 'bytes=99999999-' });
    expect(beyond.headers['content-range']).toBe(`bytes */${whole.rawPayload.length}`);
    const head = await send({ method: 'HEAD', url: file }, 200);
    expect(head.headers['content-length']).toBe(String(whole.rawPayload.length));
    expect(head.rawPayload).toHaveLength(0);
  });
});

describe('models, data sets and jobs', () => {
  it('are listed in pages', async () => {
    for (const list of ['models', 'datasets', 'jobs']) {
      const first = (await get(`/v1/${list}?limit=1`)).json<{ items: unknown[]; next?: string }>();
      expect(first.items).toHaveLength(1);
      if (first.next !== undefined) await get(`/v1/${list}?limit=1&after=${encodeURIComponent(first.next)}`);
      const refused = await get(`/v1/${list}?limit=0`, 400);
      expect(refused.json()).toMatchObject({ code: 'INVALID_REQUEST', errors: [{ in: 'query', pointer: '/limit' }] });
    }
  });

  it('take versions with their settings, and aliases that move and roll back', async () => {
    const form = await multipart([
      { name: 'model', value: colorNetwork(), fileName: 'm.onnx' },
      { name: 'preprocessing', value: '{"color":"bgr"}' },
      { name: 'labels', value: JSON.stringify(colors) },
    ]);
    const created = await send({ method: 'POST', url: '/v1/models/second/versions', ...form }, 201);
    expect(created.json()).toMatchObject({
      version: 1,
      kind: 'fp32',
      live: true,
      preprocessing: { color: 'bgr' },
      labels: [...colors],
      operators: { Conv: 1 },
    });
    expect(created.headers.location).toBe('/v1/models/second/versions/1');
    await send({ method: 'POST', url: '/v1/models/second/versions', ...octets(colorNetwork()) }, 201);
    const alias = (version: number, status: number, name = 'prod') =>
      send({ method: 'PUT', url: `/v1/models/second/aliases/${name}`, payload: { version } }, status);
    expect((await alias(2, 200)).json()).toMatchObject({ live: 2, aliases: { prod: 2 } });
    expect((await alias(1, 200)).json()).toMatchObject({ live: 1 });
    await alias(9, 404);
    await alias(1, 400, '7');
    await get('/v1/models/second/versions/prod');
    await send({ method: 'DELETE', url: '/v1/models/second/versions/1' }, 409);
    await send({ method: 'DELETE', url: '/v1/models/second/aliases/prod' }, 204);
    await send({ method: 'DELETE', url: '/v1/models/second/aliases/prod' }, 404);
    await send({ method: 'DELETE', url: '/v1/models/second/versions/1' }, 204);
    await get('/v1/models/second/versions/1', 404);
    await send({ method: 'DELETE', url: '/v1/models/second' }, 204);
    await get('/v1/models/second', 404);
  });

  it('take a job on stored things, follow it and cancel it', async () => {
    const dataset = await send({ method: 'POST', url: '/v1/datasets?name=few', ...octets(await colorZip(3)) }, 201);
    const { id } = dataset.json<{ id: string }>();
    expect(dataset.json()).toMatchObject({
      name: 'few',
      format: 'zip',
      kind: 'images',
      sampleCount: 12,
      labelled: true,
      classNames: [...colors],
    });
    await get(`/v1/datasets/${id}`);
    const created = await post(
      '/v1/jobs',
      { model: 'colors', calibration: id, recipe: { activations: { calibrator: 'minMax' } } },
      202,
    );
    const location = created.headers.location ?? '';
    const events = await get(`${location}/events`);
    expect(events.body).toMatch(/^retry: \d+\n\nid: \d+\nevent: (queued|running|succeeded)\ndata: \{/);
    const last = Number([...events.body.matchAll(/^id: (\d+)$/gm)].at(-1)?.[1]);
    expect(events.body).toMatch(/event: succeeded\n/);
    const resumed = await get(`${location}/events`, 200, { 'last-event-id': String(last) });
    expect(resumed.body).not.toContain('data:');
    await send({ method: 'DELETE', url: `/v1/datasets/${id}` }, 204);
    await send({ method: 'DELETE', url: `/v1/datasets/${id}` }, 404);
    await post('/v1/jobs', { model: 'colors', calibration: id }, 404);
    await post('/v1/jobs', { model: 'colors' }, 422);
    const cancelled = await post('/v1/jobs', { model: 'colors', recipe: { activations: 'none' } }, 202);
    const answer = await service.inject({ method: 'DELETE', url: cancelled.headers.location ?? '' });
    contract.expect(exchangeOf(answer));
    expect([200, 409]).toContain(answer.statusCode);
  });

  it('name every complaint about a body by its pointer', async () => {
    const refused = await post('/v1/jobs', { model: 'Bad Name', recipe: { weights: { bits: 9 } }, extra: 1 }, 400);
    expect(refused.json<{ errors: { pointer: string }[] }>().errors.map(({ pointer }) => pointer)).toEqual(
      expect.arrayContaining(['/model', '/recipe/weights/bits']),
    );
    expect(refused.headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(refused.json<{ instance: string }>().instance).toBe(
      `urn:request:${String(refused.headers['x-request-id'])}`,
    );
  });
});

describe('the service itself', () => {
  it('tells what it runs on, and what it has done', async () => {
    const engine = (await get('/v1/engine')).json<{ selfTest: Record<string, string>; tier: string }>();
    expect(engine.selfTest[engine.tier]).toBe('passed');
    const metrics = (await get('/metrics')).body;
    for (const stage of ['queue', 'preprocess', 'compute', 'postprocess'])
      expect(metrics).toMatch(
        new RegExp(
          `octet_inference_stage_duration_seconds_count\\{model="colors",version="2",stage="${stage}"\\} [1-9]`,
        ),
      );
    expect(metrics).toMatch(/octet_jobs\{state="succeeded"\} [1-9]/);
  });

  it('keeps a harmless request id and replaces any other', async () => {
    expect((await get('/v2', 200, { 'x-request-id': 'abc-123' })).headers['x-request-id']).toBe('abc-123');
    expect((await get('/v2', 200, { 'x-request-id': 'a b\t' })).headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('has a page, a browsable document, and nothing else', async () => {
    for (const url of ['/', '/page.js', '/docs/', '/openapi.json'])
      expect((await service.inject({ url })).statusCode, url).toBe(200);
    const policyOf = async (url: string) => (await service.inject({ url })).headers['content-security-policy'];
    expect(await policyOf('/docs/')).toMatch(/style-src 'self' 'unsafe-hashes' 'sha256-[^']+';/);
    expect(await policyOf('/')).toContain("style-src 'self';");
    const missing = await service.inject({ url: '/v1/secrets' });
    expect(missing.json()).toMatchObject({ status: 404, code: 'ROUTE_NOT_FOUND' });
    expect((await service.inject({ method: 'PUT', url: '/v1/models' })).statusCode).toBe(404);
  });
});

describe('the inference protocol', () => {
  const model = '/v2/models/colors';
  const inputs = [{ name: 'image', datatype: 'FP32', shape: [1, 3, 8, 8], data: new Array<number>(192).fill(0.5) }];

  it('answers health, metadata, configuration and readiness', async () => {
    await get('/v2/health/live');
    await get('/v2/health/ready');
    expect((await get('/v2')).json()).toMatchObject({
      name: 'octet',
      extensions: expect.arrayContaining(['binary_tensor_data', 'classification']) as string[],
    });
    for (const path of [model, `${model}/versions/2`, `${model}/versions/1`]) {
      expect((await get(path)).json()).toMatchObject({
        name: 'colors',
        inputs: [{ name: 'image', datatype: 'FP32', shape: [-1, 3, 8, 8] }],
      });
      expect((await get(`${path}/config`)).json()).toMatchObject({
        input: [{ dims: ['3', '8', '8'], data_type: 'TYPE_FP32', format: 'FORMAT_NCHW' }],
      });
      expect((await get(`${path}/ready`)).json()).toEqual({ name: 'colors', ready: true });
    }
    for (const path of [
      '/v2/models/nobody',
      `${model}/versions/77`,
      '/v2/models/nobody/ready',
      '/v2/models/nobody/config',
      '/v2/models/nobody/stats',
    ]) {
      const { error } = (await get(path, 404)).json<{ error: string }>();
      expect(error).toMatch(/^Request for unknown model/);
    }
  });

  it('infers, and counts what it inferred', async () => {
    for (const path of [model, `${model}/versions/1`]) await post(`${path}/infer`, JSON.stringify({ inputs }), 200);
    for (const path of ['/v2/models/stats', `${model}/stats`, `${model}/versions/2/stats`]) {
      const { model_stats: stats } = (await get(path)).json<{
        model_stats: { version: string; inference_count: number }[];
      }>();
      expect(stats.find(({ version }) => version === '2')?.inference_count).toBeGreaterThan(0);
    }
  });

  it('has a repository whose models are unloaded and loaded', async () => {
    const index = async (body: string) =>
      (await post('/v2/repository/index', body, 200)).json<{ name: string; version: string; state: string }[]>();
    expect(await index('')).toContainEqual({ name: 'colors', version: '2', state: 'READY', reason: '' });
    await post('/v2/repository/models/colors/unload', '', 200);
    await get(`${model}/ready`, 503);
    await post(`${model}/infer`, JSON.stringify({ inputs }), 503);
    expect(await index('{"ready":true}')).toEqual([]);
    await post('/v2/repository/models/colors/load', '{}', 200);
    await get(`${model}/ready`);
    await post('/v2/repository/models/nobody/load', '', 404);
    await post('/v2/repository/models/colors/load', '{"parameters":{"config":"{}"}}', 400);
    await post('/v2/repository/index', '{"ready":"yes"}', 400);
  });
});

it('every documented operation was exercised', () => {
  const all = Object.values(contract.document.paths).flatMap((operations) =>
    Object.values(operations).map(({ operationId }) => operationId),
  );
  expect(all.filter((operationId) => !contract.exercised.has(operationId))).toEqual([]);
});
