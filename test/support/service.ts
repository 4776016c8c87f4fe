import './compileCache.ts';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify';
import { createService, type Service } from '../../src/app.ts';
import { loadConfig, type Environment } from '../../src/config.ts';

/** A whole service in this process: real store, queue, threads and worker process, in a folder of its own. */
export interface TestService {
  readonly app: FastifyInstance;
  readonly dataDir: string;
  readonly newToken: string | undefined;
  readonly service: Service;
  inject(options: InjectOptions): Promise<LightMyRequestResponse>;
  /** Files of the data directory but for the database's own, sorted. */
  files(): Promise<string[]>;
  stop(): Promise<void>;
}

export async function startTestService(environment: Environment = {}): Promise<TestService> {
  const dataDir = environment['OCTET_DATA_DIR'] ?? (await mkdtemp(join(tmpdir(), 'octet-http-')));
  const config = loadConfig({ OCTET_LOG_LEVEL: 'error', OCTET_THREADS: '2', OCTET_DATA_DIR: dataDir, ...environment });
  const service = await createService(config, { node: '24.0.0', v8: '13.6', platform: 'test' });
  await service.app.ready();
  return {
    app: service.app,
    dataDir,
    newToken: service.newToken,
    service,
    inject: (options) => service.app.inject(options),
    async files() {
      const entries = await readdir(dataDir, { recursive: true, withFileTypes: true });
      const paths = entries
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(dataDir.length));
      return paths.filter((path) => !/octet\.db|owner\.lock/.test(path)).sort();
    },
    async stop() {
      await service.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

export interface Part {
  readonly name: string;
  readonly value: string | Uint8Array;
  readonly fileName?: string;
}

/** A multipart body as a browser writes it. */
export async function multipart(parts: readonly Part[]): Promise<{ payload: Buffer; headers: Record<string, string> }> {
  const form = new FormData();
  for (const { name, value, fileName } of parts) {
    if (typeof value === 'string') form.append(name, value);
    else form.append(name, new Blob([new Uint8Array(value)]), fileName ?? name);
  }
  const response = new Response(form);
  return {
    payload: Buffer.from(await response.arrayBuffer()),
    headers: { 'content-type': response.headers.get('content-type') ?? '' },
  };
}

export const octets = (payload: Uint8Array) => ({
  payload: Buffer.from(payload),
  headers: { 'content-type': 'application/octet-stream' },
});
