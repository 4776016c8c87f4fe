import fc from 'fast-check';
import { recipeSchema, type Recipe } from '../../../src/quant/index.ts';

const bits = fc.constantFrom(8, 8, 8, 7, 5);

const weights = fc.oneof(
  {
    weight: 9,
    arbitrary: fc.record({
      granularity: fc.constantFrom('perChannel', 'perChannel', 'perTensor'),
      symmetric: fc.constantFrom(true, true, false),
      bits,
      calibrator: fc.constantFrom('minMax', 'mse'),
    }),
  },
  { weight: 1, arbitrary: fc.constant('none') },
);

const activations = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      symmetric: fc.constantFrom(false, false, true),
      bits,
      calibrator: fc.constantFrom('minMax', 'movingMinMax', 'percentile', 'entropy', 'mse'),
    }),
  },
  { weight: 1, arbitrary: fc.constant('none') },
);

const equalization = fc.constantFrom(
  ...[false, false, true],
  ...(['caps', 'relu', 'auto'] as const).map((relu6) => ({ absorbHighBias: true, relu6 })),
);

const excluded = fc.oneof(
  { weight: 2, arbitrary: fc.constant([]) },
  {
    weight: 1,
    arbitrary: fc.subarray(
      ['Conv', 'Add', 'Mul', 'Concat', 'GlobalAveragePool', 'AveragePool', 'MaxPool', 'Gemm', 'Sigmoid', 'Resize'],
      { minLength: 1, maxLength: 3 },
    ),
  },
);

/** Recipes that a caller may send, but for those that look for others. */
export const recipes: fc.Arbitrary<Recipe> = fc
  .record({
    weights,
    activations,
    equalization,
    biasCorrection: fc.constantFrom('none', 'empirical', 'empirical', 'analytic'),
    exclude: excluded.map((opTypes) => ({ opTypes })),
  })
  .map((recipe) => recipeSchema.parse(recipe));
