import type { FunctionBuilder, FunctionReference, Local, ModuleBuilder } from '../../../wasm/index.ts';
import { CHANNEL_BLOCK } from '../../plan/layout.ts';
import { emitFollower, stepFunction, type Placement } from '../../plan/step.ts';
import { emitLastFits } from '../loops.ts';
import { emitPaddedInput, paddedInput } from '../paddedInput.ts';
import { emitFinish, emitStore, emitStoreFloat } from './finish.ts';
import { emitOrderedSums } from './orderedSums.ts';
import { blocksOf, LANES, placesOf, scratchOf, type Locals, type Product } from './product.ts';
import { emitSums } from './sums.ts';
import { isPointwise, type Run } from './window.ts';

/**
 * A matrix product over windows:
 *
 *   for each slice of groups, for each block of pixels:     packed rows stay in the cache
 *                                                  (a unit is a panel of a block of a slice; a range of them may begin within)
 *     pack each pixel's window into a row            not where the input's own pixels are such rows
 *     for each panel of 16 output channels:          its weights stay in the cache
 *       widen the panel's weights, where the dot product takes int16
 *       for each tile of `rows` pixels:
 *         shuffle its rows, where the panel has its own order of K
 *         acc[rows][16] = bias
 *         for each group of K: acc[r] += dot(splat(row[r][group]), weights[group])
 *         y[r] = requantize(acc[r])
 *
 *            16 channels: 4 vectors of int32
 *          ┌─────┬─────┬─────┬─────┐
 *   row 0  │ a00 │ a01 │ a02 │ a03 │  += splat(row 0, group k) · weights[k][0..15]
 *   row 1  │ a10 │ a11 │ a12 │ a13 │  += splat(row 1, group k) · weights[k][0..15]
 *     ⋮    │     │     │     │     │  rows · 4 accumulators, 4 weight vectors, 1 splat, 1 product
 *          └─────┴─────┴─────┴─────┘
 */
export function emitProduct(
  module: ModuleBuilder,
  product: Product,
  place: Placement,
  follower?: FunctionReference,
): FunctionReference {
  return stepFunction(module, (f, { arena, scratch, begin, end }) => {
    const padded = emitPaddedInput(f, product.input, product.geometry, {
      arena,
      source: place.address(product.inputName),
      scratch,
      fill: product.inputZeroPoint,
    });
    const [source, block, panel, tile, row] = f.locals('i', 5) as [Local, Local, Local, Local, Local];
    const [unit, endOfBlock] = f.locals('i', 2) as [Local, Local];
    const [channel, firstWeight, weight, counter] = f.locals('i', 4) as [Local, Local, Local, Local];
    const accs = f.locals('v', product.rows * LANES);
    const locals: Locals = {
      arena,
      scratch,
      source,
      block,
      panel,
      tile,
      row,
      channel,
      firstWeight,
      weight,
      counter,
      accs,
      weights: f.locals('v', LANES),
      multipliers: f.locals('v', LANES),
      splat: f.local('v'),
      emitDot: product.dot.prepare(f),
    };
    const { bytes, order } = product;
    const panelAt = f.local('i');
    const finish = bytes && emitFinish(f, product, bytes, place, locals);
    f.get(begin).set(unit);
    f.loop((moreIf) => {
      emitUnit(f, product, { unit, end, padded, source, block, panel, endOfBlock });
      emitLastFits(f, block, product.pixels, product.blockPixels);
      if (!product.inPlace) emitPack(f, product, locals);
      f.repeat(unit, { start: unit, end: endOfBlock, step: 1 }, () => {
        emitChannel(f, locals);
        emitPanel(f, product, place, locals, panelAt);
        f.repeat(tile, { start: 0, end: product.blockPixels, step: product.rows }, () => {
          emitLastFits(f, tile, product.blockPixels, product.rows);
          emitStart(f, product, place, locals);
          if (order) emitOrderedSums(f, product, order, locals, panelAt);
          else emitSums(f, product, locals);
          if (finish) emitStore(f, product, place, locals, finish);
          else emitStoreFloat(f, product, place, locals);
        });
        emitFollower(f, follower, locals);
        f.get(panel).i32(1).op('i32.add').set(panel);
      });
      f.get(unit).get(end).op('i32.lt_s');
      moreIf();
    });
  });
}

/** From the unit: its slice's first byte, its block's first pixel, its panel among those of all slices, and where the range leaves the block. */
function emitUnit(
  f: FunctionBuilder,
  product: Product,
  locals: Pick<Locals, 'source' | 'block' | 'panel'> & Record<'unit' | 'end' | 'padded' | 'endOfBlock', Local>,
): void {
  const { panels, blockPixels, sliceBytes } = product;
  const { unit, end, padded, source, block, panel, endOfBlock } = locals;
  const slice = f.local('i');
  f.get(unit).i32(panels).op('i32.div_u').tee(block).i32(blocksOf(product)).op('i32.div_u').set(slice);
  f.get(slice).i32(sliceBytes).op('i32.mul').get(padded).op('i32.add').set(source);
  f.get(block).i32(1).op('i32.add').i32(panels).op('i32.mul').set(endOfBlock);
  f.block((insideIf) => {
    f.get(endOfBlock).get(end).op('i32.le_s');
    insideIf();
    f.get(end).set(endOfBlock);
  });
  f.get(unit).get(block).get(slice).op('i32.sub').i32(panels).op('i32.mul').op('i32.sub').set(panel);
  f.get(block).get(slice).i32(blocksOf(product)).op('i32.mul').op('i32.sub').i32(blockPixels).op('i32.mul').set(block);
}

/** Rows of K, one a pixel: bytes as they are, or widened to int16. */
function emitPack(f: FunctionBuilder, product: Product, locals: Locals): void {
  const { dot } = product;
  const [from, to, pixel, rest] = f.locals('i', 4) as [Local, Local, Local, Local];
  const flip = dot.flipsSign ? f.local('v') : undefined;
  if (flip) f.i32(0x80).op('i8x16.splat').set(flip);
  const bytes = f.local('v');
  f.get(locals.scratch).i32(scratchOf(product).packed).op('i32.add').set(to);
  const next = emitWindowWalk(f, product, locals, from);
  f.repeat(pixel, { start: 0, end: product.blockPixels, step: 1 }, () => {
    let packed = 0;
    for (const run of product.runs) {
      if (run.pixelBytes < product.input.channelStride) {
        const locals = { from, to, bytes, flip };
        for (let x = 0; x < run.columns; x += 4)
          emitPackVector(f, product, locals, run.offset + x * 4, packed + x * run.pixelBytes, WITHOUT_FOURTH);
      } else if (run.bytes <= 128) {
        for (let at = 0; at < run.bytes; at += 16)
          emitPackVector(f, product, { from, to, bytes, flip }, run.offset + at, packed + at);
      } else {
        emitPackLoop(f, product, { from, to, bytes, flip, rest }, run, packed);
      }
      packed += run.bytes;
    }
    f.get(to).i32(product.rowBytes).op('i32.add').set(to);
    next();
  });
}

/** from = first byte of the window of the block's first pixel; what is returned moves it on by a pixel. */
function emitWindowWalk(f: FunctionBuilder, product: Product, { block, source }: Locals, from: Local): () => void {
  const { geometry, input, width } = product;
  const { width: paddedWidth, pixelBytes } = paddedInput(input, geometry);
  const columnStep = geometry.strides[1] * pixelBytes;
  const step = (): void => {
    f.get(from).i32(columnStep).op('i32.add').set(from);
  };
  if (isPointwise(geometry)) {
    f.get(block).i32(columnStep).op('i32.mul').get(source).op('i32.add').set(from);
    return step;
  }
  const rowStep = geometry.strides[0] * paddedWidth * pixelBytes;
  const [x, row] = f.locals('i', 2) as [Local, Local];
  f.get(block).i32(width).op('i32.div_u').tee(x).i32(rowStep).op('i32.mul').get(source).op('i32.add').set(row);
  f.get(block).get(x).i32(width).op('i32.mul').op('i32.sub').tee(x);
  f.i32(columnStep).op('i32.mul').get(row).op('i32.add').set(from);
  return () => {
    step();
    f.block((breakIf) => {
      f.get(x).i32(1).op('i32.add').tee(x).i32(width).op('i32.ne');
      breakIf();
      f.i32(0).set(x);
      f.get(row).i32(rowStep).op('i32.add').tee(row).set(from);
    });
  };
}

interface PackLocals {
  readonly from: Local;
  readonly to: Local;
  readonly bytes: Local;
  readonly flip: Local | undefined;
}

function emitPackLoop(
  f: FunctionBuilder,
  product: Product,
  locals: PackLocals & { rest: Local },
  run: Run,
  packed: number,
): void {
  const from = f.local('i');
  const to = f.local('i');
  f.get(locals.from).set(from);
  f.get(locals.to).set(to);
  const step = run.bytes % 32 === 0 ? 32 : 16;
  const advance = (local: Local, bytes: number): void => {
    f.get(local).i32(bytes).op('i32.add').set(local);
  };
  f.repeat(locals.rest, { start: 0, end: run.bytes, step }, () => {
    for (let at = 0; at < step; at += 16)
      emitPackVector(f, product, { ...locals, from, to }, run.offset + at, packed + at);
    advance(from, step);
    advance(to, step * product.dot.operandBytes);
  });
}

/** Of four pixels of four bytes the first three of each; the rest is written over by what comes next. */
const WITHOUT_FOURTH = [0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 15, 15, 15, 15];

/** Packs 16 bytes, in the order given; `at` is their place along K. */
function emitPackVector(
  f: FunctionBuilder,
  product: Product,
  { from, to, bytes, flip }: PackLocals,
  source: number,
  at: number,
  order?: readonly number[],
): void {
  const { operandBytes } = product.dot;
  const target = at * operandBytes;
  f.get(from).op('v128.load', { offset: source });
  if (order) f.set(bytes).get(bytes).get(bytes).shuffle(order);
  if (flip) f.get(flip).op('v128.xor');
  f.set(bytes);
  if (operandBytes === 1) {
    f.get(to).get(bytes).op('v128.store', { offset: target });
    return;
  }
  f.get(to).get(bytes).op('i16x8.extend_low_i8x16_u').op('v128.store', { offset: target });
  f.get(to)
    .get(bytes)
    .op('i16x8.extend_high_i8x16_u')
    .op('v128.store', { offset: target + 16 });
}

function emitChannel(f: FunctionBuilder, { panel, channel }: Locals): void {
  f.get(panel)
    .i32(CHANNEL_BLOCK * 4)
    .op('i32.mul')
    .set(channel);
}

/** Finds the panel, and its weights, which are widened into scratch where that is asked for. */
function emitPanel(f: FunctionBuilder, product: Product, place: Placement, locals: Locals, panelAt: Local): void {
  const [weightsAt] = placesOf(place);
  const { widening, panelBytes, order } = product;
  const { counter, weights, firstWeight } = locals;
  const storedBytes = widening === 'none' ? panelBytes : panelBytes / 2;
  const stride = order?.panelStride ?? storedBytes;
  f.get(locals.panel).i32(stride).op('i32.mul').i32(weightsAt).op('i32.add').tee(panelAt);
  if (order) f.i32(order.weights).op('i32.add');
  f.set(firstWeight);
  if (widening !== 'byPanel') return;
  const target = locals.row;
  f.get(locals.scratch).i32(scratchOf(product).panel).op('i32.add').set(target);
  f.repeat(counter, { start: 0, end: storedBytes, step: 32 }, () => {
    for (let lane = 0; lane < LANES; lane++)
      f.get(firstWeight)
        .op('v128.load8x8_s', { offset: lane * 8 })
        .set(weights[lane]!);
    for (let lane = 0; lane < LANES; lane++)
      f.get(target)
        .get(weights[lane]!)
        .op('v128.store', { offset: lane * 16 });
    f.get(firstWeight).i32(32).op('i32.add').set(firstWeight);
    f.get(target).i32(64).op('i32.add').set(target);
  });
  f.get(target).i32(panelBytes).op('i32.sub').set(firstWeight);
}

/** row = address of the tile's first row; acc[rows][16] = bias. */
function emitStart(f: FunctionBuilder, product: Product, place: Placement, locals: Locals): void {
  const { rowBytes } = product;
  const [, biasAt] = placesOf(place);
  const { accs, weights, row } = locals;
  if (product.inPlace)
    f.get(locals.block).get(locals.tile).op('i32.add').i32(rowBytes).op('i32.mul').get(locals.source).op('i32.add');
  else {
    f.get(locals.tile).i32(rowBytes).op('i32.mul').get(locals.scratch).op('i32.add');
    f.i32(scratchOf(product).packed).op('i32.add');
  }
  f.set(row);
  for (let lane = 0; lane < LANES; lane++) {
    f.get(locals.channel)
      .op('v128.load', { offset: biasAt + lane * 16 })
      .set(weights[lane]!);
  }
  accs.forEach((acc, index) => f.get(weights[index % LANES]!).set(acc));
}
