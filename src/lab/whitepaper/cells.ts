import { recipeSchema, type Recipe } from '../../quant/index.ts';

/** One column of the paper's tables: a way to quantize after training. */
export interface Cell {
  /** Stable name: w, b or a for weights, both, activations; bits; l, s, a for per layer, symmetric or affine per channel. */
  readonly key: string;
  readonly table: 2 | 3 | 5 | 6;
  readonly title: string;
  readonly recipe: Recipe;
}

type Weights = { readonly granularity: 'perTensor' | 'perChannel'; readonly symmetric: boolean };

const perLayer: Weights = { granularity: 'perTensor', symmetric: false };
const symmetricPerChannel: Weights = { granularity: 'perChannel', symmetric: true };
const affinePerChannel: Weights = { granularity: 'perChannel', symmetric: false };

/** As the paper quantizes: ranges of weights by minimum and maximum, of activations by moving averages, no correction. */
function recipe(weights: 'none' | (Weights & { readonly bits: number }), activationBits: number | 'none'): Recipe {
  const activations =
    activationBits === 'none' ? 'none' : { symmetric: false, bits: activationBits, calibrator: 'movingMinMax' };
  return recipeSchema.parse({ weights, activations, biasCorrection: 'none' });
}

export const whitepaperCells: readonly Cell[] = [
  { key: 'w8l', table: 2, title: 'weights 8 bit, affine per layer', recipe: recipe({ ...perLayer, bits: 8 }, 'none') },
  {
    key: 'w8s',
    table: 2,
    title: 'weights 8 bit, symmetric per channel',
    recipe: recipe({ ...symmetricPerChannel, bits: 8 }, 'none'),
  },
  {
    key: 'w8a',
    table: 2,
    title: 'weights 8 bit, affine per channel',
    recipe: recipe({ ...affinePerChannel, bits: 8 }, 'none'),
  },
  { key: 'b8l', table: 3, title: 'both 8 bit, weights affine per layer', recipe: recipe({ ...perLayer, bits: 8 }, 8) },
  {
    key: 'b8s',
    table: 3,
    title: 'both 8 bit, weights symmetric per channel',
    recipe: recipe({ ...symmetricPerChannel, bits: 8 }, 8),
  },
  {
    key: 'b8a',
    table: 3,
    title: 'both 8 bit, weights affine per channel',
    recipe: recipe({ ...affinePerChannel, bits: 8 }, 8),
  },
  { key: 'a8', table: 3, title: 'activations 8 bit alone', recipe: recipe('none', 8) },
  {
    key: 'w4l',
    table: 5,
    title: 'weights 4 bit affine per layer, activations 8',
    recipe: recipe({ ...perLayer, bits: 4 }, 8),
  },
  {
    key: 'w4s',
    table: 5,
    title: 'weights 4 bit symmetric per channel, activations 8',
    recipe: recipe({ ...symmetricPerChannel, bits: 4 }, 8),
  },
  {
    key: 'a4',
    table: 6,
    title: 'weights 8 bit symmetric per channel, activations 4',
    recipe: recipe({ ...symmetricPerChannel, bits: 8 }, 4),
  },
];
