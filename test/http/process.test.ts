import '../support/compileCache.ts';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { colorNetwork } from '../support/networks.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

describe('the service process', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'octet-process-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  function start(args: readonly string[], environment: Record<string, string> = {}) {
    const child = spawn(process.execPath, [main, '--data-dir', folder, ...args], {
      env: { ...process.env, OCTET_LOG_LEVEL: 'info', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const said = { out: '', err: '' };
    child.stdout.on('data', (chunk) => (said.out += String(chunk)));
    child.stderr.on('data', (chunk) => (said.err += String(chunk)));
    return { child, said, ended: once(child, 'close') as Promise<[number | null, string | null]> };
  }

  it('says on one line where it is, logs beside that, and stops in order with streams and connections open', async () => {
    const { child, said, ended } = start(['--port', '0']);
    await expect.poll(() => said.out, { timeout: 50_000 }).toMatch(/\n$/);
    expect(said.out).toMatch(/^Octet is ready at http:\/\/127\.0\.0\.1:\d+\n$/);
    const url = /http:\S+/.exec(said.out)?.[0] ?? '';
    const form = new FormData();
    form.set('name', 'colors');
    form.set('model', new Blob([new Uint8Array(colorNetwork())]), 'm.onnx');
    form.set('recipe', '{"activations":"none"}');
    const job = (await (await fetch(`${url}/v1/quantize`, { method: 'POST', body: form })).json()) as {
      links: { events: string };
    };
    const stream = await fetch(`${url}${job.links.events}`);
    const agent = new Agent({ keepAlive: true });
    await new Promise((resolve, reject) =>
      get(`${url}/v2/health/live`, { agent }, (answer) => answer.resume().on('end', resolve)).on('error', reject),
    );
    child.kill('SIGTERM');
    child.kill('SIGTERM');
    await stream.text().catch(() => '');
    expect(await ended).toEqual([0, null]);
    agent.destroy();
    expect(said.err).toContain('"msg"');
    expect(said.err).not.toMatch(/"level":(50|60)/);
  });

  it.each([
    ['a bad setting', ['--port', '70000'], /OCTET_PORT is '70000'/],
    ['an unknown flag', ['--colour', 'red'], /--colour/],
  ])('refuses %s in words', async (_what, args, words) => {
    const { said, ended } = start(args);
    expect((await ended)[0]).toBe(2);
    expect(said.err).toMatch(words);
    expect(said.out).toBe('');
  });

  it('explains itself', async () => {
    const { said, ended } = start(['--help']);
    expect((await ended)[0]).toBe(0);
    expect(said.out).toMatch(/OCTET_PORT/);
  });

  it('refuses a data directory that another service owns', async () => {
    const first = start(['--port', '0']);
    await expect.poll(() => first.said.out, { timeout: 50_000 }).toContain('ready');
    const second = start(['--port', '0']);
    expect((await second.ended)[0]).toBe(1);
    expect(second.said.err).toMatch(/^Octet cannot start: .*\n$/);
    first.child.kill('SIGINT');
    expect(await first.ended).toEqual([0, null]);
  });
});
