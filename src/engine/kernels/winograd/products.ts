import type { FunctionReference, Local, ModuleBuilder } from '../../../wasm/index.ts';
import { CHANNEL_BLOCK } from '../../plan/layout.ts';
import { LANES } from '../gemm/product.ts';
import { chunksOf, scratchOf, stridesOf, type FastConv } from './fast.ts';

/** Pairs of channels in a step of the loop: channels come in multiples of 16. */
const UNROLL = 4;

/**
 * Adds a function (scratch, row, slot, first pair, pairs) → (): the products of row i, whose weights are those of a slot, over a
 * chunk of channels,
 *
 *   for each column j, for each `rows` tiles:
 *     M[i][j][rows][16] += Σ over pairs of channels of splat(V[i][j][tile][pair]) · U[j][pair]
 *
 * Sums begin at 0 where one chunk is all there is.
 */
export function productsFunction(module: ModuleBuilder, conv: FastConv): FunctionReference {
  const { form, input, blockTiles, rows, dot } = conv;
  const { inputs, weights: weightsAt, sums } = scratchOf(conv);
  const strides = stridesOf(conv);
  const rowBytes = input.channelStride * 2;
  return module.function(['i', 'i', 'i', 'i', 'i'], [], (f) => {
    const [scratch, line, slot, first, count] = [0, 1, 2, 3, 4].map((index) => f.parameter(index)) as [
      ...[Local, Local, Local],
      ...[Local, Local],
    ];
    const [product, tile, source, panel, target] = f.locals('i', 5) as [Local, Local, Local, Local, Local];
    const [row, weight, group, to] = f.locals('i', 4) as [Local, Local, Local, Local];
    const accs = f.locals('v', rows * LANES);
    const weights = f.locals('v', LANES);
    const [splat, none] = f.locals('v', 2) as [Local, Local];
    const emitDot = dot.prepare(f);
    f.get(line)
      .i32(form.points * strides.inputs)
      .op('i32.mul')
      .get(first)
      .i32(4)
      .op('i32.mul')
      .op('i32.add');
    f.get(scratch).op('i32.add').i32(inputs).op('i32.add').set(source);
    f.get(slot)
      .i32(form.points * strides.weights)
      .op('i32.mul')
      .get(scratch)
      .op('i32.add');
    f.i32(weightsAt).op('i32.add').set(panel);
    f.get(line)
      .i32(form.points * strides.sums)
      .op('i32.mul')
      .get(scratch)
      .op('i32.add')
      .i32(sums)
      .op('i32.add')
      .set(target);
    // one splat for all: V8 merges two vectors only where both begin with the same
    f.i32(0).op('i32x4.splat').set(none);
    f.repeat(product, { start: 0, end: form.points, step: 1 }, () => {
      f.repeat(tile, { start: 0, end: blockTiles, step: rows }, () => {
        f.get(tile).i32(rowBytes).op('i32.mul').get(source).op('i32.add').set(row);
        f.get(panel).set(weight);
        f.get(tile)
          .i32(CHANNEL_BLOCK * 4)
          .op('i32.mul')
          .get(target)
          .op('i32.add')
          .set(to);
        accs.forEach((acc, index) => {
          if (chunksOf(conv) > 1)
            f.get(to)
              .op('v128.load', { offset: index * 16 })
              .set(acc);
          else f.get(none).set(acc);
        });
        f.repeat(group, { start: 0, end: count, step: UNROLL }, () => {
          for (let step = 0; step < UNROLL; step++) {
            for (let lane = 0; lane < LANES; lane++)
              f.get(weight)
                .op('v128.load', { offset: (step * LANES + lane) * 16 })
                .set(weights[lane]!);
            for (let r = 0; r < rows; r++) {
              f.get(row)
                .op('v128.load32_splat', { offset: r * rowBytes + step * 4 })
                .set(splat);
              for (let lane = 0; lane < LANES; lane++)
                emitDot({ acc: accs[r * LANES + lane]!, activations: splat, weights: weights[lane]! });
            }
          }
          f.get(row)
            .i32(4 * UNROLL)
            .op('i32.add')
            .set(row);
          f.get(weight)
            .i32(16 * LANES * UNROLL)
            .op('i32.add')
            .set(weight);
        });
        accs.forEach((acc, index) =>
          f
            .get(to)
            .get(acc)
            .op('v128.store', { offset: index * 16 }),
        );
      });
      f.get(source).i32(strides.inputs).op('i32.add').set(source);
      f.get(panel).i32(strides.weights).op('i32.add').set(panel);
      f.get(target).i32(strides.sums).op('i32.add').set(target);
    });
  });
}
