import { z } from 'zod';

const positiveInt = z.int().positive().max(16_384);

/**
 * How an image becomes a network input: decode, EXIF rotation, colour, resize, centre crop, then per channel
 *   y = (x · scale − mean) / std,  x in 0..255.
 */
export const preprocessingSchema = z
  .strictObject({
    color: z.enum(['rgb', 'bgr', 'gray']).default('rgb'),
    resize: z
      .union([
        z.strictObject({ shortSide: positiveInt }),
        z.strictObject({
          width: positiveInt,
          height: positiveInt,
          fit: z.enum(['stretch', 'letterbox']).default('stretch'),
          padValue: z.int().min(0).max(255).default(0),
        }),
      ])
      .optional(),
    resample: z.enum(['linear', 'nearest', 'cubic', 'lanczos3']).default('linear'),
    crop: z.strictObject({ width: positiveInt, height: positiveInt }).optional(),
    scale: z
      .number()
      .positive()
      .default(1 / 255),
    /** One number for all channels, or one a channel in the network's order. */
    mean: z.union([z.number(), z.array(z.number()).min(1).max(4)]).default(0),
    std: z.union([z.number().positive(), z.array(z.number().positive()).min(1).max(4)]).default(1),
  })
  .meta({ id: 'Preprocessing' });

export type Preprocessing = z.infer<typeof preprocessingSchema>;

export const defaultPreprocessing: Preprocessing = preprocessingSchema.parse({});
