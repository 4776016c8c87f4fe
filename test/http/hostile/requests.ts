import { gzipSync } from 'node:zlib';
import type { InjectOptions } from 'fastify';
import { colorZip } from '../../support/images.ts';
import { colorNetwork } from '../../support/networks.ts';
import type { Part } from '../../support/service.ts';
import type { HostileCase, Sending } from './hostileCase.ts';

/** Broken and malicious requests around honest files. */

const raw = (request: InjectOptions): Sending => ({ kind: 'raw', request });
const modelPart: Part = { name: 'model', value: colorNetwork(), fileName: 'm.onnx' };
const version = (...parts: readonly Part[]): Sending => ({ kind: 'version', parts });

const boundary = 'zzz';
const multipartType = { 'content-type': `multipart/form-data; boundary=${boundary}` };
const half = `--${boundary}\r\ncontent-disposition: form-data; name="model"; filename="../../m.onnx"\r\n\r\nhalf of a`;

const quantize = async (...parts: readonly Part[]): Promise<Sending> => ({
  kind: 'quantize',
  parts: [modelPart, { name: 'calibration', value: await colorZip(1), fileName: 'c.zip' }, ...parts],
});

const brokenMultipart: HostileCase[] = [
  {
    what: 'a body without its end',
    send: raw({ method: 'POST', url: '/v1/models/hostile/versions', payload: half, headers: multipartType }),
    answers: ['INVALID_MULTIPART'],
  },
  {
    what: 'no boundary',
    send: raw({
      method: 'POST',
      url: '/v1/models/hostile/versions',
      payload: half,
      headers: { 'content-type': 'multipart/form-data' },
    }),
    answers: ['INVALID_MULTIPART', 'INVALID_REQUEST', 'UNSUPPORTED_MEDIA_TYPE'],
  },
  {
    what: 'no parts',
    send: raw({ method: 'POST', url: '/v1/quantize', payload: `--${boundary}--\r\n`, headers: multipartType }),
    answers: ['MISSING_PART', 'INVALID_MULTIPART'],
  },
  {
    what: 'a part that nobody knows',
    send: version(modelPart, { name: 'owner', value: 'admin' }),
    answers: ['UNKNOWN_PART'],
  },
  {
    what: 'a part of a prototype',
    send: version(modelPart, { name: '__proto__', value: 'x' }),
    answers: ['INVALID_MULTIPART', 'UNKNOWN_PART'],
  },
  { what: 'the model twice', send: version(modelPart, modelPart), answers: ['INVALID_MULTIPART'] },
  {
    what: 'the model as text',
    send: version({ name: 'model', value: 'not a file' }),
    answers: ['UNKNOWN_PART', 'MISSING_PART'],
  },
  {
    what: 'a hundred parts',
    send: version(...Array.from({ length: 100 }, (_, i) => ({ name: `external:${i}`, value: Buffer.alloc(1) }))),
    answers: ['UPLOAD_TOO_LARGE'],
  },
  {
    what: 'two megabytes of preprocessing',
    send: version(modelPart, { name: 'preprocessing', value: ' '.repeat(2_097_152) }),
    answers: ['UPLOAD_TOO_LARGE'],
  },
  {
    what: 'labels as JSON of another kind',
    send: version(modelPart, { name: 'labels', value: '[1, 2, 3, 4]' }),
    answers: ['INVALID_REQUEST'],
  },
  {
    what: 'preprocessing that nests a thousand deep',
    send: version(modelPart, { name: 'preprocessing', value: '['.repeat(1_000) }),
    answers: ['INVALID_REQUEST'],
  },
  {
    what: 'preprocessing with a key too many',
    send: version(modelPart, { name: 'preprocessing', value: '{"path":"/etc/passwd"}' }),
    answers: ['INVALID_REQUEST'],
  },
  {
    what: 'a form as a model',
    send: raw({
      method: 'POST',
      url: '/v1/models/hostile/versions',
      payload: 'a=b',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    }),
    answers: ['UNSUPPORTED_MEDIA_TYPE'],
  },
].map((item) => ({ group: 'broken multipart', ...item }) as HostileCase);

const names: HostileCase[] = [
  {
    what: 'a name above the folder, encoded',
    send: raw({
      method: 'POST',
      url: '/v1/models/..%2f..%2fetc/versions',
      payload: Buffer.from(colorNetwork()),
      headers: { 'content-type': 'application/octet-stream' },
    }),
    answers: ['INVALID_REQUEST'],
  },
  {
    what: 'a name with two dots',
    send: raw({
      method: 'POST',
      url: '/v1/models/a..b/versions',
      payload: Buffer.from(colorNetwork()),
      headers: { 'content-type': 'application/octet-stream' },
    }),
    answers: ['INVALID_REQUEST'],
  },
  {
    what: 'a name with a NUL',
    send: raw({
      method: 'POST',
      url: '/v1/models/a%00b/versions',
      payload: Buffer.from(colorNetwork()),
      headers: { 'content-type': 'application/octet-stream' },
    }),
    answers: ['INVALID_REQUEST'],
  },
  {
    what: 'a name of a hundred thousand letters',
    send: () => quantize({ name: 'name', value: 'a'.repeat(100_000) }),
    answers: ['INVALID_REQUEST'],
  },
  {
    what: 'a one-shot named after a path',
    send: () => quantize({ name: 'name', value: '../../tmp/x' }),
    answers: ['INVALID_REQUEST'],
  },
  {
    what: 'a one-shot named __proto__',
    send: () => quantize({ name: 'name', value: '__proto__' }),
    answers: ['INVALID_REQUEST'],
  },
].map((item) => ({ group: 'path tricks', ...item }) as HostileCase);

const recipes: HostileCase[] = [
  { what: 'a recipe of nine bits', value: '{"weights":{"bits":9}}', answers: ['INVALID_REQUEST'] },
  {
    what: 'a recipe with unknown fields',
    value: '{"weights":{"granularity":"perPixel"},"__proto__":{}}',
    answers: ['INVALID_REQUEST'],
  },
  { what: 'a recipe that is no JSON', value: '{weights', answers: ['INVALID_REQUEST'] },
  { what: 'a recipe of NaN', value: '{"accuracyBudget":NaN}', answers: ['INVALID_REQUEST'] },
  {
    what: 'a recipe with an infinite range',
    value: '{"overrides":{"x":{"min":0,"max":1e999}}}',
    answers: ['INVALID_REQUEST'],
  },
].map(
  ({ what, value, answers }) =>
    ({
      group: 'broken recipes',
      what,
      send: () => quantize({ name: 'name', value: 'hostile' }, { name: 'recipe', value }),
      answers,
    }) as HostileCase,
);

const infer = (payload: string | Buffer, headers: Record<string, string> = {}): Sending =>
  raw({ method: 'POST', url: '/v2/models/honest/infer', payload, headers });

const tensorOf = (fields: object) =>
  JSON.stringify({
    inputs: [{ name: 'image', datatype: 'FP32', shape: [1, 3, 8, 8], data: new Array<number>(192).fill(0), ...fields }],
  });

const inference: HostileCase[] = [
  { what: 'JSON a hundred thousand deep', send: infer('{"inputs":'.repeat(100_000)), answers: ['INFERENCE_INVALID'] },
  {
    what: 'NaN as a number',
    send: infer('{"inputs":[{"name":"image","datatype":"FP32","shape":[1],"data":[NaN]}]}'),
    answers: ['INFERENCE_INVALID'],
  },
  {
    what: 'a shape whose product overflows',
    send: infer(tensorOf({ shape: [16, 2 ** 60 + 2] })),
    answers: ['INFERENCE_INVALID'],
  },
  {
    what: 'a header length beyond the body',
    send: infer('{}', { 'inference-header-content-length': '99999999999' }),
    answers: ['INFERENCE_INVALID'],
  },
  {
    what: 'a gzip bomb',
    send: infer(gzipSync(Buffer.alloc(100 * 1_048_576)), { 'content-encoding': 'gzip' }),
    answers: ['UPLOAD_TOO_LARGE'],
  },
  {
    what: 'half of a gzip',
    send: infer(gzipSync(tensorOf({})).subarray(0, 60), { 'content-encoding': 'gzip' }),
    answers: ['INFERENCE_INVALID'],
  },
  {
    what: 'an encoding that nobody knows',
    send: infer('{}', { 'content-encoding': 'zstd, gzip' }),
    answers: ['UNSUPPORTED_MEDIA_TYPE'],
  },
  { what: 'a batch of none', send: infer(tensorOf({ shape: [0, 3, 8, 8], data: [] })), answers: ['INFERENCE_INVALID'] },
].map((item) => ({ group: 'broken inference', ...item }) as HostileCase);

export const requestCases: readonly HostileCase[] = [...brokenMultipart, ...names, ...recipes, ...inference];
