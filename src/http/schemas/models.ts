import { z } from 'zod';
import { preprocessingSchema } from '../../data/index.ts';
import { executorName, page, sha256, timestamp } from './shared.ts';

export const tensorInfo = z
  .object({
    name: z.string(),
    dtype: z.string(),
    shape: z.array(z.int()).readonly().describe('-1 is the free batch'),
  })
  .meta({ id: 'TensorInfo' });

export const versionSchema = z
  .object({
    model: z.string(),
    version: z.int(),
    kind: z.enum(['fp32', 'int8']),
    live: z.boolean().describe('Whether it answers requests that name no version'),
    sha256,
    sizeBytes: z.int(),
    createdAt: timestamp,
    inputs: z.array(tensorInfo).readonly(),
    outputs: z.array(tensorInfo).readonly(),
    operators: z.record(z.string(), z.int()).describe('Nodes by operator type'),
    parameters: z.int(),
    macs: z.number().describe('Multiply-accumulates of one sample; 0 where only onnxruntime runs it'),
    opset: z.int(),
    producer: z.string(),
    preprocessing: preprocessingSchema,
    labels: z.array(z.string()).readonly().optional(),
    jobId: z.string().optional().describe('The job that made it'),
    verdict: z.enum(['pass', 'fail', 'notEnoughData']).optional().describe('Of its report; a failed one is never live'),
    preflight: z
      .object({
        verdict: z.literal('supported'),
        executor: executorName,
        reason: z.string().optional().describe('Why only onnxruntime runs it'),
      })
      .describe('What the upload check found'),
    links: z.object({
      self: z.string(),
      file: z.string(),
      infer: z.string(),
      predict: z.string(),
      report: z.string().optional(),
      reportHtml: z.string().optional(),
      job: z.string().optional(),
    }),
  })
  .meta({ id: 'Version' });

export const modelSchema = z
  .object({
    name: z.string(),
    createdAt: timestamp,
    aliases: z.record(z.string(), z.int()),
    live: z.int().optional().describe('The version that answers requests that name none'),
    versions: z.array(versionSchema).readonly(),
  })
  .meta({ id: 'Model' });

export const modelPage = page(modelSchema).meta({ id: 'ModelPage' });
