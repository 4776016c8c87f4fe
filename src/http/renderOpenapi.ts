import { readFileSync } from 'node:fs';
import swagger from '@fastify/swagger';
import Fastify from 'fastify';
import { InvariantError } from '../base/index.ts';
import { openapiDocument, documentedRoutes, type DocumentedRoute } from './openapiDocument.ts';
import { registerHttp } from './registerHttp.ts';
import type { HttpServices } from './services.ts';

/** The OpenAPI document as YAML, made from the routes alone: nothing is started. */
export async function renderOpenapi(): Promise<string> {
  const routes: DocumentedRoute[] = [];
  const app = Fastify({ exposeHeadRoutes: false });
  app.addHook('onRoute', (route) => {
    routes.push(...documentedRoutes(route));
  });
  const services = {
    store: hollow(),
    serving: hollow(),
    limits: { uploadsPerMinute: 1, inferBytes: 1, imageBytes: 1, modelBytes: 1, datasetBytes: 1 },
    access: { tokenHash: undefined, loopbackOnly: false },
    docs: false,
  };
  await registerHttp(app, services as unknown as HttpServices);
  await app.ready();
  await app.close();
  const printer = Fastify();
  // Through JSON, so that equal parts are written out and not as YAML aliases.
  const document = JSON.parse(JSON.stringify(openapiDocument(routes, packageVersion()))) as never;
  await printer.register(swagger, { mode: 'static', specification: { document } });
  await printer.ready();
  const yaml = printer.swagger({ yaml: true });
  await printer.close();
  return yaml;
}

/** Any member of it is hollow too; calling one is a mistake, since registering routes calls nothing. */
function hollow(): object {
  return new Proxy(() => undefined, {
    get: () => hollow(),
    apply: () => {
      throw new InvariantError('a service was called while routes were registered');
    },
  });
}

export function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
