import { CHANNEL_BLOCK, roundUp } from '../../plan/layout.ts';
import { orderRow, WINDOW, type RowOrder } from './order.ts';

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
export const WORD_BYTES = CHANNEL_BLOCK * 4;

/** Words of a panel's end in a step of the loop. */
export const STEP = 2;

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
