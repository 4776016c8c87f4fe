import { z } from 'zod';
import { page, sha256, timestamp } from './shared.ts';

export const datasetSchema = z
  .object({
    id: z.string(),
    name: z.string().optional(),
    sha256,
    sizeBytes: z.int(),
    format: z.enum(['zip', 'npy', 'npz']),
    kind: z.enum(['images', 'tensors']),
    sampleCount: z.int(),
    labelled: z.boolean(),
    classNames: z.array(z.string()).readonly().optional(),
    createdAt: timestamp,
    links: z.object({ self: z.string() }),
  })
  .meta({ id: 'Dataset' });

export const datasetPage = page(datasetSchema).meta({ id: 'DatasetPage' });
