import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import { WINDOW } from './order.ts';
import { STEP, WORD_BYTES, type PanelOrder } from './orderPanels.ts';
import { scratchOf, type Locals, type Product } from './product.ts';
import { emitGroup } from './sums.ts';

/** Words of a window. */
const WINDOW_WORDS = WINDOW / 4;

/** Windows in a step of the loop, and up to which a sum has no loop. */
const UNROLL = 2;
const WHOLE = 4;

/**
 * acc[rows][16] += Σ over K:
 *
 *   shuffle window 0 of each row
 *   for each whole window:
 *     shuffle the next window of each row     while products are summed
 *     for each of its words: acc[r] += dot(splat(ordered[r][word]), weights[word])
 *   the same for words of a last, smaller window, and for those of the panel's end
 *
 * Where the loop takes all windows, it shuffles one more: 16 bytes behind the row, the places and the ordered row.
 */
export function emitOrderedSums(
  f: FunctionBuilder,
  product: Product,
  order: PanelOrder,
  locals: Locals,
  panelAt: Local,
): void {
  const { row, scratch, weight, firstWeight, counter } = locals;
  const { rowBytes } = order;
  const [from, places] = f.locals('i', 2) as [Local, Local];
  const { ordered } = scratchOf(product);
  const words = product.depth / 4;
  const windows = Math.ceil(words / WINDOW_WORDS);
  const looped = windows <= WHOLE ? 0 : Math.floor(words / WINDOW_WORDS / UNROLL) * UNROLL;
  const shuffle = (window: number): void => emitShuffle(f, product, order, { ...locals, from, places }, window);
  const sum = (window: number, count: number): void => {
    for (let step = window * WINDOW_WORDS; step < window * WINDOW_WORDS + count; step++)
      emitGroup(f, product, locals, { step, row, offset: ordered + step * 4, rowBytes });
  };
  const advance = (count: number): void => {
    for (const local of [from, row, places])
      f.get(local)
        .i32(count * 4)
        .op('i32.add')
        .set(local);
    f.get(weight)
      .i32(count * WORD_BYTES)
      .op('i32.add')
      .set(weight);
  };
  f.get(row).set(from);
  f.get(scratch).set(row);
  f.get(panelAt).set(places);
  f.get(firstWeight).set(weight);
  shuffle(0);
  if (looped > 0)
    f.repeat(counter, { start: 0, end: looped, step: UNROLL }, () => {
      for (let window = 0; window < UNROLL; window++) {
        shuffle(window + 1);
        sum(window, WINDOW_WORDS);
      }
      advance(UNROLL * WINDOW_WORDS);
    });
  const rest = words - looped * WINDOW_WORDS;
  for (let window = 0; window * WINDOW_WORDS < rest; window++) {
    const left = rest - window * WINDOW_WORDS;
    if (left > WINDOW_WORDS) shuffle(window + 1);
    sum(window, Math.min(left, WINDOW_WORDS));
  }
  if (rest > 0) advance(rest);
  emitEnd(f, product, order, locals, panelAt);
}

/** Writes a window of each row of the tile in the panel's order. */
function emitShuffle(
  f: FunctionBuilder,
  product: Product,
  order: PanelOrder,
  { row, from, places, splat }: Pick<Locals, 'row' | 'splat'> & Record<'from' | 'places', Local>,
  window: number,
): void {
  const { ordered } = scratchOf(product);
  const at = window * WINDOW;
  f.get(places)
    .op('v128.load', { offset: order.places + at })
    .set(splat);
  for (let r = 0; r < product.rows; r++) {
    f.get(row);
    f.get(from).op('v128.load', { offset: r * product.rowBytes + at });
    f.get(splat).op('i8x16.relaxed_swizzle');
    f.op('v128.store', { offset: ordered + r * order.rowBytes + at });
  }
}

/** acc[rows][16] += Σ over the words of the panel's end, whose weights begin at `weight`. */
function emitEnd(f: FunctionBuilder, product: Product, order: PanelOrder, locals: Locals, panelAt: Local): void {
  const { ordered } = scratchOf(product);
  const { scratch, weight, counter } = locals;
  const [entry, row, count] = f.locals('i', 3) as [Local, Local, Local];
  f.get(panelAt).set(entry);
  f.block((noneIf) => {
    f.get(panelAt).op('i32.load').tee(count).op('i32.eqz');
    noneIf();
    f.repeat(counter, { start: 0, end: count, step: STEP }, () => {
      for (let step = 0; step < STEP; step++) {
        f.get(entry)
          .op('i32.load16_u', { offset: order.list + step * 2 })
          .get(scratch)
          .op('i32.add')
          .set(row);
        emitGroup(f, product, locals, { step, row, offset: ordered, rowBytes: order.rowBytes });
      }
      f.get(entry)
        .i32(STEP * 2)
        .op('i32.add')
        .set(entry);
      f.get(weight)
        .i32(STEP * WORD_BYTES)
        .op('i32.add')
        .set(weight);
    });
  });
}
