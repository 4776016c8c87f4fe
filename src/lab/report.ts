import { z } from 'zod';
import { preprocessingSchema } from '../data/index.ts';
import { recipeSchema } from '../quant/index.ts';

const share = z.number().min(0).max(1);
const count = z.int().nonnegative();
const bytes = count;
const ms = z.number().nonnegative();
const db = z.number().nullable().describe('decibels; null where there is no error or no signal');
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

const layer = z.strictObject({
  name: z.string(),
  opType: z.string(),
  output: z.string().describe('the value it ends in, fused activation included'),
  form: z.enum(['int8', 'weights', 'float']).describe('weights: int8 weights, float arithmetic'),
  kernel: z.string().optional().describe("the engine's kernel"),
  weights: z
    .strictObject({
      shape: z.array(count),
      bits: z.int(),
      scales: count.describe('1 is per-tensor'),
      sqnrDb: db,
      min: z.number(),
      max: z.number(),
      channelSpread: z
        .number()
        .describe(
          'largest over smallest absolute channel maximum: what one scale for all channels would have to bridge',
        ),
    })
    .optional(),
  activation: z
    .strictObject({
      scale: z.number(),
      zeroPoint: z.int(),
      min: z.number().describe('lowest value the quantizer keeps'),
      max: z.number().describe('highest value the quantizer keeps'),
      localSqnrDb: db.describe('rounding and clipping of this value alone'),
      clippedShare: share,
    })
    .optional(),
  accumulatedSqnrDb: db.optional().describe('int8 network against fp32, all errors up to here'),
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
      })
      .describe('single inferences, batch 1'),
    engine: z.strictObject({ tier: z.string(), reason: z.string() }),
    executor: z.enum(['onnxruntime', 'reference']).describe('what ran the float network'),
    layers: z.array(layer),
    worstLayers: z.array(z.strictObject({ name: z.string(), diagnosis: z.string(), advice: z.string() })),
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
export type LatencyReport = z.infer<typeof latency>;
export type Verdict = Report['verdict'];
