import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import { CHANNEL_BLOCK } from '../../plan/layout.ts';
import { scratchOf, stridesOf, type FastConv } from './fast.ts';
import { emitOrigin, paddedStrides } from './tiles.ts';

/** Bytes of 16 channels as int16: two vectors. */
const CELL = CHANNEL_BLOCK * 2;

/**
 * V = Bᵀ d B of every tile of a block, 16 channels at a time:
 *
 *   for each column x: half[0..5][x] = Bᵀ d[0..5][x]
 *   for each row i:    V[i][0..5]   = Bᵀ half[i][0..5]
 */
export function emitInputs(
  f: FunctionBuilder,
  conv: FastConv,
  locals: { readonly padded: Local; readonly scratch: Local; readonly block: Local },
): void {
  const { form, input, blockTiles } = conv;
  const { padded, scratch, block } = locals;
  const { points } = form;
  const { half, inputs } = scratchOf(conv);
  const strides = stridesOf(conv);
  const depth = input.channelStride;
  const { pixel, row: rowBytes } = paddedStrides(conv);
  const [tile, y, x, from, to, channel] = f.locals('i', 6) as [Local, Local, Local, Local, Local, Local];
  const [line, source, target] = f.locals('i', 3) as [Local, Local, Local];
  f.get(scratch).i32(inputs).op('i32.add').set(to);
  f.repeat(tile, { start: 0, end: blockTiles, step: 1 }, () => {
    f.get(tile).get(block).op('i32.add').set(y);
    emitOrigin(f, conv, y, { y, x });
    f.get(y).i32(rowBytes).op('i32.mul').get(x).i32(pixel).op('i32.mul').op('i32.add');
    f.get(padded).op('i32.add').set(from);
    f.repeat(channel, { start: 0, end: depth, step: CHANNEL_BLOCK }, () => {
      f.get(from).set(source);
      f.get(scratch).set(target);
      f.repeat(line, { start: 0, end: points, step: 1 }, () => {
        emitTransformed(f, form, {
          load: (i, lane) => f.get(source).op('v128.load8x8_u', { offset: i * rowBytes + lane * 8 }),
          target,
          offset: (i) => half + i * points * CELL,
        });
        f.get(source).i32(pixel).op('i32.add').set(source);
        f.get(target).i32(CELL).op('i32.add').set(target);
      });
      f.get(scratch).set(source);
      f.get(to).set(target);
      f.repeat(line, { start: 0, end: points, step: 1 }, () => {
        emitTransformed(f, form, {
          load: (j, lane) => f.get(source).op('v128.load', { offset: half + j * CELL + lane * 16 }),
          target,
          offset: (j) => j * strides.inputs,
        });
        f.get(source)
          .i32(points * CELL)
          .op('i32.add')
          .set(source);
        f.get(target)
          .i32(points * strides.inputs)
          .op('i32.add')
          .set(target);
      });
      f.get(from).i32(CHANNEL_BLOCK).op('i32.add').set(from);
      f.get(to).i32(CELL).op('i32.add').set(to);
    });
  });
}

/** One line of points: two vectors of eight channels in turn, then stores by pairs, as V8 merges them. */
function emitTransformed(
  f: FunctionBuilder,
  { points, input }: FastConv['form'],
  line: { load(index: number, lane: number): void; target: Local; offset(index: number): number },
): void {
  const results = [0, 1].map((lane) => {
    const vectors = f.locals('v', points);
    vectors.forEach((vector, index) => {
      line.load(index, lane);
      f.set(vector);
    });
    return input(f, vectors);
  });
  for (let index = 0; index < points; index++)
    results.forEach((vectors, lane) =>
      f
        .get(line.target)
        .get(vectors[index]!)
        .op('v128.store', { offset: line.offset(index) + lane * 16 }),
    );
}
