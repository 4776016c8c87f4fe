import { activate } from './activations.ts';
import type { Draft, Image } from './draft.ts';
import type { Layer } from './layer.ts';
import { conv, convTranspose, dense, normalize } from './linear.ts';
import { concat, depthToSpace, pad, resize, shuffle, slice, split, transpose } from './moves.ts';
import { broadcast, gate, residual } from './sums.ts';
import { globalPool, pool } from './windows.ts';

export const layers = {
  conv,
  activation: (draft: Draft, image: Image) => void activate(draft, image),
  normalization: (draft: Draft, image: Image) => void normalize(draft, image),
  ...{ residual, broadcast, gate, concat, split, slice, shuffle, transpose, pool, globalPool, resize, pad },
  ...{ depthToSpace, convTranspose, dense },
} as const satisfies Readonly<Record<string, Layer>>;
