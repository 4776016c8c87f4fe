import { z } from 'zod';
import { AppError } from '../../base/index.ts';
import { preprocessingSchema } from '../../data/index.ts';
import { defaultRecipe, recipeSchema, type Recipe } from '../../quant/index.ts';
import type { DatasetRecord, JobRecord, VersionRecord } from '../../store/index.ts';
import { datasetFileErrors, modelFileErrors, submitErrors, uploadErrors } from '../errorGroups.ts';
import { idempotencyHeaders, IdempotencyGate } from '../idempotency.ts';
import { modelName } from '../names.ts';
import { operation, type App } from '../operation.ts';
import { liveVersion, presentJob, presentVersion } from '../present.ts';
import { rateLimited } from '../rate.ts';
import { jobSchema } from '../schemas/jobs.ts';
import { versionSchema } from '../schemas/models.ts';
import type { HttpServices } from '../services.ts';
import {
  checkDataset,
  checkModel,
  checkServedModel,
  storeDataset,
  storeModel,
  type CheckedDataset,
  type CheckedModel,
} from '../uploads/intake.ts';
import { parsePart, readParts, validate, type Parts } from '../uploads/multipart.ts';
import { receiveRaw } from '../uploads/raw.ts';

const modelParts = {
  model: z.string().describe('ONNX file'),
  preprocessing: preprocessingSchema.optional(),
  labels: z.string().optional().describe('JSON array of strings, or one label a line'),
  external: z
    .string()
    .optional()
    .describe('External data, once per file; its file name is the location that the model names'),
};

/** Uploads of models, and the one-shot that uploads everything and starts the job. */
export function uploadRoutes(app: App, services: HttpServices): void {
  app.post(
    '/v1/models/:name/versions',
    rateLimited(
      services,
      operation(
        { params: z.object({ name: modelName }), response: { 201: versionSchema } },
        {
          operationId: 'createVersion',
          tag: 'models',
          summary: 'Upload a version',
          description:
            'fp32 or QDQ ONNX, as the raw body or as multipart part `model`. Checked before it is stored: unsupported operators are ' +
            'listed per node, and make a version that only onnxruntime serves where that knows them. External data comes in parts `external` (the file name is the location) or `external:<location>`; ' +
            'the stored file then holds it inside.',
          requestBody: {
            required: true,
            content: { 'application/octet-stream': 'binary', 'multipart/form-data': z.object(modelParts) },
          },
          answers: { 201: { description: 'Stored', headers: ['Location'] } },
          errors: [...uploadErrors, ...modelFileErrors],
        },
      ),
    ),
    async (request, reply) => {
      const version = await services.staging.use(async (area) => {
        const maxBytes = services.limits.modelBytes;
        if (!request.isMultipart()) {
          const file = await receiveRaw(request, area, { what: 'model', maxBytes });
          return storeModel(services, request.params.name, await checkServedModel(services, file));
        }
        const parts = await readParts(request, area, {
          files: { model: maxBytes },
          texts: ['preprocessing', 'labels'],
          required: ['model'],
          external: maxBytes,
        });
        const model = await checkServedModel(services, filePart(parts, 'model'), parts);
        return storeModel(services, request.params.name, model);
      });
      const live = liveVersion(await services.store.metadata.model(version.model));
      const shown = presentVersion(version, live);
      return reply.code(201).header('location', shown.links.self).send(shown);
    },
  );

  oneShotRoute(app, services);
}

function oneShotRoute(app: App, services: HttpServices): void {
  const gate = new IdempotencyGate();

  app.post(
    '/v1/quantize',
    rateLimited(
      services,
      operation(
        { headers: idempotencyHeaders, response: { 202: jobSchema } },
        {
          operationId: 'quantize',
          tag: 'jobs',
          summary: 'Upload a model with its data and quantize it, in one call',
          description:
            'When the job succeeds and its verdict is not fail, the int8 version answers at /v2/models/{name}. The same bytes ' +
            'under the same name are the same version and the same data set, so a repeated call with one Idempotency-Key ' +
            'returns the first job.',
          requestBody: {
            required: true,
            content: {
              'multipart/form-data': z.object({
                name: modelName,
                ...modelParts,
                calibration: z.string().optional().describe('zip of images, npy or npz; not for weight-only recipes'),
                evaluation: z.string().optional().describe('zip of images, npy or npz'),
                recipe: recipeSchema.optional(),
              }),
            },
          },
          answers: { 202: { description: 'Queued', headers: ['Location', 'Retry-After'] } },
          errors: [...uploadErrors, ...modelFileErrors, ...datasetFileErrors, ...submitErrors],
        },
      ),
    ),
    async (request, reply) => {
      const key = request.headers['idempotency-key'];
      const job = await gate.once(key, () =>
        services.staging.use(async (area) => {
          const { modelBytes, datasetBytes } = services.limits;
          const parts = await readParts(request, area, {
            files: { model: modelBytes, calibration: datasetBytes, evaluation: datasetBytes },
            texts: ['name', 'recipe', 'preprocessing', 'labels'],
            required: ['name', 'model'],
            external: modelBytes,
          });
          return submitOneShot(services, await checkOneShot(services, parts), key);
        }),
      );
      return reply.code(202).header('location', `/v1/jobs/${job.id}`).header('retry-after', 1).send(presentJob(job));
    },
  );
}

interface OneShot {
  readonly name: string;
  readonly recipe: Recipe;
  readonly model: CheckedModel;
  readonly calibration: CheckedDataset | undefined;
  readonly evaluation: CheckedDataset | undefined;
}

/** Everything is checked before anything is stored. */
async function checkOneShot(services: HttpServices, parts: Parts): Promise<OneShot> {
  const name = validate(parts.texts.get('name')?.toString('utf8'), 'name', modelName);
  const recipe = parsePart(parts, 'recipe', recipeSchema) ?? defaultRecipe;
  if (recipe.activations !== 'none' && !parts.files.has('calibration'))
    throw new AppError(
      'CALIBRATION_REQUIRED',
      "The recipe quantizes activations, so part 'calibration' is needed (or activations 'none').",
    );
  const model = await checkModel(services, filePart(parts, 'model'), parts);
  if (model.preflight.kind !== 'fp32')
    throw new AppError(
      'MODEL_INVALID',
      'The model is quantized already; upload it to /v1/models/{name}/versions to serve it.',
    );
  const network = { summary: model.preflight.summary, preprocessing: model.preprocessing };
  const calibration = parts.files.get('calibration');
  const evaluation = parts.files.get('evaluation');
  return {
    name,
    recipe,
    model,
    calibration: calibration === undefined ? undefined : await checkDataset(calibration, network),
    evaluation: evaluation === undefined ? undefined : await checkDataset(evaluation, network),
  };
}

/** Stores all of it and queues the job; when the queue refuses, what was new is removed again. */
async function submitOneShot(services: HttpServices, request: OneShot, key: string | undefined): Promise<JobRecord> {
  const undo: (() => Promise<void>)[] = [];
  const { metadata } = services.store;
  try {
    const version = await keepVersion(services, request, undo);
    const keep = async (dataset: CheckedDataset | undefined): Promise<string | undefined> => {
      if (dataset === undefined) return undefined;
      const known = await sameDataset(services, dataset);
      if (known !== undefined) return known.id;
      const { id } = await storeDataset(services, dataset, undefined);
      undo.push(() => metadata.deleteDataset(id));
      return id;
    };
    const calibration = await keep(request.calibration);
    const evaluation = await keep(request.evaluation);
    const { name: model, recipe } = request;
    const spec = { kind: 'quantize', model, version: version.version, recipe, calibration, evaluation } as const;
    return await services.queue.submit(spec, key === undefined ? {} : { idempotencyKey: key });
  } catch (error) {
    for (const step of undo.reverse()) await step();
    throw error;
  }
}

async function keepVersion(
  services: HttpServices,
  request: OneShot,
  undo: (() => Promise<void>)[],
): Promise<VersionRecord> {
  const known = await sameVersion(services, request);
  if (known !== undefined) return known;
  const version = await storeModel(services, request.name, request.model);
  undo.push(() => services.store.metadata.deleteVersion(version.model, version.version));
  return version;
}

/** The fp32 version of this name that already holds exactly this upload. */
async function sameVersion(services: HttpServices, { name, model }: OneShot): Promise<VersionRecord | undefined> {
  const known = await services.store.metadata.model(name).catch((error: unknown) => {
    if (error instanceof AppError && error.code === 'MODEL_NOT_FOUND') return undefined;
    throw error;
  });
  const settings = JSON.stringify([model.preprocessing, model.labels]);
  return known?.versions.find(
    (version) =>
      version.sha256 === model.file.sha256 && JSON.stringify([version.preprocessing, version.labels]) === settings,
  );
}

async function sameDataset(services: HttpServices, dataset: CheckedDataset): Promise<DatasetRecord | undefined> {
  let after: string | undefined;
  do {
    const page = await services.store.metadata.datasets({ limit: 200, after });
    const found = page.items.find((item) => item.sha256 === dataset.file.sha256);
    if (found !== undefined) return found;
    after = page.next;
  } while (after !== undefined);
  return undefined;
}

function filePart(parts: Parts, name: string) {
  const file = parts.files.get(name);
  if (file === undefined) throw new AppError('MISSING_PART', `Part '${name}' must be a file.`, { part: name });
  return file;
}
