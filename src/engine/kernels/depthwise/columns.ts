import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import { emitLastFits } from '../loops.ts';
import { emitQuarters, emitRequantizer, emitScale, rowsScratchBytes, type Requantizer } from '../requantize.ts';
import type { Depthwise, DepthwiseForm } from './form.ts';
import { Pairs, type Source } from './pairs.ts';
import { PIXELS, stretchesOf, type Stretch, type Tile } from './tiles.ts';
import { pairAt, pixelsOf, usesOf, type Pair } from './uses.ts';

/** Channels of a block: one vector of 256 bits holds a pixel's sums. */
const CHANNELS = 8;
const VECTORS = CHANNELS / 4;

/**
 * Small filters, 8 channels and up to 4 pixels at a time. A column of the input becomes vectors of int16 pairs, made once for
 * all pixels that read it: two rows beside each other, and where the number of rows is odd, two columns of the last.
 *
 *   3x3    R(c) = x0[c] x1[c]          rows 0 and 1 of column c, 8 channels
 *          C(c) = x2[c] x2[c + 1]      row 2 of columns c and c + 1
 *
 *   for each output row:                     its input rows stay in the cache
 *     x0, x1, x2 = rows of the input, or a row of zero points
 *     for each 8 channels, for each four pixels p, which begin at column c = p · stride:
 *       acc[p] = bias
 *       for each vector of weights, for each pixel p that has a use for it: acc[p] += dot(R or C of its columns, weights)
 *       y[p] = requantize(acc[p])
 *
 * Four pixels take turns, so that none waits for its last sum. At stride 1 only every second C is made: an odd pixel reads it
 * with its weights moved up by one. What the next four pixels read too is left to them.
 *
 *   p even   C(c) · (w20, w21) + C(c + 2) · (w22, 0)       p odd   C(c − 1) · (0, w20) + C(c + 1) · (w21, w22)
 *
 * The input is read where it lies. Tiles at the ends of a row, where columns are padding, have code of their own.
 */
export const columns: DepthwiseForm = {
  name: 'columns',
  channels: CHANNELS,
  reads: 'input',
  scratchBytes: ({ input }) => rowsScratchBytes(2) + input.width * input.pixelStride + 16,
  terms: (operation) => usesOf(operation).map(({ term }) => term),
  emit: emitColumns,
};

/** What stays the same for a block of channels. */
interface Block {
  /** Address of its first weights. */
  readonly weights: Local;
  readonly bias: readonly Local[];
  readonly multipliers: readonly Local[];
  /** The greatest byte of each channel, twice; absent where no cap differs by channel. */
  readonly caps: Local | undefined;
}

/** What a row of tiles reads and writes. */
interface Row extends Source {
  readonly block: Block;
  readonly requantizer: Requantizer;
  /** Address of the first output pixel of the tile. */
  readonly to: Local;
}

function emitColumns(f: FunctionBuilder, depthwise: Depthwise): void {
  const { operation, input, output, source } = depthwise;
  const { arena, begin, end } = depthwise.parameters;
  const height = operation.weights.shape[2] ?? 1;
  const [y, out] = f.locals('i', 2) as [Local, Local];
  const row: Row = {
    block: {
      weights: f.local('i'),
      bias: f.locals('v', VECTORS),
      multipliers: f.locals('v', VECTORS),
      caps: operation.caps ? f.local('v') : undefined,
    },
    requantizer: emitRequantizer(f, { ...depthwise, clamp: operation.clamp }),
    padding: { bytes: f.local('v'), words: f.local('v') },
    rows: f.locals('i', height),
    to: f.local('i'),
  };
  f.i32(depthwise.inputZeroPoint).op('i8x16.splat').set(row.padding.bytes);
  f.i32(depthwise.inputZeroPoint).op('i16x8.splat').set(row.padding.words);
  const paddedRow = emitPaddedRow(f, depthwise);
  const starts = f.locals('i', height);
  const rowBytes = output.width * output.pixelStride;
  f.get(begin).i32(rowBytes).op('i32.mul').get(arena).op('i32.add').set(out);
  f.repeat(y, { start: begin, end, step: 1 }, () => {
    starts.forEach((start, k) => {
      const offset = k * operation.dilations[0] - operation.pads[0];
      f.get(y).i32(operation.strides[0]).op('i32.mul').i32(offset).op('i32.add').tee(row.to);
      f.i32(input.width * input.pixelStride)
        .op('i32.mul')
        .get(source)
        .op('i32.add')
        .set(start);
      f.block((breakIf) => {
        f.get(row.to).i32(input.height).op('i32.lt_u');
        breakIf();
        f.get(paddedRow).set(start);
      });
      // at the first column that the first pixel reads, which may be padding
      f.get(start)
        .i32(operation.pads[1] * input.pixelStride)
        .op('i32.sub')
        .set(start);
    });
    for (const stretch of stretchesOf(depthwise)) emitStretch(f, depthwise, row, { stretch, starts, out });
    f.get(out).i32(rowBytes).op('i32.add').set(out);
  });
}

/** A stretch of an output row, for all channels. */
function emitStretch(
  f: FunctionBuilder,
  depthwise: Depthwise,
  row: Row,
  { stretch, starts, out }: { readonly stretch: Stretch; readonly starts: readonly Local[]; readonly out: Local },
): void {
  const { operation, input, output } = depthwise;
  const { tiles, times, step, total } = stretch;
  const [time, tile, channel] = f.locals('i', 3) as [Local, Local, Local];
  const first = tiles[0]?.x ?? 0;
  const moved = (pixelBytes: number): void => {
    f.get(tile).i32(PIXELS).op('i32.mul').i32(first).op('i32.add').i32(pixelBytes).op('i32.mul');
    f.get(channel).op('i32.add');
  };
  f.repeat(time, { start: 0, end: times, step: 1 }, () => {
    f.get(time).i32(step).op('i32.mul').set(tile);
    emitLastFits(f, tile, total, step);
    f.repeat(channel, { start: 0, end: output.channelStride, step: CHANNELS }, () => {
      emitBlock(f, depthwise, row.block, channel);
      starts.forEach((start, k) => {
        moved(operation.strides[1] * input.pixelStride);
        f.get(start).op('i32.add').set(row.rows[k]!);
      });
      moved(output.pixelStride);
      f.get(out).op('i32.add').set(row.to);
      emitTiles(f, depthwise, row, tiles);
    });
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
    .i32(input.width * input.pixelStride)
    .op('memory.fill');
  return row;
}

function emitBlock(f: FunctionBuilder, { operation, place }: Depthwise, block: Block, channel: Local): void {
  const [weightsAt = 0, biasAt = 0, multipliersAt = 0, capsAt = 0] = place.constants;
  f.get(channel)
    .i32(usesOf(operation).length * 4)
    .op('i32.mul')
    .i32(weightsAt)
    .op('i32.add')
    .set(block.weights);
  // one address for all: else V8 does not see that loads are adjacent
  const at = f.local('i');
  f.get(channel).i32(4).op('i32.mul').set(at);
  emitLoads(f, block.bias, at, biasAt);
  emitLoads(f, block.multipliers, at, multipliersAt);
  if (block.caps) f.get(channel).op('v128.load64_splat', { offset: capsAt }).set(block.caps);
}

function emitLoads(f: FunctionBuilder, vectors: readonly Local[], at: Local, offset: number): void {
  vectors.forEach((vector, index) =>
    f
      .get(at)
      .op('v128.load', { offset: offset + index * 16 })
      .set(vector),
  );
}

/** Tiles beside each other: those inside in a loop, the others one by one. */
function emitTiles(f: FunctionBuilder, depthwise: Depthwise, row: Row, tiles: readonly Tile[]): void {
  const inside = tiles.filter(({ isInside }) => isInside);
  let before: Pairs | undefined;
  for (const tile of tiles) {
    if (inside.length > 1 && tile.isInside) {
      if (tile === inside[0]) before = emitLoop(f, depthwise, row, { tile, times: inside.length, before });
      continue;
    }
    const pairs = new Pairs(f, depthwise, row, tile);
    before?.handOver(pairs, PIXELS * depthwise.operation.strides[1]);
    emitTile(f, depthwise, row, { pixels: tile.pixels, pairs });
    if (tile !== tiles.at(-1)) emitStep(f, depthwise, row);
    before = pairs;
  }
}

/** Tiles that lie inside, one after the other. Returns the pairs of the last. */
function emitLoop(
  f: FunctionBuilder,
  depthwise: Depthwise,
  row: Row,
  { tile, times, before }: { readonly tile: Tile; readonly times: number; readonly before: Pairs | undefined },
): Pairs {
  const shift = PIXELS * depthwise.operation.strides[1];
  const inLoop = (): Pairs => new Pairs(f, depthwise, row, { first: undefined, count: tile.count });
  const start = inLoop();
  before?.handOver(start, shift);
  const shared = sharedPairs(depthwise).filter((pair) => start.isWhole({ ...pair, column: pair.column + shift }));
  const carried = shared.map((pair) => {
    const locals = f.locals('v', VECTORS);
    emitCopies(f, locals, start.get(pair));
    return { pair, locals };
  });
  const counter = f.local('i');
  f.repeat(counter, { start: 0, end: times, step: 1 }, () => {
    const [pairs, next] = [inLoop(), inLoop()];
    for (const { pair, locals } of carried) pairs.keep(pair, locals);
    emitTile(f, depthwise, row, { pixels: PIXELS, pairs });
    pairs.handOver(next, shift);
    for (const { pair, locals } of carried) emitCopies(f, locals, next.get(pair));
    emitStep(f, depthwise, row);
  });
  const last = inLoop();
  for (const { pair, locals } of carried) last.keep({ ...pair, column: pair.column + shift }, locals);
  return last;
}

/** The pairs that a tile and the one after it both use, by their place in the latter. */
function sharedPairs({ operation }: Depthwise): Pair[] {
  const uses = usesOf(operation);
  const all = uses.flatMap((use) => pixelsOf(use, PIXELS).map((pixel) => pairAt(use, pixel, operation)));
  const shift = PIXELS * operation.strides[1];
  const same = (a: Pair, b: Pair, columns: number): boolean =>
    a.of === b.of && a.row === b.row && a.column + columns === b.column;
  return all.filter(
    (pair, index) => all.some((other) => same(pair, other, shift)) && all.findIndex((p) => same(p, pair, 0)) === index,
  );
}

function emitCopies(f: FunctionBuilder, to: readonly Local[], from: readonly Local[]): void {
  to.forEach((local, index) => f.get(from[index]!).set(local));
}

function emitStep(f: FunctionBuilder, { operation, input, output }: Depthwise, row: Row): void {
  for (const start of row.rows)
    f.get(start)
      .i32(PIXELS * operation.strides[1] * input.pixelStride)
      .op('i32.add')
      .set(start);
  f.get(row.to)
    .i32(PIXELS * output.pixelStride)
    .op('i32.add')
    .set(row.to);
}

function emitTile(
  f: FunctionBuilder,
  depthwise: Depthwise,
  row: Row,
  { pixels, pairs }: { readonly pixels: number; readonly pairs: Pairs },
): void {
  const { operation, output, place } = depthwise;
  const { block, requantizer } = row;
  const { caps } = block;
  const sums = Array.from({ length: pixels }, () => f.locals('v', VECTORS));
  const begun = new Set<number>();
  const weights = f.locals('v', VECTORS);
  usesOf(operation).forEach((use, index) => {
    emitLoads(f, weights, block.weights, index * CHANNELS * 4);
    for (const pixel of pixelsOf(use, pixels)) {
      const factors = pairs.get(pairAt(use, pixel, operation));
      sums[pixel]!.forEach((sum, vector) => {
        f.get(begun.has(pixel) ? sum : block.bias[vector]!);
        f.get(factors[vector]!).get(weights[vector]!).op('i32x4.dot_i16x8_s').op('i32x4.add').set(sum);
      });
      begun.add(pixel);
    }
  });
  const accs = sums.flat();
  emitScale(f, accs, block.multipliers, requantizer);
  emitQuarters(f, accs, requantizer, {
    scratch: { at: depthwise.parameters.scratch, offset: depthwise.scratch },
    caps: caps && (() => f.get(caps)),
    target: (pixel) => {
      f.get(row.to);
      return place.address(operation.output) + pixel * output.pixelStride;
    },
  });
}
