import { z } from 'zod';

const share = z.number().min(0).max(1);
const count = z.int().nonnegative();

const cell = z.strictObject({
  key: z
    .string()
    .describe(
      'stable: w, b or a for weights, both, activations; bits; l, s or a for per layer, symmetric or affine per channel',
    ),
  table: z.int().describe("the paper's"),
  title: z.string(),
  top1: share.optional().describe('absent without labels'),
  agreement: share.optional().describe('with the float network'),
  labelled: z
    .strictObject({
      samples: count,
      losses: count,
      gains: count,
      netLoss: z.number(),
      bound: z.number(),
      netLossUpper: z.number(),
      pValue: share,
    })
    .optional()
    .describe('the float network against this one, as in a report'),
  paperTop1: share.optional().describe("the paper's figure for this architecture"),
});

/** The post-training columns of the whitepaper's tables for one network and its data. */
export const whitepaperSchema = z
  .strictObject({
    samples: z.strictObject({ calibration: count, evaluation: count }),
    parameters: count,
    floatTop1: share.optional(),
    paper: z
      .strictObject({ name: z.string(), floatTop1: share })
      .optional()
      .describe("the paper's network of this architecture, where it has one"),
    cells: z.array(cell),
  })
  .meta({ id: 'Whitepaper', description: 'A network quantized in every way of arXiv:1806.08342 section 3.1' });

export type WhitepaperGrid = z.infer<typeof whitepaperSchema>;
/** One figure of the grid. */
export type GridCell = WhitepaperGrid['cells'][number];
