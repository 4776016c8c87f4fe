import { z } from 'zod';

/** What a calibration set, or how it is read, may have wrong. */
export const findingCodes = [
  'FEW_SAMPLES',
  'DUPLICATES',
  'CLASSES_MISSING',
  'CLASSES_UNEVEN',
  'RANGES_UNSTEADY',
  'BLANK_IMAGES',
  'SMALL_IMAGES',
  'PREPROCESSING_DOUBTFUL',
] as const;

const finding = z.strictObject({
  code: z.enum(findingCodes),
  text: z.string().describe('one sentence with the numbers, and what to do'),
});

/** Part of the report: what the linter says of the calibration set. */
export const calibrationReportSchema = z.strictObject({
  findings: z.array(finding),
  convergence: z
    .array(
      z.strictObject({
        samples: z.int().positive(),
        moved: z.number().nonnegative().describe("mean distance of both ends to the final range's, over its width"),
      }),
    )
    .describe('how far the ranges were from their final place after so many samples'),
  preprocessing: z
    .array(
      z.strictObject({
        title: z.string(),
        score: z.number().describe('share of right answers; without labels, nats that an answer tells of its image'),
      }),
    )
    .optional()
    .describe('the declared preprocessing first, then the usual others, on the same images'),
});

export type CalibrationReport = z.infer<typeof calibrationReportSchema>;
export type Finding = CalibrationReport['findings'][number];
export type Convergence = CalibrationReport['convergence'];
