import { z } from 'zod';
import { executorName } from './shared.ts';

export const rawOutput = z
  .object({
    name: z.string(),
    datatype: z.string().describe('As the Open Inference Protocol names it'),
    shape: z.array(z.int()).readonly(),
    data: z
      .array(z.union([z.number(), z.boolean()]))
      .readonly()
      .describe('Row-major; integers beyond 2^53 are rounded'),
  })
  .meta({ id: 'RawOutput' });

export const predictionSchema = z
  .object({
    model: z.string(),
    version: z.int(),
    kind: z.enum(['fp32', 'int8']),
    executor: executorName,
    scores: z
      .enum(['softmax', 'network'])
      .optional()
      .describe('softmax: applied to logits here; network: the network gave probabilities itself'),
    classes: z
      .array(z.object({ index: z.int(), label: z.string().optional(), score: z.number() }))
      .readonly()
      .optional()
      .describe('Most likely first, where the network is a classifier'),
    outputs: z.array(rawOutput).readonly().optional().describe('Raw outputs, of other networks or with ?raw=true'),
    timing: z.object({
      queueMs: z.number(),
      preprocessMs: z.number(),
      computeMs: z.number(),
      postprocessMs: z.number(),
      totalMs: z.number(),
    }),
  })
  .meta({ id: 'Prediction' });

const tierSchema = z.enum(['reference', 'simd', 'relaxed', 'wide']);

export const engineSchema = z
  .object({
    tier: tierSchema,
    reason: z.string().describe('Why this tier: what the self-test and the probes found, and what was asked for'),
    dotSemantics: z.string(),
    selfTest: z.record(z.string(), z.enum(['passed', 'failed', 'unavailable', 'notRun'])),
    threads: z.int().describe('Inference threads'),
    loaded: z
      .array(
        z.object({
          model: z.string(),
          version: z.int(),
          tier: tierSchema,
          mismatchedTiers: z.array(tierSchema).describe('Left out, as they did not give the golden output'),
          memoryBytes: z.int().describe('Over all threads'),
        }),
      )
      .describe('Versions in memory, and the tier that each runs on'),
    floatExecutor: z.enum(['onnxruntime', 'reference']).describe('What runs fp32 versions and calibration'),
    onnxruntime: z.string().nullable().describe('Version found, or null'),
    sharp: z.string().nullable().describe('Version found, or null: then images cannot be decoded'),
    node: z.string(),
    v8: z.string(),
    platform: z.string(),
    version: z.string().describe('Of Octet'),
  })
  .meta({ id: 'Engine' });
