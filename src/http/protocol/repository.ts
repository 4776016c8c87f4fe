import { z } from 'zod';
import type { FastifyRequest } from 'fastify';
import { AppError } from '../../base/index.ts';
import { parseJson } from '../jsonBody.ts';
import { modelName } from '../names.ts';
import { operation, type App } from '../operation.ts';
import type { HttpServices } from '../services.ts';
import { bodyBytes } from './body.ts';
import { allVersions, protocolOperation } from './shared.ts';
import { repositoryIndex } from './schemas.ts';

const indexRequest = z.object({ ready: z.boolean().optional() });
const loadRequest = z.object({ parameters: z.record(z.string(), z.unknown()).optional() });
const byName = z.object({ name: modelName });
const optionalJson = (schema: z.ZodType) => ({ required: false, content: { 'application/json': schema } });

/** The model repository extension: what there is, load, unload. */
export function repositoryRoutes(app: App, services: HttpServices): void {
  const { serving, store } = services;

  app.post(
    '/v2/repository/index',
    operation(
      { response: { 200: repositoryIndex } },
      protocolOperation({
        operationId: 'repositoryIndex',
        summary: 'Every version and whether it can answer',
        requestBody: optionalJson(indexRequest),
        answers: { 200: { description: 'The index' } },
        errors: ['INFERENCE_INVALID', 'UPLOAD_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'],
      }),
    ),
    async (request) => {
      const { ready } = await readBody(request, services, indexRequest);
      const entries = (await allVersions(services)).map((version) => {
        const { state, reason } = serving.state(version);
        return {
          name: version.model,
          version: String(version.version),
          state: state === 'UNLOADED' ? ('READY' as const) : state,
          reason,
        };
      });
      return ready === true ? entries.filter((entry) => entry.state === 'READY') : entries;
    },
  );

  app.post(
    '/v2/repository/models/:name/load',
    operation(
      { params: byName },
      protocolOperation({
        operationId: 'loadModel',
        summary: 'Load and warm the version that answers',
        requestBody: optionalJson(loadRequest),
        answers: { 200: { description: 'Loaded' } },
        errors: [
          'MODEL_NOT_FOUND',
          'VERSION_NOT_FOUND',
          'VERSION_UNAVAILABLE',
          'INFERENCE_INVALID',
          'UPLOAD_TOO_LARGE',
          'UNSUPPORTED_MEDIA_TYPE',
        ],
      }),
    ),
    async (request, reply) => {
      const { parameters = {} } = await readBody(request, services, loadRequest);
      const override = Object.keys(parameters).find((key) => key === 'config' || key.startsWith('file:'));
      if (override !== undefined)
        throw new AppError(
          'INFERENCE_INVALID',
          `failed to load '${request.params.name}': parameter '${override.slice(0, 64)}' is not supported; upload a version instead.`,
        );
      await serving.load(await serving.resolve(request.params.name));
      return reply.code(200).send();
    },
  );

  app.post(
    '/v2/repository/models/:name/unload',
    operation(
      { params: byName },
      protocolOperation({
        operationId: 'unloadModel',
        summary: 'Free the memory of a model; it answers again after a load',
        requestBody: optionalJson(loadRequest),
        answers: { 200: { description: 'Unloaded' } },
        errors: ['MODEL_NOT_FOUND', 'INFERENCE_INVALID', 'UPLOAD_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'],
      }),
    ),
    async (request, reply) => {
      await readBody(request, services, loadRequest);
      await store.metadata.model(request.params.name);
      await serving.unload(request.params.name);
      return reply.code(200).send();
    },
  );
}

/** A body is optional here; an empty one is `{}`. */
async function readBody<T extends z.ZodType>(
  request: FastifyRequest,
  services: HttpServices,
  schema: T,
): Promise<z.infer<T>> {
  const bytes = await bodyBytes(request, services.limits.inferBytes);
  const result = schema.safeParse(bytes.length === 0 ? {} : parseJson(bytes, 'request body'));
  if (result.success) return result.data;
  throw new AppError(
    'INFERENCE_INVALID',
    result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '),
  );
}
