import type { Suite } from '../problem.ts';
import { floatElementwiseSuites } from './elementwise.ts';
import { floatNormalizationSuites } from './normalizations.ts';
import { floatPoolSuites } from './pools.ts';
import { floatProductSuites } from './products.ts';

/** Problems in float32, whose kernels are the same for every arithmetic of bytes. */
export const floatSuites: readonly Suite[] = [
  ...floatElementwiseSuites,
  ...floatProductSuites,
  ...floatPoolSuites,
  ...floatNormalizationSuites,
];
