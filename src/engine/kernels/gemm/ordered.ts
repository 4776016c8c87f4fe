import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import { CHANNEL_BLOCK, roundUp } from '../../plan/layout.ts';
import { orderRow, WINDOW, type RowOrder } from './order.ts';
import { scratchOf, type Locals, type Product } from './product.ts';
import { emitGroup } from './sums.ts';

/**
 * A product of bytes summed by two in int16, in an order of K in which the sums do not saturate. Which two values meet is free,
 * and each panel has its own order, so a tile's rows are shuffled for it, window by window of 16 values:
 *
 *   tile's rows   │ 0 1 2 3 4 5 … 15 │ 16 … 31 │ …
 *                     shuffled by the panel's places
 *   ordered rows  │ 7 2│0 9│4 1│ … 5 │ 20 … 17 │ …
 *
 * Weights of two neighbours that would saturate in any order are halved: one half stands in their place, the other in a word
 * at the panel's end, which takes two such neighbours in a row; a list has the places in the ordered row where those begin.
 *
 * A panel is: number of words at its end (u32), places of all windows [16], list [u16], weights [word][16][4], those of its end.
 */
export interface PanelOrder {
  /** From one panel to the next. */
  readonly panelStride: number;
  /** Offsets in a panel. */
  readonly places: number;
  readonly list: number;
  readonly weights: number;
  /** Of an ordered row in scratch. */
  readonly rowBytes: number;
}

export interface OrderedPanels {
  readonly order: PanelOrder;
  readonly panels: Uint8Array;
}

/** Bytes of a word's weights. */
const WORD_BYTES = CHANNEL_BLOCK * 4;

/** Words of a panel's end in a step of the loop. */
const STEP = 2;

/** Keeps rows of a power of two from meeting in the same places of the first cache. */
const ROW_PADDING = 64;

/**
 * Panels in which each window has an order of its own.
 *
 * @param weights int8 panels [panels][depth / 4][16][4]
 * @param mostWords for each word of K; undefined is given where panels would have more
 */
export function orderPanels(weights: Int8Array, depth: number, mostWords: number): OrderedPanels | undefined {
  const words = depth / 4;
  const panelBytes = words * WORD_BYTES;
  const count = weights.length / panelBytes;
  const rows: Row[] = [];
  let [most, all] = [0, 0];
  for (let panel = 0; panel < count; panel++) {
    const stored = weights.subarray(panel * panelBytes, (panel + 1) * panelBytes);
    const row = orderRow(stored);
    const end = wordsOf(row);
    most = Math.max(most, roundUp(end.length, STEP));
    all += words + end.length;
    if (all > mostWords * words * count) return undefined;
    rows.push({ stored, ...row, end });
  }
  const places = 16;
  const list = places + roundUp(depth, WINDOW);
  const weightsAt = roundUp(list + most * 2, 64);
  const panelStride = weightsAt + (words + most) * WORD_BYTES;
  const order = { panelStride, places, list, weights: weightsAt, rowBytes: roundUp(depth, WINDOW) + ROW_PADDING };
  const panels = new Uint8Array(count * panelStride);
  rows.forEach((row, panel) => fillPanel(panels.subarray(panel * panelStride, (panel + 1) * panelStride), row, order));
  return { order, panels };
}

interface Row extends RowOrder {
  readonly stored: Int8Array;
  /** For each word of the panel's end the first two neighbours that it takes. */
  readonly end: readonly number[];
}

/** Two neighbours, and the next two where they may saturate as well. */
function wordsOf({ unsafe }: RowOrder): number[] {
  const words: number[] = [];
  for (let at = 0; at < unsafe.length; at++) if (unsafe[at] === 1) words.push(at++);
  return words;
}

function fillPanel(panel: Uint8Array, { stored, places, unsafe, end }: Row, order: PanelOrder): void {
  const view = new DataView(panel.buffer, panel.byteOffset, panel.byteLength);
  const weights = new Int8Array(panel.buffer, panel.byteOffset + order.weights);
  const depth = places.length;
  panel.set(places, order.places);
  for (let k = 0; k < depth; k++) {
    const [from, to] = [placeOf(k - (k % WINDOW) + places[k]!), placeOf(k)];
    const shift = unsafe[k >> 1]!;
    for (let at = 0; at < WORD_BYTES; at += 4) weights[to + at] = stored[from + at]! >> shift;
  }
  view.setUint32(0, roundUp(end.length, STEP), true);
  end.forEach((pair, word) => {
    view.setUint16(order.list + word * 2, pair * 2, true);
    for (let k = pair * 2; k < Math.min(pair * 2 + 4, depth); k++) {
      if (unsafe[k >> 1] !== 1) continue;
      const [from, to] = [placeOf(k - (k % WINDOW) + places[k]!), placeOf(depth + word * 4 + k - pair * 2)];
      for (let at = 0; at < WORD_BYTES; at += 4) weights[to + at] = stored[from + at]! - (stored[from + at]! >> 1);
    }
  });
}

/** Of a value's weight for the first channel; the others follow every 4 bytes. */
const placeOf = (k: number): number => (k >> 2) * WORD_BYTES + (k & 3);

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
