import type { ConvOperation } from '../../../graph/index.ts';
import type { Term } from './form.ts';

/** Two bytes of every channel of a block, side by side as int16; columns count from the first that a tile reads. */
export interface Pair {
  /**
   * rows     one column of `row` and of the row below
   * columns  `column` of `row`, and the column one dilation on
   */
  readonly of: 'rows' | 'columns';
  readonly row: number;
  readonly column: number;
}

/** A vector of weights, and the pair that it meets at each pixel that has a use for it. */
export interface Use {
  readonly term: Term;
  /** For a pixel whose window begins with column 0. */
  readonly pair: Pair;
  readonly pixels: 'all' | 'even' | 'odd';
}

/** The products of a small filter: its rows two by two, and where their number is odd, the last one's columns two by two. */
export function usesOf({ weights, strides, dilations }: ConvOperation): Use[] {
  const [, , height = 1, width = 1] = weights.shape;
  const [, dilation] = dilations;
  const uses: Use[] = [];
  for (let row = 0; row + 1 < height; row += 2)
    for (let k = 0; k < width; k++) {
      const pair = { of: 'rows', row, column: k * dilation } as const;
      uses.push({ term: [row * width + k, (row + 1) * width + k], pair, pixels: 'all' });
    }
  if (height % 2 === 0) return uses;
  const row = height - 1;
  const tap = (k: number): number | undefined => (k >= 0 && k < width ? row * width + k : undefined);
  const shared = strides[1] === 1 && dilation === 1;
  for (const pixels of shared ? (['even', 'odd'] as const) : (['all'] as const))
    for (let k = pixels === 'odd' ? -1 : 0; k < width; k += 2)
      uses.push({ term: [tap(k), tap(k + 1)], pair: { of: 'columns', row, column: k * dilation }, pixels });
  return uses;
}

/** The pixels of a tile that multiply with a use's weights. */
export function pixelsOf({ pixels }: Use, count: number): number[] {
  const all = Array.from({ length: count }, (_, pixel) => pixel);
  return pixels === 'all' ? all : all.filter((pixel) => (pixel % 2 === 0) === (pixels === 'even'));
}

/** The pair that a use meets at a pixel. */
export function pairAt({ pair }: Use, pixel: number, { strides }: ConvOperation): Pair {
  return { ...pair, column: pair.column + pixel * strides[1] };
}
