import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { gunzipSync, gzipSync, inflateSync } from 'node:zlib';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InferenceClient } from '../../src/client/index.ts';
import { colorImage } from '../support/images.ts';
import { colorNetwork } from '../support/networks.ts';
import { qdqNetwork } from '../support/qdqNetwork.ts';
import { octets, startTestService, type TestService } from '../support/service.ts';

/** What only a real connection shows. */

let service: TestService;
let url: string;
let port: number;

beforeAll(async () => {
  service = await startTestService();
  url = await service.app.listen({ host: '127.0.0.1', port: 0 });
  ({ port } = service.app.server.address() as AddressInfo);
  for (const [name, file] of [
    ['colors', colorNetwork()],
    ['foreign', qdqNetwork()],
  ] as const) {
    const answer = await service.inject({ method: 'POST', url: `/v1/models/${name}/versions`, ...octets(file) });
    expect(answer.statusCode, answer.body).toBe(201);
  }
});
afterAll(() => service.stop());

/** Sends bytes as they are and reads until the other side closes or `done` is seen. */
async function speak(text: string | Buffer, done = /\r\n\r\n[^]*/): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write(text);
  let answer = '';
  for await (const chunk of socket) {
    answer += String(chunk);
    if (done.test(answer)) break;
  }
  socket.destroy();
  return answer;
}

describe('a client that goes away in the middle', () => {
  it('leaves nothing of its upload', async () => {
    const before = await service.files();
    for (const path of ['/v1/models/colors/versions', '/v1/datasets']) {
      const request = httpRequest({
        port,
        host: '127.0.0.1',
        method: 'POST',
        path,
        headers: { 'content-type': 'application/octet-stream', 'content-length': 10_000_000 },
      });
      request.on('error', () => undefined);
      request.write(Buffer.alloc(100_000));
      await expect.poll(async () => (await service.files()).length, { timeout: 5_000 }).toBeGreaterThan(before.length);
      request.destroy();
      await expect.poll(() => service.files(), { timeout: 5_000 }).toEqual(before);
    }
    expect((await fetch(`${url}/v2/health/ready`)).status).toBe(200);
  });

  it('leaves the queue, so that nothing is computed for it', async () => {
    const slow = await startTestService({ OCTET_THREADS: '1', OCTET_ENGINE_TIER: 'reference' });
    try {
      const address = new URL(await slow.app.listen({ host: '127.0.0.1', port: 0 }));
      const file = octets(qdqNetwork({ channels: 64 }));
      expect((await slow.inject({ method: 'POST', url: '/v1/models/m/versions', ...file })).statusCode).toBe(201);
      expect((await slow.inject({ method: 'POST', url: '/v2/repository/models/m/load' })).statusCode).toBe(200);
      const infer = (samples: number, signal?: AbortSignal) => {
        const data = new Array<number>(samples * 192).fill(1);
        const body = JSON.stringify({ inputs: [{ name: 'image', shape: [samples, 3, 8, 8], datatype: 'FP32', data }] });
        return fetch(new URL('/v2/models/m/infer', address), { method: 'POST', body, signal: signal ?? null });
      };
      const metric = async (name: string) =>
        (await slow.inject({ url: '/metrics' })).body.split('\n').find((line) => line.startsWith(name));
      const long = infer(1_500);
      const client = new AbortController();
      const short: Promise<unknown>[] = [];
      // once the long one runs, the next has to wait
      await expect
        .poll(
          async () => {
            short.push(infer(1, client.signal).catch(() => undefined));
            return metric('octet_inference_pending');
          },
          { timeout: 20_000 },
        )
        .toMatch(/ [1-9]/);
      client.abort();
      await expect
        .poll(() => metric('octet_inference_refused_total'), { timeout: 20_000 })
        .toMatch(/\{code="CANCELLED"\} [1-9]/);
      expect((await long).status).toBe(200);
      await Promise.all(short);
    } finally {
      await slow.stop();
    }
  });

  it('leaves nothing of its multipart upload either', async () => {
    const before = await service.files();
    const request = httpRequest({
      port,
      host: '127.0.0.1',
      method: 'POST',
      path: '/v1/quantize',
      headers: { 'content-type': 'multipart/form-data; boundary=b', 'content-length': 10_000_000 },
    });
    request.on('error', () => undefined);
    request.write(
      '--b\r\ncontent-disposition: form-data; name="model"; filename="m.onnx"\r\ncontent-type: application/octet-stream\r\n\r\n',
    );
    request.write(Buffer.alloc(200_000));
    await expect.poll(async () => (await service.files()).length, { timeout: 5_000 }).toBeGreaterThan(before.length);
    request.destroy();
    await expect.poll(() => service.files(), { timeout: 5_000 }).toEqual(before);
  });
});

describe('a body larger than allowed', () => {
  it('is refused by its Content-Length before it is sent', async () => {
    const answer = await speak(
      `POST /v1/models/colors/versions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/octet-stream\r\ncontent-length: 99999999999\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(answer).toContain('UPLOAD_TOO_LARGE');
    expect(answer.toLowerCase()).toContain('connection: close');
  });
});

describe('the protocol by hand', () => {
  const json = JSON.stringify({
    inputs: [{ name: 'image', shape: [1, 3, 8, 8], datatype: 'FP32', data: new Array<number>(192).fill(0) }],
  });
  const infer = '/v2/models/foreign/infer';

  it('needs no Content-Type', async () => {
    const answer = await speak(
      `POST ${infer} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: ${json.length}\r\n\r\n${json}`,
      /\r\n\r\n.*\}$/,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(answer).toContain('"model_name":"foreign"');
  });

  it('takes chunks of any size', async () => {
    const chunks = [json.slice(0, 1), json.slice(1, 200), json.slice(200)]
      .map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`)
      .join('');
    const answer = await speak(
      `POST ${infer} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`,
      /\r\n\r\n.*\}$/,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  });

  it.each([
    ['a broken chunk size', `POST ${infer} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n`],
    ['two lengths', `POST ${infer} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}`],
    [
      'a length and chunks',
      `POST ${infer} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    ['no HTTP at all', 'hello\r\n\r\n'],
  ])('refuses %s and answers the next', async (_what, text) => {
    expect(await speak(text)).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect((await fetch(`${url}/v2/health/live`)).status).toBe(200);
  });

  it.each(['gzip', 'deflate'])('understands %s, and answers in it', async (encoding) => {
    const many = JSON.stringify({
      inputs: [{ name: 'image', shape: [200, 3, 8, 8], datatype: 'FP32', data: new Array<number>(38_400).fill(0) }],
    });
    const body = encoding === 'gzip' ? gzipSync(many) : (await import('node:zlib')).deflateSync(many);
    const answer = await new Promise<{ encoding: string | undefined; body: Buffer }>((resolve, reject) => {
      const request = httpRequest(
        {
          port,
          host: '127.0.0.1',
          method: 'POST',
          path: infer,
          headers: { 'content-encoding': encoding, 'accept-encoding': encoding },
        },
        (response) => {
          const parts: Buffer[] = [];
          response.on('data', (part: Buffer) => parts.push(part));
          response.on('end', () =>
            resolve({ encoding: response.headers['content-encoding'], body: Buffer.concat(parts) }),
          );
        },
      );
      request.on('error', reject);
      request.end(body);
    });
    expect(answer.encoding).toBe(encoding);
    const text = String(encoding === 'gzip' ? gunzipSync(answer.body) : inflateSync(answer.body));
    expect((JSON.parse(text) as { outputs: { shape: number[] }[] }).outputs[0]?.shape).toEqual([200, 4, 1, 1]);
  });

  it('takes one raw tensor', async () => {
    const response = await fetch(`${url}${infer}`, {
      method: 'POST',
      body: new Float32Array(384),
      headers: { 'inference-header-content-length': '0' },
    });
    expect(response.status).toBe(200);
    const length = Number(response.headers.get('inference-header-content-length'));
    const bytes = Buffer.from(await response.arrayBuffer());
    expect(JSON.parse(bytes.toString('utf8', 0, length))).toMatchObject({
      outputs: [{ shape: [2, 4, 1, 1], parameters: { binary_data_size: 32 } }],
    });
    expect(bytes.length - length).toBe(32);
  });
});

describe('the client', () => {
  it('sees the same numbers as JSON does, on fp32 and int8 versions', async () => {
    const client = new InferenceClient(url);
    expect(await client.isReady()).toBe(true);
    expect(await client.isReady('nobody')).toBe(false);
    const data = Float32Array.from({ length: 384 }, (_, i) => Math.sin(i));
    for (const model of ['colors', 'foreign']) {
      const binary = await client.infer(model, { image: { datatype: 'FP32', shape: [2, 3, 8, 8], data } }, { id: 'x' });
      const response = await fetch(`${url}/v2/models/${model}/infer`, {
        method: 'POST',
        body: JSON.stringify({ inputs: [{ name: 'image', datatype: 'FP32', shape: [2, 3, 8, 8], data: [...data] }] }),
      });
      const json = (await response.json()) as { outputs: { data: number[] }[] };
      expect(binary).toMatchObject({ model, version: '1', id: 'x' });
      expect([...(binary.outputs['scores']?.data ?? [])]).toEqual(json.outputs[0]?.data);
    }
  });

  it("gets the server's words", async () => {
    await expect(new InferenceClient(url).infer('colors', {})).rejects.toMatchObject({
      status: 400,
      message: expect.stringContaining("'inputs'") as string,
    });
    await expect(new InferenceClient(url).metadata('nobody')).rejects.toMatchObject({
      status: 404,
      message: expect.stringMatching(/^Request for unknown model/) as string,
    });
  });
});

describe('stopping', () => {
  it('ends streams and keep-alive connections at once, lets requests finish, and refuses new ones', async () => {
    const short = await startTestService({ OCTET_STOP_GRACE: '10' });
    const address = await short.app.listen({ host: '127.0.0.1', port: 0 });
    const form = new FormData();
    form.set('name', 'slow');
    form.set('model', new Blob([new Uint8Array(colorNetwork())]), 'm.onnx');
    form.set('recipe', '{"activations":"none"}');
    await fetch(`${address}/v1/quantize`, { method: 'POST', body: form });
    const keepAlive = await fetch(`${address}/v2/health/live`);
    await keepAlive.text();
    const predictions = Array.from({ length: 8 }, async () =>
      fetch(`${address}/v1/models/slow/predict`, {
        method: 'POST',
        body: new Uint8Array(await colorImage('red', 1)),
        headers: { 'content-type': 'image/png' },
      }),
    );
    const first = await Promise.race(predictions);
    expect(first.status).toBe(200);
    const started = performance.now();
    await short.stop();
    expect(performance.now() - started).toBeLessThan(20_000);
    for (const answer of await Promise.allSettled(predictions))
      if (answer.status === 'fulfilled') expect([200, 503]).toContain(answer.value.status);
    await expect(fetch(`${address}/v2/health/live`)).rejects.toThrow();
  });
});
