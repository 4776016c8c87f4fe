import type { Recipe } from '../../quant/index.ts';

/** What a variant changes; of two that change the same, one is taken. */
export type Dimension = 'weights' | 'activations' | 'equalization' | 'correction';

/** One change of a recipe. */
export interface Variant {
  readonly title: string;
  readonly dimension: Dimension;
  apply(recipe: Recipe): Recipe;
}

/** What the network and its samples allow. */
export interface VariantMeans {
  readonly calibrationSamples: boolean;
  /** Whether BatchNormalization says anything of the network's values. */
  readonly statistics: boolean;
  /** Whether Relu6 between equalized layers was measured to be superfluous. */
  readonly uncapped: boolean;
}

/**
 * All single changes of a recipe that may make it better. What a user may depend on stays: which side is quantized, symmetric
 * activations and all that goes with them, overrides, exclusions, samples and seed.
 */
export function variantsOf(recipe: Recipe, means: VariantMeans): readonly Variant[] {
  return [
    ...weightVariants(recipe),
    ...(means.calibrationSamples ? [...activationVariants(recipe), ...equalizationVariants(recipe, means)] : []),
    ...correctionVariants(recipe, means),
  ];
}

function weightVariants({ weights, activations }: Recipe): Variant[] {
  if (weights === 'none') return [];
  const changed = (title: string, change: Partial<typeof weights>): Variant => ({
    title,
    dimension: 'weights',
    apply: (recipe) => ({ ...recipe, weights: recipe.weights === 'none' ? 'none' : { ...recipe.weights, ...change } }),
  });
  const calibrator = weights.calibrator === 'mse' ? 'minMax' : 'mse';
  const affine = weights.symmetric && (activations === 'none' || !activations.symmetric);
  return [
    ...(weights.granularity === 'perTensor' ? [changed('weights per channel', { granularity: 'perChannel' })] : []),
    changed(`weight calibrator ${calibrator}`, { calibrator }),
    ...(affine ? [changed('asymmetric weights', { symmetric: false })] : []),
    ...(weights.bits === 8 ? [changed('7-bit weights', { bits: 7 })] : []),
  ];
}

const calibrators = ['movingMinMax', 'minMax', 'percentile', 'mse', 'entropy'] as const;

function activationVariants({ activations }: Recipe): Variant[] {
  if (activations === 'none') return [];
  return calibrators
    .filter((calibrator) => calibrator !== activations.calibrator)
    .map((calibrator) => ({
      title: `activation calibrator ${calibrator}`,
      dimension: 'activations',
      apply: (recipe) => ({
        ...recipe,
        activations: recipe.activations === 'none' ? 'none' : { ...recipe.activations, calibrator },
      }),
    }));
}

function equalizationVariants({ equalization, weights }: Recipe, means: VariantMeans): Variant[] {
  if (weights === 'none') return [];
  const changed = (title: string, to: Recipe['equalization']): Variant => ({
    title,
    dimension: 'equalization',
    apply: (recipe) => ({ ...recipe, equalization: to }),
  });
  if (equalization !== false) return [changed('no equalization', false)];
  return [
    changed('equalization', true),
    ...(means.statistics
      ? [changed('equalization with absorbed biases', { absorbHighBias: true, relu6: 'caps' })]
      : []),
    ...(means.uncapped ? [changed('equalization without Relu6', withoutRelu6)] : []),
  ];
}

/** Equalization that gives Relu6 up. */
export const withoutRelu6 = { absorbHighBias: false, relu6: 'relu' } as const satisfies Recipe['equalization'];

function correctionVariants({ biasCorrection, weights }: Recipe, means: VariantMeans): Variant[] {
  if (weights === 'none') return [];
  const possible = { none: true, empirical: means.calibrationSamples, analytic: means.statistics };
  return (['empirical', 'analytic', 'none'] as const)
    .filter((correction) => correction !== biasCorrection && possible[correction])
    .map((correction) => ({
      title: correction === 'none' ? 'no bias correction' : `${correction} bias correction`,
      dimension: 'correction',
      apply: (recipe) => ({ ...recipe, biasCorrection: correction }),
    }));
}

/** A recipe with several changes, and what to call it. */
export function combine(
  recipe: Recipe,
  variants: readonly Variant[],
): { readonly title: string; readonly recipe: Recipe } {
  return {
    title: variants.map(({ title }) => title).join(' + '),
    recipe: variants.reduce((changed, variant) => variant.apply(changed), recipe),
  };
}
