import { z } from 'zod';

/** Names of models and aliases: what may stand in a path, a header and a file name without quoting. */
const pattern = /^[a-z0-9][a-z0-9._-]{0,63}$/;

const rule = 'must match ^[a-z0-9][a-z0-9._-]{0,63}$ and not contain ".."';

export const modelName = z
  .string()
  .regex(pattern, rule)
  .refine((name) => !name.includes('..'), rule)
  .describe('Name of a model');

export const aliasName = z
  .string()
  .regex(pattern, rule)
  .refine((name) => !name.includes('..') && !/^[0-9]+$/.test(name), `${rule}, nor be a number`)
  .describe('Name of an alias');

/** A version's number, or an alias that points at one. */
export const versionSelector = z.string().regex(pattern, rule).describe('Version number or alias');

export const jobId = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be the id of a job')
  .describe('Id of a job');

export const datasetId = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be the id of a data set')
  .describe('Id of a data set');
