import { z } from 'zod';
import { recipeSchema } from '../../quant/index.ts';

const share = z.number().min(0).max(1);
const count = z.int().nonnegative();
const decibels = z.number().nullable().describe('of the weakest output; null where nothing differs');
const klDivergence = z
  .number()
  .describe('mean KL(softmax fp32 || softmax int8) in nats over the samples; classifiers only');

/** How one network compares with fp32 on some samples. Shares are 0..1. */
const figures = z.strictObject({
  samples: count,
  top1: share.optional().describe('labelled classifiers'),
  losses: count.optional().describe('labelled samples that only fp32 gets right'),
  gains: count.optional().describe('labelled samples that only int8 gets right'),
  netLoss: z.number().optional().describe('(losses - gains) / samples'),
  bound: z.number().optional().describe('1.64 * sqrt(losses + gains) / samples'),
  agreement: share.optional().describe('classifiers'),
  outputKl: klDivergence.optional(),
  sqnrDb: decibels,
});

const candidate = figures.extend({
  title: z.string().describe('what differs from the given recipe'),
  recipe: recipeSchema.describe('gives this network again, byte for byte, without a search'),
  withinBudget: z.boolean().describe('on the samples that choose'),
  p50Ms: z.number().nonnegative().describe('one inference here on one thread, timed in turns with the given recipe'),
  int8Bytes: count,
  floatLayers: count.describe('layers with weights that stay float'),
  pareto: z.boolean().describe('no other one is as accurate and faster, or as fast and more accurate'),
});

const sensitivity = z.strictObject({
  name: z.string(),
  sqnrDb: decibels,
  outputKl: klDivergence.optional(),
  cause: z.enum(['weights', 'activations']).optional().describe('what of it costs most; of the worst layers'),
});

/** What a recipe search tried and why it ended where it did. */
export const searchReportSchema = z.strictObject({
  seconds: z.number().describe('allowed'),
  spentSeconds: z.number(),
  ended: z.enum(['finished', 'deadline', 'stopped', 'candidates']).describe('why the search ended'),
  selection: z
    .strictObject({ samples: count, labelled: z.boolean(), sha256: z.string() })
    .describe('the samples that chose; they prove nothing and appear in no other figure of the report'),
  candidates: z.array(candidate).describe('in the order of the search; the first is the given recipe'),
  chosen: count.describe('index of the candidate that the file was made with'),
  sensitivity: z.array(sensitivity).describe('each layer quantized alone, the worst first'),
  proof: z
    .strictObject({
      best: count.describe('index of the candidate that the selection preferred'),
      default: figures,
      chosen: figures,
      returned: z.enum(['chosen', 'default']).describe('default: the preferred one was worse on these samples'),
    })
    .optional()
    .describe('both on samples that did not choose; absent where the given recipe was preferred'),
  prevented: z.string().optional().describe('why the budget was not met, and which layer is to blame'),
});

export type SearchReport = z.infer<typeof searchReportSchema>;
export type SearchCandidate = SearchReport['candidates'][number];
export type SearchFigures = z.infer<typeof figures>;
export type LayerSensitivity = z.infer<typeof sensitivity>;
