import { z } from 'zod';
import { AppError } from '../../base/index.ts';
import { selectVersion } from '../../serving/index.ts';
import { sendArtifact } from '../download.ts';
import { aliasName, modelName, versionSelector } from '../names.ts';
import { operation, type App } from '../operation.ts';
import { liveVersion, presentModel, presentVersion } from '../present.ts';
import { modelPage, modelSchema, versionSchema } from '../schemas/models.ts';
import { pageQuery } from '../schemas/shared.ts';
import type { HttpServices } from '../services.ts';

const byName = z.object({ name: modelName });
const byVersion = z.object({ name: modelName, version: versionSelector });
const byAlias = z.object({ name: modelName, alias: aliasName });

/** Models, versions, aliases, downloads. */
export function modelRoutes(app: App, services: HttpServices): void {
  const { metadata } = services.store;

  app.get(
    '/v1/models',
    operation(
      { querystring: pageQuery, response: { 200: modelPage } },
      {
        operationId: 'listModels',
        tag: 'models',
        summary: 'List models',
        answers: { 200: { description: 'A page' } },
        errors: [],
      },
    ),
    async (request) => {
      const { items, next } = await metadata.models(request.query);
      return { items: items.map(presentModel), next };
    },
  );

  app.get(
    '/v1/models/:name',
    operation(
      { params: byName, response: { 200: modelSchema } },
      {
        operationId: 'getModel',
        tag: 'models',
        summary: 'One model with its versions and aliases',
        answers: { 200: { description: 'The model' } },
        errors: ['MODEL_NOT_FOUND'],
      },
    ),
    async (request) => presentModel(await metadata.model(request.params.name)),
  );

  app.delete(
    '/v1/models/:name',
    operation(
      { params: byName },
      {
        operationId: 'deleteModel',
        tag: 'models',
        summary: 'Delete a model with all its versions',
        answers: { 204: { description: 'Deleted' } },
        errors: ['MODEL_NOT_FOUND', 'IN_USE'],
      },
    ),
    async (request, reply) => {
      const model = await metadata.model(request.params.name);
      await metadata.deleteModel(model.name);
      for (const version of model.versions) await services.serving.forget(version);
      return reply.code(204).send();
    },
  );

  versionRoutes(app, services);
  aliasRoutes(app, services);
}

function versionRoutes(app: App, services: HttpServices): void {
  const { metadata, artifacts } = services.store;

  app.get(
    '/v1/models/:name/versions/:version',
    operation(
      { params: byVersion, response: { 200: versionSchema } },
      {
        operationId: 'getVersion',
        tag: 'models',
        summary: 'One version: inputs, outputs, operators, size, preprocessing, labels, verdict',
        answers: { 200: { description: 'The version' } },
        errors: ['MODEL_NOT_FOUND', 'VERSION_NOT_FOUND'],
      },
    ),
    async (request) => {
      const model = await metadata.model(request.params.name);
      return presentVersion(selectVersion(model, request.params.version), liveVersion(model));
    },
  );

  app.delete(
    '/v1/models/:name/versions/:version',
    operation(
      { params: byVersion },
      {
        operationId: 'deleteVersion',
        tag: 'models',
        summary: 'Delete a version that no alias and no running job refers to',
        answers: { 204: { description: 'Deleted' } },
        errors: ['MODEL_NOT_FOUND', 'VERSION_NOT_FOUND', 'IN_USE'],
      },
    ),
    async (request, reply) => {
      const version = selectVersion(await metadata.model(request.params.name), request.params.version);
      await metadata.deleteVersion(version.model, version.version);
      await services.serving.forget(version);
      return reply.code(204).send();
    },
  );

  app.route({
    method: ['GET', 'HEAD'],
    url: '/v1/models/:name/versions/:version/file',
    ...operation(
      { params: byVersion },
      {
        operationId: 'downloadVersion',
        tag: 'models',
        summary: 'The ONNX file',
        description: 'QDQ ONNX for an int8 version. ETag, If-None-Match, Range and If-Range are honoured.',
        answers: {
          200: {
            description: 'The whole file',
            content: { 'application/octet-stream': 'binary' },
            headers: ['ETag', 'Accept-Ranges', 'Content-Disposition'],
          },
          206: {
            description: 'The bytes asked for',
            content: { 'application/octet-stream': 'binary' },
            headers: ['ETag', 'Content-Range'],
          },
          304: { description: 'The client has it already', headers: ['ETag'] },
        },
        errors: ['MODEL_NOT_FOUND', 'VERSION_NOT_FOUND', 'RANGE_NOT_SATISFIABLE', 'ARTIFACT_DAMAGED'],
      },
    ),
    handler: async (request, reply) => {
      const version = selectVersion(await metadata.model(request.params.name), request.params.version);
      return sendArtifact(request, reply, artifacts, {
        sha256: version.sha256,
        sizeBytes: version.sizeBytes,
        contentType: 'application/octet-stream',
        fileName: `${version.model}-v${version.version}-${version.kind}.onnx`,
      });
    },
  });
}

function aliasRoutes(app: App, services: HttpServices): void {
  const { metadata } = services.store;

  app.put(
    '/v1/models/:name/aliases/:alias',
    operation(
      { params: byAlias, body: z.strictObject({ version: z.int().positive() }), response: { 200: modelSchema } },
      {
        operationId: 'setAlias',
        tag: 'models',
        summary: 'Point an alias at a version',
        description: 'The alias `prod` answers requests that name no version. Moving it back is the roll-back.',
        answers: { 200: { description: 'The model with its aliases' } },
        errors: ['MODEL_NOT_FOUND', 'VERSION_NOT_FOUND'],
      },
    ),
    async (request) => {
      const { name, alias } = request.params;
      await metadata.setAlias(name, alias, request.body.version);
      return presentModel(await metadata.model(name));
    },
  );

  app.delete(
    '/v1/models/:name/aliases/:alias',
    operation(
      { params: byAlias },
      {
        operationId: 'deleteAlias',
        tag: 'models',
        summary: 'Remove an alias',
        answers: { 204: { description: 'Removed' } },
        errors: ['MODEL_NOT_FOUND', 'ALIAS_NOT_FOUND'],
      },
    ),
    async (request, reply) => {
      const { name, alias } = request.params;
      const model = await metadata.model(name);
      if (!Object.hasOwn(model.aliases, alias))
        throw new AppError('ALIAS_NOT_FOUND', `Model '${name}' has no alias '${alias}'.`, { model: name, alias });
      await metadata.deleteAlias(name, alias);
      return reply.code(204).send();
    },
  );
}
