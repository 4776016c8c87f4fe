import { z } from 'zod';
import { AppError } from '../../base/index.ts';
import { renderWhitepaper, whitepaperSchema } from '../../lab/index.ts';
import { defaultRecipe } from '../../quant/index.ts';
import { selectVersion } from '../../serving/index.ts';
import type { VersionRecord } from '../../store/index.ts';
import { IdempotencyGate, idempotencyHeaders } from '../idempotency.ts';
import { modelName, versionSelector } from '../names.ts';
import { operation, type App } from '../operation.ts';
import { sendPage } from '../page.ts';
import { presentJob } from '../present.ts';
import { rateLimited } from '../rate.ts';
import { jobSchema, whitepaperRequest } from '../schemas/jobs.ts';
import type { HttpServices } from '../services.ts';
import { storedJobErrors, submitStored } from '../submission.ts';

const byVersion = z.object({ name: modelName, version: versionSelector });

/** A version in every way of the whitepaper's tables: a job that measures, and what it measured. */
export function whitepaperRoutes(app: App, services: HttpServices): void {
  submitRoute(app, services);
  resultRoutes(app, services);
}

function submitRoute(app: App, services: HttpServices): void {
  const gate = new IdempotencyGate();
  app.post(
    '/v1/models/:name/versions/:version/whitepaper',
    rateLimited(
      services,
      operation(
        { params: byVersion, headers: idempotencyHeaders, body: whitepaperRequest, response: { 202: jobSchema } },
        {
          operationId: 'createWhitepaper',
          tag: 'jobs',
          summary: "Measure a version in every way of the whitepaper's tables",
          description: 'Tables 2, 3 and 5 and the post-training column of 6 of arXiv:1806.08342. No version is made.',
          answers: { 202: { description: 'Queued', headers: ['Location', 'Retry-After'] } },
          errors: storedJobErrors,
        },
      ),
    ),
    async (request, reply) => {
      const { name: model, version } = request.params;
      const { calibration, evaluation } = request.body;
      const spec = { kind: 'whitepaper', model, version, recipe: defaultRecipe, calibration, evaluation } as const;
      const job = await submitStored(services, spec, { gate, key: request.headers['idempotency-key'] });
      return reply.code(202).header('location', `/v1/jobs/${job.id}`).header('retry-after', 1).send(presentJob(job));
    },
  );
}

function resultRoutes(app: App, services: HttpServices): void {
  const errors = ['MODEL_NOT_FOUND', 'VERSION_NOT_FOUND', 'WHITEPAPER_NOT_FOUND', 'ARTIFACT_DAMAGED'] as const;

  app.get(
    '/v1/models/:name/versions/:version/whitepaper',
    operation(
      { params: byVersion },
      {
        operationId: 'getWhitepaper',
        tag: 'models',
        summary: 'What the newest whitepaper job of the version measured',
        answers: { 200: { description: 'The grid', content: { 'application/json': whitepaperSchema } } },
        errors,
      },
    ),
    async (request, reply) => {
      const { grid } = await readGrid(services, request.params);
      return reply.type('application/json; charset=utf-8').send(Buffer.from(grid));
    },
  );

  app.get(
    '/v1/models/:name/versions/:version/whitepaper.html',
    operation(
      { params: byVersion },
      {
        operationId: 'getWhitepaperPage',
        tag: 'models',
        summary: 'The same as one self-contained page',
        answers: { 200: { description: 'The page', content: { 'text/html': 'binary' } } },
        errors,
      },
    ),
    async (request, reply) => {
      const { grid, version } = await readGrid(services, request.params);
      const title = `${version.model}, version ${version.version}: the whitepaper's tables`;
      return sendPage(reply, renderWhitepaper(JSON.parse(new TextDecoder().decode(grid)), title));
    },
  );
}

async function readGrid(
  { store }: HttpServices,
  { name, version: selector }: z.infer<typeof byVersion>,
): Promise<{ grid: Uint8Array; version: VersionRecord }> {
  const version = selectVersion(await store.metadata.model(name), selector);
  const job = await store.metadata.latestGridJob(version);
  if (job?.gridSha256 === undefined)
    throw new AppError(
      'WHITEPAPER_NOT_FOUND',
      `No whitepaper job of version ${version.version} of '${name}' has succeeded; POST to its address to start one.`,
    );
  return { grid: await store.artifacts.read(job.gridSha256), version };
}
