import { z } from 'zod';
import { executorName } from '../schemas/shared.ts';

const tensorMetadata = z.object({ name: z.string(), datatype: z.string(), shape: z.array(z.int()).readonly() });

export const serverMetadata = z
  .object({ name: z.string(), version: z.string(), extensions: z.array(z.string()).readonly() })
  .meta({ id: 'ServerMetadata' });

export const modelMetadata = z
  .object({
    name: z.string(),
    versions: z.array(z.string()).readonly(),
    platform: z.string(),
    inputs: z.array(tensorMetadata).readonly(),
    outputs: z.array(tensorMetadata).readonly(),
  })
  .meta({ id: 'ModelMetadata' });

const configTensor = z.object({
  name: z.string(),
  data_type: z.string(),
  dims: z.array(z.string()),
  format: z.string().optional(),
});

export const modelConfig = z
  .object({
    name: z.string(),
    platform: z.string(),
    backend: z.string(),
    max_batch_size: z.int(),
    input: z.array(configTensor),
    output: z.array(configTensor),
  })
  .meta({ id: 'ModelConfig' });

const total = z.object({ count: z.int(), ns: z.int() });

const modelStatistics = z.object({
  name: z.string(),
  version: z.string(),
  last_inference: z.int().describe('Milliseconds since 1970'),
  inference_count: z.int().describe('Samples'),
  execution_count: z.int().describe('Requests'),
  inference_stats: z.object({
    success: total,
    fail: total,
    queue: total,
    compute_input: total,
    compute_infer: total,
    compute_output: total,
    cache_hit: total,
    cache_miss: total,
  }),
  response_stats: z.object({}),
  batch_stats: z.array(
    z.object({ batch_size: z.int(), compute_input: total, compute_infer: total, compute_output: total }),
  ),
  memory_usage: z.array(z.unknown()),
});

export const statisticsList = z.object({ model_stats: z.array(modelStatistics) }).meta({ id: 'ModelStatistics' });

export const repositoryIndex = z
  .array(
    z.object({
      name: z.string(),
      version: z.string(),
      state: z.enum(['READY', 'UNAVAILABLE', 'LOADING']),
      reason: z.string(),
    }),
  )
  .meta({ id: 'RepositoryIndex' });

const parameters = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));

export const inferRequest = z
  .object({
    id: z.string().optional(),
    parameters: parameters.optional(),
    inputs: z.array(
      z.object({
        name: z.string(),
        shape: z.array(z.int().nonnegative()),
        datatype: z.string(),
        parameters: parameters.optional().describe('binary_data_size: the tensor follows the JSON'),
        data: z.array(z.unknown()).optional().describe('Flat or nested, row-major'),
      }),
    ),
    outputs: z
      .array(z.object({ name: z.string(), parameters: parameters.optional().describe('binary_data, classification') }))
      .optional(),
  })
  .meta({ id: 'InferRequest' });

export const inferResponse = z
  .object({
    model_name: z.string(),
    model_version: z.string(),
    id: z.string().optional(),
    parameters: z.object({ executor: executorName }),
    outputs: z.array(
      z.object({
        name: z.string(),
        shape: z.array(z.int()),
        datatype: z.string(),
        parameters: parameters.optional(),
        data: z.array(z.unknown()).optional(),
      }),
    ),
  })
  .meta({ id: 'InferResponse' });

export const modelReady = z.object({ name: z.string(), ready: z.boolean() }).meta({ id: 'ModelReady' });
