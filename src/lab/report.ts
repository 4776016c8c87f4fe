import { z } from 'zod';
import { preprocessingSchema } from '../data/index.ts';
import { recipeSchema } from '../quant/index.ts';
import { calibrationReportSchema } from './lint/findings.ts';
import { KEPT_DISAGREEMENTS } from './disagreements.ts';
import { db, layerSchema } from './layerSchema.ts';
import { searchReportSchema } from './search/searchReport.ts';

const share = z.number().min(0).max(1);
const count = z.int().nonnegative();
const bytes = count;
const ms = z.number().nonnegative();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const interval = z.strictObject({ low: share, high: share }).describe('95 % confidence, Clopper-Pearson');

const accuracy = z.strictObject({ share, count, interval }).describe('of the labelled evaluation samples');

const runner = z.strictObject({
  runner: z.string().describe('what computed it: octet (wide), onnxruntime, reference'),
  top1: accuracy.optional(),
  top5: accuracy.optional(),
});

const paired = z.strictObject({
  samples: count,
  agreement: share.describe('share of samples with the same answer'),
  disagreements: count,
  disagreementInterval: interval,
  disagreementUpper: share.describe('one-sided 95 %; no accuracy on these samples can change by more than the share'),
  labelled: z
    .strictObject({
      samples: count,
      losses: count.describe('samples that only fp32 gets right'),
      gains: count.describe('samples that only int8 gets right'),
      netLoss: z.number().describe('(losses - gains) / samples'),
      bound: z.number().describe('1.64 * sqrt(losses + gains) / samples'),
      netLossUpper: z.number().describe('one-sided 95 % upper limit of the net loss'),
      pValue: share.describe('McNemar, exact, two-sided'),
    })
    .optional(),
});

const output = z.strictObject({
  name: z.string(),
  sqnrDb: db,
  cosine: z.number().nullable(),
  maxError: z.number(),
});

const latency = z.strictObject({
  runner: z.string(),
  threads: z.int().positive(),
  runs: count,
  p50Ms: ms,
  p90Ms: ms,
  p99Ms: ms,
});

const nodeTimes = z.strictObject({ p50Ms: ms, p90Ms: ms, p99Ms: ms });

const nodeLatency = z.strictObject({
  name: z.string(),
  opType: z.string(),
  kernel: z.string(),
  macs: count,
  int8: nodeTimes,
  fp32: nodeTimes.optional().describe('where the float executor times single nodes'),
});

const answer = z.strictObject({
  class: count,
  name: z.string().optional(),
  score: share.describe('probability: the output, or its softmax where it is none'),
});

const disagreement = z.strictObject({
  sample: z.string(),
  label: answer.omit({ score: true }).optional(),
  fp32: answer,
  int8: answer,
  thumbnail: z
    .string()
    .regex(/^data:image\/webp;base64,[A-Za-z0-9+/=]+$/)
    .optional()
    .describe('as the network sees it, small'),
});

const dataset = z.strictObject({
  samples: count.describe('used'),
  labelled: z.boolean(),
  duplicates: count.describe('samples whose content occurred before'),
  sha256: sha256.describe("of the samples' content hashes, sorted"),
});

/**
 * What a quantization did to a network: all the numbers that the page shows, and how to make them again.
 * Shares are 0..1, never per cent; a missing member was not measured.
 */
export const reportSchema = z
  .strictObject({
    schema: z.literal(1),
    verdict: z.strictObject({
      outcome: z.enum(['pass', 'fail', 'notEnoughData']),
      headline: z.string().describe('one sentence'),
      reasons: z.array(z.string()),
      budget: z.number().describe("the recipe's accuracyBudget: points of top-1, or per cent of disagreement"),
      neededSamples: z.int().positive().optional().describe('labelled samples that would decide it'),
    }),
    model: z.strictObject({
      name: z.string(),
      sha256: sha256.describe('of the float file'),
      quantizedSha256: sha256,
      parameters: count,
      macs: count.describe('of one sample'),
      operators: z.record(z.string(), count),
    }),
    task: z.enum(['classifier', 'other']),
    data: z.strictObject({
      calibration: dataset.optional(),
      evaluation: dataset
        .extend({
          source: z
            .enum(['evaluationSet', 'heldOut'])
            .describe('heldOut: 20 % of the calibration set by content, not used for calibration'),
          overlapRemoved: count.describe('evaluation samples left out because calibration has the same content'),
        })
        .optional(),
    }),
    accuracy: z.strictObject({ fp32: runner, int8: runner }).optional(),
    paired: paired.optional(),
    outputs: z.array(output),
    size: z.strictObject({
      fp32Bytes: bytes,
      int8Bytes: bytes,
      ratio: z.number().describe('fp32 over int8'),
    }),
    latency: z
      .strictObject({
        fp32: latency.optional(),
        int8: latency.optional(),
        speedup: z.number().optional().describe('fp32 p50 over int8 p50, on this machine'),
        nodes: z.array(nodeLatency).optional().describe('in the order they run; timing each costs a little itself'),
      })
      .describe('single inferences, batch 1'),
    engine: z.strictObject({ tier: z.string(), reason: z.string() }),
    executor: z.enum(['onnxruntime', 'reference']).describe('what ran the float network'),
    layers: z.array(layerSchema),
    worstLayers: z.array(
      z.strictObject({
        name: z.string(),
        diagnosis: z.string(),
        advice: z.string(),
        gain: z
          .strictObject({
            fromDb: z.number(),
            toDb: z.number(),
            basis: z.enum(['weights', 'histogram']).describe('what was quantized again, or on what it was predicted'),
          })
          .optional()
          .describe('of the quantizer that the advice changes, for this layer alone'),
      }),
    ),
    disagreements: z
      .array(disagreement)
      .max(KEPT_DISAGREEMENTS)
      .optional()
      .describe('samples that fp32 and int8 answer differently, the most confident first'),
    calibration: calibrationReportSchema.optional().describe('what may be wrong with the calibration set'),
    search: searchReportSchema.optional().describe('of recipes that asked for one'),
    warnings: z.array(z.string()),
    recipe: recipeSchema,
    preprocessing: preprocessingSchema,
    golden: sha256.describe("of the reference kernels' outputs for the golden input"),
    versions: z.record(z.string(), z.string()),
    stages: z.array(z.strictObject({ stage: z.string(), ms })).describe('where the time of the job went'),
  })
  .meta({ id: 'Report', description: 'Verdict, accuracy, size, latency, layers, recipe' });

export type Report = z.infer<typeof reportSchema>;
export type LayerReport = Report['layers'][number];
export type NodeLatency = NonNullable<Report['latency']['nodes']>[number];
export type Disagreement = NonNullable<Report['disagreements']>[number];
export type LatencyReport = z.infer<typeof latency>;
export type Verdict = Report['verdict'];
