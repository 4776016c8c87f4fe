import { z } from 'zod';

const globs = z.array(z.string().min(1).max(256)).max(1_000);

/**
 * How to quantize. Every field has a default; `{}` is the default recipe: BN folded, weights int8 symmetric per channel
 * in [−127, 127], activations uint8 affine by moving min-max, empirical bias correction, final Softmax and outputs float.
 */
export const recipeSchema = z
  .strictObject({
    /** 'none' is activations only, a simulation. */
    weights: z
      .union([
        z.literal('none'),
        z.strictObject({
          granularity: z.enum(['perChannel', 'perTensor']).default('perChannel'),
          symmetric: z.boolean().default(true),
          /** 8 and 7 run in integers everywhere; fewer are a simulation. */
          bits: z.int().min(2).max(8).default(8),
          calibrator: z.enum(['minMax', 'mse']).default('minMax'),
        }),
      ])
      .prefault({}),
    /** 'none' is weight-only. */
    activations: z
      .union([
        z.literal('none'),
        z.strictObject({
          /** true: int8 with zero point 0 (TensorRT). */
          symmetric: z.boolean().default(false),
          bits: z.int().min(2).max(8).default(8),
          calibrator: z.enum(['minMax', 'movingMinMax', 'percentile', 'entropy', 'mse']).default('movingMinMax'),
          /** Share of values kept inside the range, for 'percentile'. */
          percentile: z.number().min(90).max(100).default(99.99),
        }),
      ])
      .prefault({}),
    /** Applied before ranges are taken. */
    equalization: z
      .union([
        z.boolean(),
        z.strictObject({
          /** Moves what BatchNormalization says a channel never falls below into the next layer's bias. */
          absorbHighBias: z.boolean().default(true),
          /** What becomes of Relu6 between equalized layers: a cap a channel, exactly; a plain Relu; or that where it is harmless. */
          relu6: z.enum(['caps', 'relu', 'auto']).default('caps'),
        }),
      ])
      .default(false),
    biasCorrection: z.enum(['none', 'empirical', 'analytic']).default('empirical'),
    /** The only layers with weights that may be quantized, by name or glob, or by operator type; all if empty. */
    include: z.strictObject({ nodes: globs.default([]), opTypes: globs.default([]) }).prefault({}),
    /** Nodes that stay float: by name or glob, or by operator type. */
    exclude: z.strictObject({ nodes: globs.default([]), opTypes: globs.default([]) }).prefault({}),
    /** Ranges set by hand, by value name. */
    overrides: z.record(z.string(), z.strictObject({ min: z.number(), max: z.number() })).default({}),
    /** At most this many calibration samples are used, chosen by seed; all if absent. */
    calibrationSamples: z.int().positive().optional(),
    seed: z.int().nonnegative().default(0),
    /** Largest loss of top-1 in points (labelled) or disagreement in per cent (unlabelled) that still passes. */
    accuracyBudget: z.number().min(0).max(100).default(2),
    /**
     * Look for a better recipe than this one: calibrators, asymmetric and 7-bit weights, equalization, bias correction,
     * layers that stay float. Absent: this recipe as it is.
     */
    search: z
      .strictObject({
        /** Time to look for; the best so far is kept when it is over. */
        seconds: z.number().min(10).max(86_400).default(300),
        /** Most recipes to measure, whatever the time: a search that ends by it is the same on every run. */
        candidates: z.int().min(1).max(1_000).optional(),
      })
      .optional(),
  })
  .meta({ id: 'Recipe' });

export type Recipe = z.infer<typeof recipeSchema>;

export const defaultRecipe: Recipe = recipeSchema.parse({});
