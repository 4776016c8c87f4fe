import { z } from 'zod';
import { recipeSchema } from '../../quant/index.ts';
import { jobKinds, jobStages } from '../../store/index.ts';
import { datasetId, modelName, versionSelector } from '../names.ts';
import { page, problemSchema, timestamp } from './shared.ts';

export const jobRequest = z
  .strictObject({
    model: modelName,
    version: z
      .union([z.int().positive(), versionSelector])
      .optional()
      .describe('fp32 version to quantize, by number or alias; absent: the newest fp32 one'),
    recipe: recipeSchema.prefault({}),
    calibration: datasetId.optional().describe('Absent for weight-only recipes'),
    evaluation: datasetId.optional(),
  })
  .meta({ id: 'JobRequest' });

export const whitepaperRequest = z
  .strictObject({
    calibration: datasetId,
    evaluation: datasetId.optional().describe('Absent: 20 % of the calibration set are held out'),
  })
  .meta({ id: 'WhitepaperRequest' });

export const jobStates = ['queued', 'running', 'succeeded', 'failed', 'cancelled'] as const;

export const jobSchema = z
  .object({
    id: z.string(),
    kind: z.enum(jobKinds),
    model: z.string(),
    version: z.int().describe('The fp32 version'),
    recipe: recipeSchema,
    calibration: z.string().optional(),
    evaluation: z.string().optional(),
    state: z.enum(jobStates),
    stage: z.enum(jobStages).optional(),
    done: z.int().optional(),
    total: z.int().optional(),
    etaMs: z.int().optional().describe('Rough estimate, from the stages done so far'),
    attempts: z.int(),
    createdAt: timestamp,
    startedAt: timestamp.optional(),
    endedAt: timestamp.optional(),
    resultVersion: z.int().optional().describe('The int8 version it made'),
    problem: problemSchema.optional().describe('Why it failed'),
    links: z.object({
      self: z.string(),
      events: z.string(),
      version: z.string().optional(),
      report: z.string().optional(),
      reportHtml: z.string().optional(),
      file: z.string().optional(),
      infer: z.string().optional(),
      whitepaper: z.string().optional(),
      whitepaperHtml: z.string().optional(),
    }),
  })
  .meta({ id: 'Job' });

export const jobPage = page(jobSchema).meta({ id: 'JobPage' });
