import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import { emitQuarters, emitRequantizer, emitScale, rowsScratchBytes, type Requantizer } from '../requantize.ts';
import type { Depthwise, DepthwiseForm } from './form.ts';

/** Channels of a block: their weights, one vector of 256 bits a term, stay in registers. */
const CHANNELS = 8;
const VECTORS = CHANNELS / 4;
const PIXELS = 4;

/** Bytes of the low halves of two vectors, one from each in turn. */
const INTERLEAVE = Array.from({ length: 16 }, (_, i) => (i % 2) * 16 + (i >> 1));

/**
 * 3x3, 8 channels and 4 pixels at a time. A column of the input becomes two vectors of int16 pairs, made once for all pixels
 * that read it:
 *
 *   rows 0, 1 and 2 of column c      P(c) = x0[c] x1[c]          8 channels
 *                                    Q(c) = x2[c] x2[c + 1]      c + 1 one dilation on
 *
 *   for each output row:                     its input rows stay in the cache
 *     x0, x1, x2 = rows of the input, or a row of zero points
 *     for each 8 channels, for each four pixels p, which begin at column c = p · stride:
 *       acc[p] = bias + P(c) · (w00, w10) + P(c + 1) · (w01, w11) + P(c + 2) · (w02, w12)
 *                     + Q(c) · (w20, w21) + Q(c + 2) · (w22, 0)
 *       y[p] = requantize(acc[p])
 *
 * The input is read where it lies. Tiles at the ends of a row, where columns are padding, have code of their own.
 */
export const columns3x3: DepthwiseForm = {
  channels: CHANNELS,
  reads: 'input',
  scratchBytes: ({ input }) => rowsScratchBytes(2) + input.width * input.channelStride + 16,
  terms: () => [
    [0, 3],
    [1, 4],
    [2, 5],
    [6, 7],
    [8, undefined],
  ],
  emit: emitColumns,
};

const TERMS = 5;

/** What stays in locals for a block of channels. */
interface Block {
  /** [terms][vectors]. */
  readonly weights: readonly Local[];
  readonly bias: readonly Local[];
  readonly multipliers: readonly Local[];
}

/** What a tile reads and writes. */
interface Tile {
  readonly block: Block;
  readonly requantizer: Requantizer;
  /** Bytes and int16 of the input's zero point. */
  readonly padding: { readonly bytes: Local; readonly words: Local };
  /** Address of each of the three rows, at the column that the tile's first pixel begins with. */
  readonly rows: readonly Local[];
  /** Address of the first output pixel. */
  readonly to: Local;
}

function emitColumns(f: FunctionBuilder, depthwise: Depthwise): void {
  const { operation, input, output, source, place } = depthwise;
  const { arena, begin, end } = depthwise.parameters;
  const [channel, y, out] = f.locals('i', 3) as [Local, Local, Local];
  const block: Block = {
    weights: f.locals('v', TERMS * VECTORS),
    bias: f.locals('v', VECTORS),
    multipliers: f.locals('v', VECTORS),
  };
  const tile: Tile = {
    block,
    requantizer: emitRequantizer(f, { ...depthwise, clamp: operation.clamp }),
    padding: { bytes: f.local('v'), words: f.local('v') },
    rows: f.locals('i', 3),
    to: f.local('i'),
  };
  f.i32(depthwise.inputZeroPoint).op('i8x16.splat').set(tile.padding.bytes);
  f.i32(depthwise.inputZeroPoint).op('i16x8.splat').set(tile.padding.words);
  const paddedRow = emitPaddedRow(f, depthwise);
  const rows = f.locals('i', 3);
  f.get(begin)
    .i32(output.width * output.channelStride)
    .op('i32.mul')
    .get(arena)
    .op('i32.add')
    .set(out);
  f.repeat(y, { start: begin, end, step: 1 }, () => {
    rows.forEach((row, k) => {
      const offset = k * operation.dilations[0] - operation.pads[0];
      f.get(y).i32(operation.strides[0]).op('i32.mul').i32(offset).op('i32.add').tee(tile.to);
      f.i32(input.width * input.channelStride)
        .op('i32.mul')
        .get(source)
        .op('i32.add')
        .set(row);
      f.block((breakIf) => {
        f.get(tile.to).i32(input.height).op('i32.lt_u');
        breakIf();
        f.get(paddedRow).set(row);
      });
      // at the first column that the first pixel reads, which may be padding
      f.get(row)
        .i32(operation.pads[1] * input.channelStride)
        .op('i32.sub')
        .set(row);
    });
    f.repeat(channel, { start: 0, end: output.channelStride, step: CHANNELS }, () => {
      emitBlock(f, block, channel, place.constants);
      rows.forEach((row, k) => f.get(row).get(channel).op('i32.add').set(tile.rows[k]!));
      f.get(out).get(channel).op('i32.add').set(tile.to);
      emitRow(f, depthwise, tile);
    });
    f.get(out)
      .i32(output.width * output.channelStride)
      .op('i32.add')
      .set(out);
  });
}

/** A row of zero points in scratch, behind the narrowed tile. */
function emitPaddedRow(f: FunctionBuilder, { input, parameters, scratch, inputZeroPoint }: Depthwise): Local {
  const row = f.local('i');
  f.get(parameters.scratch)
    .i32(scratch + rowsScratchBytes(2))
    .op('i32.add')
    .tee(row);
  f.i32(inputZeroPoint)
    .i32(input.width * input.channelStride)
    .op('memory.fill');
  return row;
}

function emitBlock(f: FunctionBuilder, block: Block, channel: Local, constants: readonly number[]): void {
  const [weightsAt = 0, biasAt = 0, multipliersAt = 0] = constants;
  // one address for all: else V8 does not see that loads are adjacent
  const at = f.local('i');
  const load = (locals: readonly Local[], bytesPerChannel: number, offset: number): void => {
    f.get(channel).i32(bytesPerChannel).op('i32.mul').set(at);
    locals.forEach((local, index) =>
      f
        .get(at)
        .op('v128.load', { offset: offset + index * 16 })
        .set(local),
    );
  };
  load(block.weights, TERMS * 4, weightsAt);
  load(block.bias, 4, biasAt);
  load(block.multipliers, 4, multipliersAt);
}

/** First input column of a tile at output column x, and how many it reads. */
function columnsOf({ operation, output }: Depthwise): { first: (x: number) => number; count: number; pixels: number } {
  const { strides, dilations, pads } = operation;
  const pixels = Math.min(PIXELS, output.width);
  return { first: (x) => x * strides[1] - pads[1], count: (pixels - 1) * strides[1] + 2 * dilations[1] + 1, pixels };
}

/** Output columns at which tiles begin; the last overlaps the one before where the width is no multiple of theirs. */
function tilesOf(depthwise: Depthwise): number[] {
  const { width } = depthwise.output;
  const { pixels } = columnsOf(depthwise);
  return Array.from({ length: Math.ceil(width / pixels) }, (_, index) => Math.min(index * pixels, width - pixels));
}

/** One output row: tiles whose columns all lie inside in a loop, the others one by one. */
function emitRow(f: FunctionBuilder, depthwise: Depthwise, tile: Tile): void {
  const { input, output, operation } = depthwise;
  const { first, count, pixels } = columnsOf(depthwise);
  const tiles = tilesOf(depthwise);
  const isInside = (x: number): boolean => first(x) >= 0 && first(x) + count <= input.width;
  const step = (columns: number): void => {
    for (const row of tile.rows)
      f.get(row)
        .i32(columns * operation.strides[1] * input.channelStride)
        .op('i32.add')
        .set(row);
    f.get(tile.to)
      .i32(columns * output.channelStride)
      .op('i32.add')
      .set(tile.to);
  };
  const regular = tiles.filter((x) => isInside(x) && x % pixels === 0);
  const loop = regular.length > 1 ? regular : [];
  const counter = f.local('i');
  let at = 0;
  for (const x of tiles) {
    if (loop.includes(x) && x !== loop[0]) continue;
    if (x !== at) step(x - at);
    at = x;
    if (x !== loop[0]) {
      emitTile(f, depthwise, tile, first(x));
      continue;
    }
    f.repeat(counter, { start: 0, end: loop.length, step: 1 }, () => {
      emitTile(f, depthwise, tile, undefined);
      step(pixels);
    });
    at += loop.length * pixels;
  }
}

/** A column's value, made where it is first asked for. */
function remembered<T>(make: (column: number) => T): (column: number) => T {
  const made = new Map<number, T>();
  return (column) => {
    const known = made.get(column) ?? make(column);
    made.set(column, known);
    return known;
  };
}

/**
 * Four pixels from the rows on.
 *
 * @param first input column that they begin with; undefined where all columns are known to lie inside
 */
function emitTile(f: FunctionBuilder, depthwise: Depthwise, tile: Tile, first: number | undefined): void {
  const { operation, input, output, place } = depthwise;
  const { count, pixels } = columnsOf(depthwise);
  const [stride, dilation] = [operation.strides[1], operation.dilations[1]];
  const { block, requantizer, padding } = tile;
  const isPadding = (column: number): boolean =>
    first !== undefined && (first + column < 0 || first + column >= input.width);
  const push = (row: number, column: number): void => {
    // half of it is used; a load of eight bytes would cost V8 an instruction more for the address
    f.get(tile.rows[row]!).op('v128.load', { offset: column * input.channelStride });
  };
  const rowTwo = remembered((column) => {
    if (isPadding(column)) return padding.bytes;
    const bytes = f.local('v');
    push(2, column);
    f.set(bytes);
    return bytes;
  });
  /** The interleaved bytes on the stack, widened. */
  const widened = (): Local[] => {
    const bytes = f.local('v');
    const [low, high] = f.locals('v', VECTORS) as [Local, Local];
    f.shuffle(INTERLEAVE).set(bytes);
    f.get(bytes).op('i16x8.extend_low_i8x16_u').set(low);
    f.get(bytes).op('i16x8.extend_high_i8x16_u').set(high);
    return [low, high];
  };
  const upper = remembered((column) => {
    if (isPadding(column)) return [padding.words, padding.words];
    push(0, column);
    push(1, column);
    return widened();
  });
  const lower = remembered((column) => {
    const here = rowTwo(column);
    // beyond the last column the partner meets a weight of 0
    const next = column + dilation < count ? rowTwo(column + dilation) : here;
    f.get(here).get(next);
    return widened();
  });
  const accs = Array.from({ length: pixels }, (_, pixel) => {
    const c = pixel * stride;
    const terms = [upper(c), upper(c + dilation), upper(c + 2 * dilation), lower(c), lower(c + 2 * dilation)];
    const sums = f.locals('v', VECTORS);
    sums.forEach((sum, vector) => {
      f.get(block.bias[vector]!);
      terms.forEach((pairs, term) => {
        f.get(pairs[vector]!)
          .get(block.weights[term * VECTORS + vector]!)
          .op('i32x4.dot_i16x8_s')
          .op('i32x4.add');
      });
      f.set(sum);
    });
    emitScale(f, sums, block.multipliers, requantizer);
    return sums;
  }).flat();
  emitQuarters(f, accs, requantizer, {
    scratch: { at: depthwise.parameters.scratch, offset: depthwise.scratch },
    target: (pixel) => {
      f.get(tile.to);
      return place.address(operation.output) + pixel * output.channelStride;
    },
  });
}
