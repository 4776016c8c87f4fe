import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Fastify from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { guard, isLoopback, openAccess } from '../../src/http/access.ts';
import { problemOf, statusOf } from '../../src/http/problem.ts';

describe('isLoopback', () => {
  it.each(['127.0.0.1', '127.8.9.1', '::1', '[::1]', 'localhost', 'LOCALHOST', 'octet.localhost'])('%s is', (host) =>
    expect(isLoopback(host)).toBe(true),
  );
  it.each(['0.0.0.0', '::', '10.0.0.1', '127.0.0.1.example.com', 'localhost.example.com', '1270.0.0.1', ''])(
    '%s is not',
    (host) => expect(isLoopback(host)).toBe(false),
  );
});

describe('openAccess', () => {
  let dataDir: string;
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'octet-access-'));
  });
  afterEach(() => rm(dataDir, { recursive: true, force: true }));
  const open = (fields: object) => openAccess({ host: '0.0.0.0', mode: 'auto', token: undefined, dataDir, ...fields });

  it('needs no token on loopback, and writes nothing', async () => {
    const { access, newToken } = await open({ host: '127.0.0.1' });
    expect(access).toEqual({ tokenHash: undefined, loopbackOnly: true });
    expect(newToken).toBeUndefined();
    expect(await readdir(dataDir)).toEqual([]);
  });

  it('makes a token at the first start beyond loopback, keeps only its hash, and never shows it again', async () => {
    const first = await open({});
    expect(first.newToken).toMatch(/^[\w-]{43}$/);
    const [file = ''] = await readdir(dataDir);
    const text = await readFile(join(dataDir, file), 'utf8');
    expect(text).not.toContain(first.newToken);
    expect((await stat(join(dataDir, file))).mode & 0o077).toBe(0);
    const second = await open({});
    expect(second.newToken).toBeUndefined();
    expect(second.access.tokenHash).toEqual(first.access.tokenHash);
  });

  it('takes the token of the environment, on loopback too', async () => {
    const { access } = await open({ host: '127.0.0.1', token: 'a-token-of-the-owner' });
    expect(access.tokenHash).toBeDefined();
    expect(await readdir(dataDir)).toEqual([]);
  });

  it('is open when that is said explicitly', async () => {
    expect((await open({ mode: 'off' })).access).toEqual({ tokenHash: undefined, loopbackOnly: false });
  });
});

describe('guard', () => {
  async function answering(access: Parameters<typeof guard>[1]) {
    const app = Fastify();
    app.setErrorHandler((error, _request, reply) => {
      const { code } = problemOf(error);
      return reply.code(statusOf(code)).send({ code });
    });
    guard(app, access);
    app.get('/secret', async () => 'secret');
    await app.ready();
    return app;
  }

  it('answers the holder of the token alone', async () => {
    const { access } = await openAccess({
      host: '::',
      mode: 'auto',
      token: 'correct-horse-battery',
      dataDir: '/nowhere',
    });
    const app = await answering(access);
    const get = (authorization?: string) =>
      app.inject({ url: '/secret', headers: authorization === undefined ? {} : { authorization } });
    expect((await get('Bearer correct-horse-battery')).statusCode).toBe(200);
    expect((await get('bearer correct-horse-battery')).statusCode).toBe(200);
    for (const wrong of [
      undefined,
      '',
      'Bearer',
      'Bearer ',
      'Bearer correct-horse-batter',
      'Basic correct-horse-battery',
      'Bearer correct-horse-battery x',
    ]) {
      const answer = await get(wrong);
      expect(answer.statusCode, wrong).toBe(401);
      expect(answer.headers['www-authenticate']).toMatch(/^Bearer/);
    }
    expect((await app.inject('/nothing')).statusCode).toBe(401);
    expect((await app.inject({ url: '/secret?token=correct-horse-battery' })).statusCode).toBe(401);
  });

  it('refuses foreign names and pages when there is no token', async () => {
    const app = await answering({ tokenHash: undefined, loopbackOnly: true });
    const get = (headers: Record<string, string>) => app.inject({ url: '/secret', headers });
    expect((await get({ host: 'localhost:8080' })).statusCode).toBe(200);
    expect((await get({ host: '127.0.0.1:8080', origin: 'http://127.0.0.1:8080' })).statusCode).toBe(200);
    expect((await get({ host: 'rebound.example.com' })).statusCode).toBe(403);
    expect((await get({ host: '127.0.0.1:8080', origin: 'https://example.com' })).statusCode).toBe(403);
    expect((await get({ host: '127.0.0.1:8080', origin: 'null' })).statusCode).toBe(403);
  });
});
