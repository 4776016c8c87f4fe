import type { Depthwise } from './form.ts';

/** Most pixels of a tile. */
export const PIXELS = 4;

/** A tile by its first output column. */
export interface Tile {
  readonly x: number;
  readonly pixels: number;
  /** Columns of the input that it reads. */
  readonly first: number;
  readonly count: number;
  /** Whether it is full and reads no padding: code for one such tile serves all. */
  readonly isInside: boolean;
}

type Image = Pick<Depthwise, 'operation' | 'input' | 'output'>;

function tilesOf({ operation, input, output }: Image): Tile[] {
  const { strides, dilations, pads, weights } = operation;
  const span = ((weights.shape[3] ?? 1) - 1) * dilations[1] + 1;
  return Array.from({ length: Math.ceil(output.width / PIXELS) }, (_, index) => {
    const x = index * PIXELS;
    const pixels = Math.min(PIXELS, output.width - x);
    const [first, count] = [x * strides[1] - pads[1], (pixels - 1) * strides[1] + span];
    return { x, pixels, first, count, isInside: pixels === PIXELS && first >= 0 && first + count <= input.width };
  });
}

/** Tiles of a row that are computed for all channels before the next; the same ones again `times` times, `step` pixels on. */
export interface Stretch {
  readonly tiles: readonly Tile[];
  readonly times: number;
  /** Tiles from one time to the next; the last time overlaps the one before where they do not divide the row. */
  readonly step: number;
  /** Tiles of all times. */
  readonly total: number;
}

/** Bytes of the cache that a row and what it reads may fill, and those that a block of channels may touch of longer rows. */
const ROW_BYTES = 30_720;
const STRETCH_BYTES = 16_384;
const LINE_BYTES = 64;

/**
 * One stretch where the cache holds what the row reads and writes. Blocks of channels that follow each other touch the same
 * lines: where a block alone would drive them out before the next comes, the row is cut.
 */
export function stretchesOf(image: Image): Stretch[] {
  const { operation, output, input } = image;
  const tiles = tilesOf(image);
  const whole = (part: readonly Tile[]): Stretch => ({ tiles: part, times: 1, step: part.length, total: part.length });
  const columns = operation.strides[1] * (operation.weights.shape[2] ?? 1) + 1;
  const lineBytes = Math.min(LINE_BYTES, input.channelStride);
  const inside = tiles.filter(({ isInside }) => isInside);
  const length = Math.floor(STRETCH_BYTES / (columns * lineBytes * PIXELS));
  const fits =
    output.width * columns * input.channelStride <= ROW_BYTES || output.width * columns * lineBytes <= STRETCH_BYTES;
  if (fits || length < 2 || inside.length <= length) return [whole(tiles)];
  const from = tiles.indexOf(inside[0]!);
  const times = Math.ceil(inside.length / length);
  const step = Math.ceil(inside.length / times);
  const cut: Stretch = { tiles: inside.slice(0, step), times, step, total: inside.length };
  const ends = [tiles.slice(0, from), tiles.slice(from + inside.length)];
  return [whole(ends[0]!), cut, whole(ends[1]!)].filter((stretch) => stretch.tiles.length > 0);
}
