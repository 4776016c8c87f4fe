import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import { CHANNEL_BLOCK } from '../../plan/layout.ts';
import type { Placement } from '../../plan/step.ts';
import { emitFinish, emitTile } from '../gemm/finish.ts';
import { LANES, placesOf } from '../gemm/product.ts';
import { scratchOf, stridesOf, type FastConv } from './fast.ts';
import { emitOrigin } from './tiles.ts';

/** Bytes of 16 sums. */
const CELL = CHANNEL_BLOCK * 4;

/**
 * y = requantize(Aᵀ M A / scale² + bias) of every tile of a block, for the 16 channels of a panel; what is prepared once in a
 * function is emitted here, the rest by the result:
 *
 *   for each column j: half[0..3][j] = Aᵀ M[0..5][j]
 *   for each row i:    y[i][0..3]   = requantize((Aᵀ half[i][0..5]) · inverse >> shift + bias)
 */
export function outputEmitter(
  f: FunctionBuilder,
  conv: FastConv,
  place: Placement,
  locals: Readonly<Record<'arena' | 'scratch' | 'block' | 'panel', Local>>,
): () => void {
  const { form, output, blockTiles, width } = conv;
  const { points, outputs } = form;
  const { arena, scratch, block, panel } = locals;
  const { sums, half, rows } = scratchOf(conv);
  const strides = stridesOf(conv);
  const [, biasAt] = placesOf(place);
  const [tile, y, x, target, channel, line, source, to] = f.locals('i', 8) as [
    ...[Local, Local, Local, Local],
    ...[Local, Local, Local, Local],
  ];
  const other = output.otherStride === output.outputStride ? target : f.local('i');
  const pointers = [
    ...new Map([
      [target, output.outputStride],
      [other, output.otherStride],
    ]),
  ];
  const accs = f.locals('v', outputs * LANES);
  const multipliers = f.locals('v', LANES);
  const bias = f.locals('v', LANES);
  const inverse = f.local('v');
  f.i32(form.inverse).op('i32x4.splat').set(inverse);
  const finish = emitFinish(f, output, conv.bytes, place, { accs, multipliers });
  /** Loads one line of points for all lanes, and hands over what comes of it. */
  const transformed = (offset: (index: number) => number): (readonly Local[])[] =>
    multipliers.map((_, lane) => {
      const vectors = f.locals('v', points);
      vectors.forEach((vector, index) =>
        f
          .get(source)
          .op('v128.load', { offset: offset(index) + lane * 16 })
          .set(vector),
      );
      return form.output(f, vectors);
    });
  return () => {
    f.get(panel).i32(CELL).op('i32.mul').set(channel);
    f.repeat(tile, { start: 0, end: blockTiles, step: 1 }, () => {
      f.get(tile).i32(CELL).op('i32.mul').get(scratch).op('i32.add').i32(sums).op('i32.add').set(source);
      f.get(scratch).set(to);
      f.repeat(line, { start: 0, end: points, step: 1 }, () => {
        const lanes = transformed((i) => i * points * strides.sums);
        for (let i = 0; i < outputs; i++)
          lanes.forEach((results, lane) =>
            f
              .get(to)
              .get(results[i]!)
              .op('v128.store', { offset: half + i * points * CELL + lane * 16 }),
          );
        f.get(source).i32(strides.sums).op('i32.add').set(source);
        f.get(to).i32(CELL).op('i32.add').set(to);
      });
      f.get(tile).get(block).op('i32.add').set(y);
      emitOrigin(f, conv, y, { y, x });
      for (const [at, stride] of pointers) {
        f.get(y).i32(width).op('i32.mul').get(x).op('i32.add').i32(stride).op('i32.mul');
        f.get(panel).i32(CHANNEL_BLOCK).op('i32.mul').op('i32.add').get(arena).op('i32.add').set(at);
      }
      f.get(scratch).set(source);
      f.repeat(line, { start: 0, end: outputs, step: 1 }, () => {
        bias.forEach((local, lane) =>
          f
            .get(channel)
            .op('v128.load', { offset: biasAt + lane * 16 })
            .set(local),
        );
        transformed((j) => half + j * CELL).forEach((results, lane) =>
          results.forEach((result, j) => {
            f.get(result);
            if (form.inverse !== 1) f.get(inverse).op('i32x4.mul');
            f.i32(form.shift).op('i32x4.shr_s').get(bias[lane]!).op('i32x4.add');
            f.set(accs[j * LANES + lane]!);
          }),
        );
        emitTile(f, output, place, { accs, multipliers, channel, panel, scratch, target, other, narrow: rows }, finish);
        f.get(source)
          .i32(points * CELL)
          .op('i32.add')
          .set(source);
        for (const [at, stride] of pointers)
          f.get(at)
            .i32(width * stride)
            .op('i32.add')
            .set(at);
      });
    });
  };
}
