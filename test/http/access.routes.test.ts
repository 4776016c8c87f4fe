import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readOpenapi, type OpenapiDocument } from '../support/contract.ts';
import { startTestService, type TestService } from '../support/service.ts';

const token = 'an-admin-token-of-some-length';

/** Routes that hold no data of the owner. */
const open = [
  '/v2/health/live',
  '/v2/health/ready',
  '/',
  '/page.css',
  '/page.js',
  '/octet.svg',
  '/openapi.json',
  '/docs',
];

describe('with a token set', () => {
  let service: TestService;
  let document: OpenapiDocument;
  let routes: { method: string; url: string }[];

  beforeAll(async () => {
    document = await readOpenapi();
    service = await startTestService({ OCTET_TOKEN: token });
    routes = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => ({
        method: method.toUpperCase(),
        url: path.replaceAll(/\{[^}]+\}/g, 'x'),
      })),
    );
  });
  afterAll(() => service.stop());

  it('every documented route refuses a call without it, but for health', async () => {
    for (const { method, url } of routes) {
      const answer = await service.inject({ method: method, url });
      if (open.includes(url)) expect(answer.statusCode, url).toBe(200);
      else {
        expect(answer.statusCode, `${method} ${url}`).toBe(401);
        expect(answer.headers['www-authenticate'], url).toMatch(/^Bearer/);
      }
    }
  });

  it('every route that is registered at all is documented, open, or refuses', async () => {
    const registered = service.app
      .printRoutes({ commonPrefix: false })
      .split('\n')
      .map((line) => /(\/\S*) \(([A-Z, ]+)\)/.exec(line))
      .filter((match) => match !== null)
      .flatMap(([, path = '', methods = '']) => methods.split(', ').map((method) => ({ path, method })));
    expect(registered.length).toBeGreaterThan(routes.length);
    const wrong = [...registered, { path: '/nothing', method: 'GET' }];
    for (const { path, method } of wrong) {
      if (open.includes(path) || path.startsWith('/docs')) continue;
      const answer = await service.inject({
        method: method,
        url: path.replaceAll(/:\w+/g, 'x').replace('*', 'x'),
      });
      expect(answer.statusCode, `${method} ${path}`).toBe(401);
    }
  });

  it.each([
    '/V1/models',
    '//v1/models',
    '/v1//models',
    '/v1/models/',
    '/%761/models',
    '/v1/./models',
    '/v1/models?x=/v2/health/live',
    '/docs/../v1/models',
    '/v2/health/live/../../../v1/models',
    '/v1/models;/docs',
  ])('no other spelling gets around it: %s', async (url) => {
    const answer = await service.inject({ url });
    expect(answer.body).not.toContain('"items"');
    expect([401, 404]).toContain(answer.statusCode);
  });

  it('the holder of the token is answered, and the page is served to ask for it', async () => {
    const answer = await service.inject({ url: '/v1/models', headers: { authorization: `Bearer ${token}` } });
    expect(answer.statusCode).toBe(200);
    expect((await service.inject({ url: '/' })).statusCode).toBe(200);
    expect(service.newToken).toBeUndefined();
  });
});

describe('bound beyond loopback without a token set', () => {
  it('the service makes one, and shows it only at the first start', async () => {
    const service = await startTestService({ OCTET_HOST: '0.0.0.0' });
    const made = service.newToken;
    expect(made).toBeDefined();
    expect((await service.inject({ url: '/v1/models' })).statusCode).toBe(401);
    expect(
      (await service.inject({ url: '/v1/models', headers: { authorization: `Bearer ${made ?? ''}` } })).statusCode,
    ).toBe(200);
    await service.stop();
  });
});
