import { z } from 'zod';

/** The laboratory owns the report's content; the interface promises its frame. */
export const reportSchema = z
  .looseObject({})
  .meta({ id: 'Report', description: 'Verdict, accuracy, size, latency, layers, recipe' });
