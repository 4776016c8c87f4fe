import { z } from 'zod';

const share = z.number().min(0).max(1);
const count = z.int().nonnegative();

export const db = z.number().nullable().describe('decibels; null where there is no error or no signal');

/** Channels whose ranges a report lists. */
export const LISTED_CHANNELS = 64;

/** Bins of a histogram of activations. */
export const HISTOGRAM_BINS = 64;

/** Weight power is counted by octaves of w² / E[w²], from 2^FIRST_OCTAVE up. */
export const FIRST_OCTAVE = -16;
export const OCTAVES = 28;

const bounds = z.strictObject({ min: z.array(z.number()), max: z.array(z.number()) });

const channels = z
  .strictObject({
    count: count.describe('output channels of the layer'),
    index: z.array(count).max(LISTED_CHANNELS).describe('those that are listed, of even ranks when there are more'),
    folded: bounds.describe('as they are quantized: batch normalization folded, equalized if asked for'),
    original: bounds.optional().describe('as in the file; absent where folding changed nothing'),
  })
  .describe('ranges of weights by output channel, widest after folding first');

const power = z
  .strictObject({
    folded: z.array(share).length(OCTAVES),
    original: z.array(share).length(OCTAVES).optional(),
  })
  .describe(
    `share of the weights by w^2 / E[w^2] in octaves, the first below 2^${FIRST_OCTAVE + 1}, the last from ` +
      `2^${FIRST_OCTAVE + OCTAVES - 1} up: the power distribution of arXiv:1806.08342, appendix A`,
  );

const weights = z.strictObject({
  shape: z.array(count),
  bits: z.int(),
  scales: count.describe('1 is per-tensor'),
  sqnrDb: db,
  channelSqnrDb: db
    .optional()
    .describe('of the mean of noise over signal of the channels: a small channel that is lost counts like a large one'),
  min: z.number(),
  max: z.number(),
  channelSpread: z
    .number()
    .describe('largest over smallest absolute channel maximum: what one scale for all channels would have to bridge'),
  foldSpread: z
    .number()
    .optional()
    .describe('channelSpread over that before folding: what batch normalization brought in'),
  channels: channels.optional(),
  power: power.optional(),
});

const activation = z.strictObject({
  scale: z.number(),
  zeroPoint: z.int(),
  min: z.number().describe('lowest value the quantizer keeps'),
  max: z.number().describe('highest value the quantizer keeps'),
  localSqnrDb: db.describe('rounding and clipping of this value alone'),
  clippedShare: share,
  histogram: z
    .strictObject({
      start: z.number().describe('lower edge of the first bin'),
      width: z.number(),
      shares: z.array(share).max(HISTOGRAM_BINS).describe('of the values that are not exactly 0'),
      zeros: share.describe('values that are exactly 0, of all'),
    })
    .optional()
    .describe('of the float network, over the samples that were analysed'),
  dominantChannel: z
    .strictObject({
      channel: count,
      share: share.describe('how much narrower the range of the layer would be without it'),
    })
    .optional()
    .describe('the channel that sets the range, where it sets a good part of it'),
});

/** One row a node of the float graph, activations that are fused into their producer aside. */
export const layerSchema = z.strictObject({
  name: z.string(),
  opType: z.string(),
  output: z.string().describe('the value it ends in, fused activation included'),
  reads: z.array(z.string()).optional().describe('outputs of other layers and inputs of the network that it reads'),
  shape: z.array(z.int()).optional().describe('of the output; -1 is the batch'),
  form: z.enum(['int8', 'weights', 'float']).describe('weights: int8 weights, float arithmetic'),
  kernel: z.string().optional().describe("the engine's kernel"),
  weights: weights.optional(),
  activation: activation.optional(),
  accumulatedSqnrDb: db.optional().describe('int8 network against fp32, all errors up to here'),
});
