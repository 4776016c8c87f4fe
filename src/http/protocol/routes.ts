import { z } from 'zod';
import { operation, type App } from '../operation.ts';
import type { HttpServices } from '../services.ts';
import { acceptAnyBody } from './body.ts';
import { protocolErrors } from './errors.ts';
import { inferRoutes } from './infer.ts';
import { extensions, presentConfig, presentMetadata, presentStatistics } from './presentProtocol.ts';
import { repositoryRoutes } from './repository.ts';
import { allVersions, protocolOperation, versioned } from './shared.ts';
import { modelConfig, modelMetadata, modelReady, serverMetadata, statisticsList } from './schemas.ts';

/**
 * The Open Inference Protocol (KServe V2, Triton) over HTTP, in a scope of its own: any content type, bodies as bytes,
 * errors as `{"error"}`. Paths take numbers and aliases as versions.
 */
export async function protocolPlugin(app: App, services: HttpServices): Promise<void> {
  acceptAnyBody(app, services.limits.inferBytes);
  protocolErrors(app);
  healthRoutes(app, services);
  metadataRoutes(app, services);
  inferRoutes(app, services);
  repositoryRoutes(app, services);
}

function healthRoutes(app: App, services: HttpServices): void {
  app.get(
    '/v2/health/live',
    operation(
      { response: { 200: z.object({ live: z.boolean() }) } },
      protocolOperation({
        operationId: 'serverLive',
        summary: 'Whether the process answers',
        answers: { 200: { description: 'Alive' } },
        errors: [],
        open: true,
        polled: true,
      }),
    ),
    async () => ({ live: true }),
  );
  const ready = z.object({ ready: z.boolean() });
  app.get(
    '/v2/health/ready',
    operation(
      { response: { 200: ready, 503: ready } },
      protocolOperation({
        operationId: 'serverReady',
        summary: 'Whether requests may be sent',
        answers: { 200: { description: 'Ready' }, 503: { description: 'Stopping, or the store does not answer' } },
        errors: [],
        open: true,
        polled: true,
      }),
    ),
    async (_request, reply) => {
      const isReady = !services.stopping.aborted && (await storeAnswers(services));
      return reply.code(isReady ? 200 : 503).send({ ready: isReady });
    },
  );
  app.get(
    '/v2',
    operation(
      { response: { 200: serverMetadata } },
      protocolOperation({
        operationId: 'serverMetadata',
        summary: 'Name, version, extensions',
        answers: { 200: { description: 'The server' } },
        errors: [],
      }),
    ),
    async () => ({ name: 'octet', version: services.version, extensions: [...extensions] }),
  );
}

async function storeAnswers(services: HttpServices): Promise<boolean> {
  try {
    await services.store.metadata.models({ limit: 1 });
    return true;
  } catch {
    return false;
  }
}

function metadataRoutes(app: App, services: HttpServices): void {
  const { serving, store } = services;
  const unknown = ['MODEL_NOT_FOUND', 'VERSION_NOT_FOUND'] as const;

  for (const { path, suffix, params } of versioned) {
    app.get(
      path,
      operation(
        { params, response: { 200: modelMetadata } },
        protocolOperation({
          operationId: `modelMetadata${suffix}`,
          summary: 'Inputs and outputs',
          answers: { 200: { description: 'The model' } },
          errors: unknown,
        }),
      ),
      async (request) => {
        const { name, version } = request.params;
        const found = await serving.resolve(name, version);
        return presentMetadata(await store.metadata.model(name), found);
      },
    );

    app.get(
      `${path}/ready`,
      operation(
        { params, response: { 200: modelReady } },
        protocolOperation({
          operationId: `modelReady${suffix}`,
          summary: 'Loads and warms the version, then answers',
          answers: { 200: { description: 'Ready' } },
          errors: [...unknown, 'VERSION_NOT_READY', 'VERSION_UNAVAILABLE'],
        }),
      ),
      async (request) => {
        await serving.warm(await serving.resolve(request.params.name, request.params.version));
        return { name: request.params.name, ready: true };
      },
    );

    app.get(
      `${path}/config`,
      operation(
        { params, response: { 200: modelConfig } },
        protocolOperation({
          operationId: `modelConfig${suffix}`,
          summary: 'Model configuration',
          answers: { 200: { description: 'The configuration' } },
          errors: unknown,
        }),
      ),
      async (request) => presentConfig(await serving.resolve(request.params.name, request.params.version)),
    );

    app.get(
      `${path}/stats`,
      operation(
        { params, response: { 200: statisticsList } },
        protocolOperation({
          operationId: `modelStatistics${suffix}`,
          summary: 'Statistics since the start',
          answers: { 200: { description: 'One entry a version' } },
          errors: unknown,
        }),
      ),
      async (request) => {
        const { name, version } = request.params;
        const versions =
          version === undefined ? (await store.metadata.model(name)).versions : [await serving.resolve(name, version)];
        return {
          model_stats: versions.map((found) => presentStatistics(serving.statistics.read(name, found.version))),
        };
      },
    );
  }

  app.get(
    '/v2/models/stats',
    operation(
      { response: { 200: statisticsList } },
      protocolOperation({
        operationId: 'allStatistics',
        summary: 'Statistics of every version',
        answers: { 200: { description: 'One entry a version' } },
        errors: [],
      }),
    ),
    async () => {
      const all = await allVersions(services);
      return {
        model_stats: all.map(({ model, version }) => presentStatistics(serving.statistics.read(model, version))),
      };
    },
  );
}
