import { z } from 'zod';
import { errorCatalogue, InvariantError, type ErrorCode } from '../base/index.ts';
import { preprocessingSchema } from '../data/index.ts';
import { recipeSchema } from '../quant/index.ts';
import { jobKinds, jobStages, type DatasetRecord, type JobRecord, type VersionRecord } from './records.ts';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const timestamp = z.iso.datetime({ precision: 3 });
const count = z.int().nonnegative();

/** NULL is an absent value. */
const optional = <T extends z.ZodType>(schema: T) => schema.nullable().transform((value) => value ?? undefined);

/** A text column that holds JSON. */
const json = <T extends z.ZodType>(schema: T) =>
  z
    .string()
    .transform((text, context): unknown => {
      try {
        return JSON.parse(text);
      } catch {
        context.addIssue('is not JSON');
        return z.NEVER;
      }
    })
    .pipe(schema);

const tensorInfo = z.object({ name: z.string(), dtype: z.string(), shape: z.array(z.int().min(-1)) });

const summary = z.object({
  inputs: z.array(tensorInfo),
  outputs: z.array(tensorInfo),
  operators: z.record(z.string(), count),
  parameters: count,
  macs: count,
  opset: count,
  producer: z.string(),
  unsupported: z.string().optional(),
});

const codes = Object.keys(errorCatalogue) as [ErrorCode, ...ErrorCode[]];

const versionRow = z.object({
  model: z.string(),
  version: z.int().positive(),
  kind: z.enum(['fp32', 'int8']),
  sha256,
  sizeBytes: count,
  createdAt: timestamp,
  summary: json(summary),
  preprocessing: json(preprocessingSchema),
  labels: optional(json(z.array(z.string()))),
  jobId: optional(z.string()),
  reportSha256: optional(sha256),
  golden: optional(z.string()),
  verdict: optional(z.enum(['pass', 'fail', 'notEnoughData'])),
});

const datasetRow = z.object({
  id: z.string(),
  name: optional(z.string()),
  sha256,
  sizeBytes: count,
  format: z.enum(['zip', 'npy', 'npz']),
  kind: z.enum(['images', 'tensors']),
  sampleCount: count,
  labelled: z.int().transform((value) => value === 1),
  classNames: optional(json(z.array(z.string()))),
  createdAt: timestamp,
});

const jobRow = z
  .object({
    id: z.string(),
    kind: z.enum(jobKinds),
    model: z.string(),
    version: z.int().positive(),
    recipe: json(recipeSchema),
    calibration: optional(z.string()),
    evaluation: optional(z.string()),
    state: z.enum(['queued', 'running', 'succeeded', 'failed', 'cancelled']),
    progress: optional(json(z.object({ stage: z.enum(jobStages), done: z.number(), total: z.number() }))),
    attempts: count,
    createdAt: timestamp,
    startedAt: optional(timestamp),
    endedAt: optional(timestamp),
    resultVersion: optional(z.int().positive()),
    gridSha256: optional(sha256),
    problem: optional(
      json(z.object({ code: z.enum(codes), detail: z.string(), params: z.record(z.string(), z.unknown()) })),
    ),
  })
  .transform(({ kind, model, version, recipe, calibration, evaluation, ...job }) => ({
    ...job,
    spec: { kind, model, version, recipe, calibration, evaluation },
  }));

/** Columns of a job's record, for SELECT. */
export const jobColumns =
  'id, kind, model, version, recipe, calibration, evaluation, state, progress, attempts, createdAt, startedAt, endedAt, resultVersion, gridSha256, problem';

export const toVersion = (row: unknown): VersionRecord => parse('version', versionRow, row);
export const toDataset = (row: unknown): DatasetRecord => parse('data set', datasetRow, row);
export const toJob = (row: unknown): JobRecord => parse('job', jobRow, row);

/** A row as a record. What the database holds was checked when it was written: a mismatch is damage or a bug. */
export function parse<T>(what: string, schema: z.ZodType<T>, row: unknown): T {
  const result = schema.safeParse(row);
  if (!result.success) throw new InvariantError(`a stored ${what} is not valid: ${z.prettifyError(result.error)}`);
  return result.data;
}
