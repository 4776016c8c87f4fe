import { expect } from 'vitest';
import {
  digitsLabels,
  digitsPreprocessing,
  encodeDigit,
  readDigits,
  readDigitsModel,
  zipDigits,
} from '../../src/cli/sample/digits.ts';

export interface Endpoint {
  readonly url: string;
  readonly token?: string;
}

export function call(endpoint: Endpoint, path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  if (endpoint.token !== undefined) headers.set('authorization', `Bearer ${endpoint.token}`);
  return fetch(new URL(path, endpoint.url), { ...init, headers });
}

interface Job {
  state: string;
  resultVersion?: number;
  problem?: unknown;
}

async function untilEnded(endpoint: Endpoint, location: string): Promise<Job> {
  for (;;) {
    const job = (await (await call(endpoint, location)).json()) as Job;
    if (!['queued', 'running'].includes(job.state)) return job;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** The whole main job over HTTP: the sample and real digits in, an int8 endpoint that classifies out. */
export async function runMainJob(
  endpoint: Endpoint,
  options: { evaluationImages: number },
): Promise<{ version: number }> {
  const form = new FormData();
  form.set('name', 'digits');
  form.set('model', new Blob([await readDigitsModel()]), 'digits-mobilenet.onnx');
  const calibration = zipDigits(await readDigits('training', { first: 0, count: 200 }));
  const evaluation = zipDigits(await readDigits('test', { first: 0, count: options.evaluationImages }));
  form.set('calibration', new Blob([calibration]), 'calibration.zip');
  form.set('evaluation', new Blob([evaluation]), 'evaluation.zip');
  form.set('preprocessing', JSON.stringify(digitsPreprocessing));
  form.set('labels', JSON.stringify(digitsLabels));
  const accepted = await call(endpoint, '/v1/quantize', { method: 'POST', body: form });
  const answer = await accepted.text();
  expect(accepted.status, answer).toBe(202);
  const location = accepted.headers.get('location');
  expect(location).toMatch(/^\/v1\/jobs\/[^/]+$/);

  const job = await untilEnded(endpoint, location ?? '');
  expect(job.state, JSON.stringify(job.problem)).toBe('succeeded');
  const version = job.resultVersion ?? -1;
  expect(version).toBe(2);

  await expectClassifies(endpoint);
  return { version };
}

/** Twenty test images that the network has never seen: at least nineteen come back with their digit on top. */
export async function expectClassifies(endpoint: Endpoint): Promise<void> {
  let right = 0;
  for (const digit of await readDigits('test', { first: 9_000, count: 20 })) {
    const response = await call(endpoint, '/v1/models/digits/predict', {
      method: 'POST',
      headers: { 'content-type': 'image/png' },
      body: new Uint8Array(encodeDigit(digit)),
    });
    const text = await response.text();
    expect(response.status, text).toBe(200);
    const { classes } = JSON.parse(text) as { classes: { label: string; score: number }[] };
    if (classes[0]?.label === String(digit.label)) right++;
  }
  expect(right).toBeGreaterThanOrEqual(19);
}
