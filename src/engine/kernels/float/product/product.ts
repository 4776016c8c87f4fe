import { LANES } from '../vectors.ts';

/** Floats side by side in the input, that meet as many rows of the weights: bytes from a pixel's window start, and how many. */
export interface Run {
  readonly offset: number;
  readonly length: number;
}

/** Pixels that one thread computes together: a row of the output, or a stretch of it where rows follow without a gap. */
export interface Units {
  readonly count: number;
  readonly pixels: number;
  /** Pixels of all units; the last unit ends with the last pixel, and overlaps the one before. */
  readonly total: number;
  /** Bytes of input from one unit to the next. */
  readonly step: number;
}

/**
 * Sums of products, one for each pixel and output column, in float32 and in one order: y[pixel, n] = bias[n] + Σ over k of
 * x[pixel, k] · w[k, n], k through the runs. Grouped: a group's columns see the group's part of the input alone.
 */
export interface Product {
  readonly units: Units;
  /** Bytes from a pixel's window to the next one's. */
  readonly pixelStep: number;
  /** Bytes from one row of the weights to the next, where they are a matrix in memory instead of packed panels. */
  readonly weightStep?: number | undefined;
  readonly runs: readonly Run[];
  readonly groups: { readonly count: number; readonly step: number };
  /** Output columns of a group. */
  readonly columns: number;
  /** The bias begins the sum, or is added to it. */
  readonly bias: 'first' | 'last' | 'none';
}

/** Columns computed together, as vectors; the last panel of a group may be narrower. */
export interface Panel {
  readonly first: number;
  readonly vectors: number;
  readonly columns: number;
}

/** Panels of one group: as many of full width as fit, and what is left. */
export interface Panels {
  readonly width: number;
  readonly full: number;
  readonly rest: Panel | undefined;
}

/** A single pixel has no rows to share a vector of weights with: it takes more columns instead. */
export function panelsOf({ columns, units }: Pick<Product, 'columns' | 'units'>): Panels {
  const vectors = units.total === 1 && columns >= 32 ? 8 : 4;
  const width = vectors * LANES;
  const full = Math.floor(columns / width);
  const left = columns - full * width;
  return {
    width,
    full,
    rest: left === 0 ? undefined : { first: full * width, vectors: Math.ceil(left / LANES), columns: left },
  };
}

export function depthOf(runs: readonly Run[]): number {
  return runs.reduce((sum, run) => sum + run.length, 0);
}

/** Columns of a group with those that fill its last vector. */
export function paddedColumns(panels: Panels): number {
  return panels.full * panels.width + (panels.rest?.vectors ?? 0) * LANES;
}
