import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { colorImage } from '../support/images.ts';
import { colorNetwork } from '../support/networks.ts';
import { Contract, exchangeOf, readOpenapi } from '../support/contract.ts';
import { octets, startTestService, type TestService } from '../support/service.ts';
import { requestOf, type HostileCase } from './hostile/hostileCase.ts';
import { modelCases } from './hostile/models.ts';
import { requestCases } from './hostile/requests.ts';
import { sampleCases } from './hostile/samples.ts';

const cases: readonly HostileCase[] = [...modelCases, ...sampleCases, ...requestCases];

/** Classes that need at least five cases each. */
const groups = [
  'truncated',
  'bit-flipped',
  'protobuf bombs',
  'zip bombs',
  'image bombs',
  'wrong shapes',
  'unknown operators',
  'path tricks',
  'NaN weights',
  'empty sets',
  'mislabelled sets',
];

describe('the table of hostile uploads', () => {
  it('has at least 60 cases, and five of each class', () => {
    expect(cases.length).toBeGreaterThanOrEqual(60);
    for (const group of groups)
      expect(cases.filter((item) => item.group === group).length, group).toBeGreaterThanOrEqual(5);
    expect(new Set(cases.map(({ group, what }) => `${group}: ${what}`)).size).toBe(cases.length);
  });
});

describe('a hostile upload', () => {
  let service: TestService;
  let contract: Contract;
  let image: Buffer;

  beforeAll(async () => {
    service = await startTestService({ OCTET_UPLOAD_RATE: '100000' });
    contract = new Contract(await readOpenapi());
    image = await colorImage('red', 5);
    const honest = await service.inject({
      method: 'POST',
      url: '/v1/models/honest/versions',
      ...octets(colorNetwork()),
    });
    expect(honest.statusCode, honest.body).toBe(201);
  });
  afterAll(() => service.stop());

  async function rows(): Promise<string> {
    const lists = await Promise.all(
      ['models', 'datasets', 'jobs'].map((list) => service.inject({ url: `/v1/${list}` })),
    );
    return lists.map((answer) => answer.body).join('\n');
  }

  it.each(cases.map((item) => [item.group, item.what, item] as const))(
    '%s: %s',
    async (_group, _what, { send, answers }) => {
      const before = { files: await service.files(), rows: await rows() };
      const answer = await service.inject(await requestOf(typeof send === 'function' ? await send() : send));
      const exchange = exchangeOf(answer);
      contract.expect(exchange);
      expect(answer.statusCode, answer.body).toBeGreaterThanOrEqual(400);
      expect(answer.statusCode, answer.body).toBeLessThan(500);
      const code: unknown = answer.headers['octet-error-code'] ?? answer.json<{ code: string }>().code;
      expect(answers, answer.body).toContain(code);
      expect(answer.body).not.toMatch(/\/tmp\/|node_modules|at .*\.ts:/);

      const next = await service.inject({
        method: 'POST',
        url: '/v1/models/honest/predict',
        payload: image,
        headers: { 'content-type': 'image/png' },
      });
      expect(next.statusCode, next.body).toBe(200);
      expect({ files: await service.files(), rows: await rows() }).toEqual(before);
    },
  );
});
