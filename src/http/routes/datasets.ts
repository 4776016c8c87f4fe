import { z } from 'zod';
import { datasetFileErrors, uploadErrors } from '../errorGroups.ts';
import { datasetId } from '../names.ts';
import { operation, type App } from '../operation.ts';
import { presentDataset } from '../present.ts';
import { datasetPage, datasetSchema } from '../schemas/datasets.ts';
import { pageQuery } from '../schemas/shared.ts';
import { rateLimited } from '../rate.ts';
import type { HttpServices } from '../services.ts';
import { checkDataset, storeDataset } from '../uploads/intake.ts';
import { readParts, validate } from '../uploads/multipart.ts';
import { receiveRaw } from '../uploads/raw.ts';

const byId = z.object({ id: datasetId });
const datasetName = z.string().min(1).max(200);

export function datasetRoutes(app: App, services: HttpServices): void {
  const { metadata } = services.store;

  app.post(
    '/v1/datasets',
    rateLimited(
      services,
      operation(
        { querystring: z.object({ name: datasetName.optional() }), response: { 201: datasetSchema } },
        {
          operationId: 'createDataset',
          tag: 'datasets',
          summary: 'Upload a calibration or evaluation set',
          description:
            'A zip of images (folder names or labels.csv with `file,label` give labels), an npy or an npz. As multipart part ' +
            '`data`, with optional part `name`; or as the raw body.',
          requestBody: {
            required: true,
            content: {
              'multipart/form-data': z.object({
                data: z.string().describe('zip, npy or npz'),
                name: datasetName.optional(),
              }),
              'application/octet-stream': 'binary',
            },
          },
          answers: { 201: { description: 'Stored', headers: ['Location'] } },
          errors: [...uploadErrors, ...datasetFileErrors],
        },
      ),
    ),
    async (request, reply) => {
      const record = await services.staging.use(async (area) => {
        const maxBytes = services.limits.datasetBytes;
        if (request.isMultipart()) {
          const parts = await readParts(request, area, {
            files: { data: maxBytes },
            texts: ['name'],
            required: ['data'],
          });
          const file = parts.files.get('data');
          const sentName = parts.texts.get('name')?.toString('utf8');
          const name = sentName === undefined ? request.query.name : validate(sentName, 'name', datasetName);
          if (file !== undefined) return storeDataset(services, await checkDataset(file), name);
        }
        const file = await receiveRaw(request, area, { what: 'data set', maxBytes });
        return storeDataset(services, await checkDataset(file), request.query.name);
      });
      return reply.code(201).header('location', `/v1/datasets/${record.id}`).send(presentDataset(record));
    },
  );

  app.get(
    '/v1/datasets',
    operation(
      { querystring: pageQuery, response: { 200: datasetPage } },
      {
        operationId: 'listDatasets',
        tag: 'datasets',
        summary: 'List data sets',
        answers: { 200: { description: 'A page' } },
        errors: [],
      },
    ),
    async (request) => {
      const { items, next } = await metadata.datasets(request.query);
      return { items: items.map(presentDataset), next };
    },
  );

  app.get(
    '/v1/datasets/:id',
    operation(
      { params: byId, response: { 200: datasetSchema } },
      {
        operationId: 'getDataset',
        tag: 'datasets',
        summary: 'One data set',
        answers: { 200: { description: 'The data set' } },
        errors: ['DATASET_NOT_FOUND'],
      },
    ),
    async (request) => presentDataset(await metadata.dataset(request.params.id)),
  );

  app.delete(
    '/v1/datasets/:id',
    operation(
      { params: byId },
      {
        operationId: 'deleteDataset',
        tag: 'datasets',
        summary: 'Delete a data set that no running job refers to',
        answers: { 204: { description: 'Deleted' } },
        errors: ['DATASET_NOT_FOUND', 'IN_USE'],
      },
    ),
    async (request, reply) => {
      await metadata.deleteDataset(request.params.id);
      return reply.code(204).send();
    },
  );
}
