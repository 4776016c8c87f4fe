import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import { pairNeverSaturates, type DotStrategy } from '../../dot.ts';
import { CHANNEL_BLOCK, roundUp } from '../../plan/layout.ts';
import type { Placement } from '../../plan/step.ts';
import { LANES, placesOf, scratchOf, type Locals, type Product } from './product.ts';

/**
 * A product of which most groups of four values of K are summed as bytes, the others as int16, panel by panel.
 *
 * A sum of two products of bytes must not saturate. Which two of a group meet is free: a panel takes each group in the first of
 * three pairings in which all its 16 channels are safe. A row of activations therefore is packed three times:
 *
 *   ┌──────────┬──────────┬──────────┐
 *   │ 01 23 …  │ 02 13 …  │ 03 12 …  │
 *   └──────────┴──────────┴──────────┘
 *
 * and a panel begins with a list of the places in the row where it finds its groups. Those that are never safe are taken from
 * the first, their even bytes and their odd bytes widened to int16.
 */
export interface Mixed {
  readonly small: DotStrategy;
  /** Bytes of a panel: list, then the weights of all groups. */
  readonly panelStride: number;
  readonly listBytes: number;
}

const PAIRINGS = [
  [0, 1, 2, 3],
  [0, 2, 1, 3],
  [0, 3, 1, 2],
] as const;

/** Groups of bytes in a step of the loop. */
const STEP = 4;

/** Bytes of weights of a group, stored. */
const GROUP_BYTES = CHANNEL_BLOCK * 4;

/** Bytes of a region of a packed row; packing writes whole vectors, up to 15 bytes too many. */
const regionOf = (depth: number): number => roundUp(depth, 16) + 16;

/** Of the pairing's region in a packed row. */
const regionAt = (depth: number, pairing: number): number => regionOf(depth) * pairing;

export const mixedRowBytes = (depth: number): number => regionAt(depth, PAIRINGS.length);

export function mixedOf(small: DotStrategy, depth: number): Mixed {
  const listBytes = roundUp(4 + (depth / 4) * 2, 16);
  return { small, listBytes, panelStride: roundUp(listBytes + depth * CHANNEL_BLOCK, 64) };
}

/** Which pairing takes each group of each panel, by its number; NEVER where none does. */
const NEVER = 3;

/** Panels of which the share of groups of bytes is estimated. */
const ESTIMATED_PANELS = 2;

/**
 * Panels of int8 in the order of `pairs`, [panels][depth / 2][16][2], rearranged: each as the number of groups of bytes, the
 * places of all groups in a row (u16), the weights of the groups of bytes [16][4], those of the others [even, odd][16][2].
 *
 * @param leastShare of groups of bytes; undefined is given where there are fewer
 */
export function mixPanels(stored: Uint8Array, depth: number, mixed: Mixed, leastShare: number): Uint8Array | undefined {
  const weights = new Int8Array(stored.buffer, stored.byteOffset, stored.byteLength);
  const groups = depth / 4;
  const all = weights.length / GROUP_BYTES;
  const pairings = new Uint8Array(all);
  let taken = 0;
  for (let group = 0; group < all; group++) {
    pairings[group] = pairingOf(weights, group * GROUP_BYTES);
    if (pairings[group] !== NEVER) taken++;
    if (group + 1 === ESTIMATED_PANELS * groups && taken < leastShare * (group + 1)) return undefined;
  }
  if (taken < leastShare * all) return undefined;
  const bytes = new Uint8Array((all / groups) * mixed.panelStride);
  for (let panel = 0; panel * groups < all; panel++)
    mixPanel(weights, depth, panel, pairings, bytes, panel * mixed.panelStride, mixed.listBytes);
  return bytes;
}

function mixPanel(
  weights: Int8Array,
  depth: number,
  panel: number,
  pairings: Uint8Array,
  bytes: Uint8Array,
  start: number,
  listBytes: number,
): void {
  const groups = depth / 4;
  const first = panel * groups;
  let safe = 0;
  for (let group = 0; group < groups; group++) if (pairings[first + group] !== NEVER) safe++;
  const small = safe - (safe % STEP);
  const list = new Uint16Array(bytes.buffer, start + 4, groups);
  new Int32Array(bytes.buffer, start, 1)[0] = small;
  let [nextSmall, nextWide] = [0, small];
  for (let group = 0; group < groups; group++) {
    const pairing = pairings[first + group]!;
    const isSmall = pairing !== NEVER && nextSmall < small;
    const index = isSmall ? nextSmall++ : nextWide++;
    list[index] = regionAt(depth, isSmall ? pairing : 0) + group * 4;
    const from = (first + group) * GROUP_BYTES;
    const to = start + listBytes + index * GROUP_BYTES;
    for (let channel = 0; channel < CHANNEL_BLOCK; channel++)
      for (let place = 0; place < 4; place++) {
        const k = isSmall ? PAIRINGS[pairing]![place]! : place;
        const target = isSmall ? channel * 4 + place : (place & 1) * 32 + channel * 2 + (place >> 1);
        bytes[to + target] = weights[from + placeOf(channel, k)]!;
      }
  }
}

/** Of a weight in a group in the order of `pairs`: [2][16][2]. */
const placeOf = (channel: number, k: number): number => (k >> 1) * CHANNEL_BLOCK * 2 + channel * 2 + (k & 1);

/** The first pairing that never saturates in any channel. */
function pairingOf(weights: Int8Array, at: number): number {
  for (let pairing = 0; pairing < PAIRINGS.length; pairing++) {
    const [a, b, c, d] = PAIRINGS[pairing]!;
    let channel = 0;
    while (channel < CHANNEL_BLOCK) {
      const value = (k: number): number => weights[at + placeOf(channel, k)]!;
      if (!pairNeverSaturates(value(a), value(b)) || !pairNeverSaturates(value(c), value(d))) break;
      channel++;
    }
    if (channel === CHANNEL_BLOCK) return pairing;
  }
  return NEVER;
}

/** Stores 16 bytes of a row in every pairing, `at` bytes behind `to`. */
export function emitPairings(f: FunctionBuilder, depth: number, to: Local, bytes: Local, at: number): void {
  PAIRINGS.forEach((order, pairing) => {
    f.get(to).get(bytes);
    if (pairing > 0) f.get(bytes).shuffle(Array.from({ length: 16 }, (_, byte) => (byte & ~3) + order[byte & 3]!));
    f.op('v128.store', { offset: regionAt(depth, pairing) + at });
  });
}

/** Locals of a panel of a mixed product. */
export interface MixedLocals {
  /** Address of the list. */
  readonly list: Local;
  /** Groups of bytes. */
  readonly small: Local;
}

/** Finds the parts of a panel, and widens the weights that are taken as int16 into scratch. */
export function emitMixedPanel(
  f: FunctionBuilder,
  product: Product,
  mixed: Mixed,
  place: Placement,
  { panel, scratch, row, weight, counter, weights, firstWeight, list, small }: Locals & MixedLocals,
): void {
  const [weightsAt] = placesOf(place);
  const groups = product.depth / 4;
  f.get(panel).i32(mixed.panelStride).op('i32.mul').i32(weightsAt).op('i32.add').tee(list);
  f.op('i32.load').set(small);
  f.get(list).i32(mixed.listBytes).op('i32.add').set(firstWeight);
  f.get(small).i32(GROUP_BYTES).op('i32.mul').get(firstWeight).op('i32.add').set(weight);
  f.get(scratch).i32(scratchOf(product).panel).op('i32.add').set(row);
  f.block((noneIf) => {
    f.get(small).i32(groups).op('i32.eq');
    noneIf();
    f.repeat(counter, { start: small, end: groups, step: 1 }, () => {
      for (let half = 0; half < GROUP_BYTES; half += 32) {
        for (let lane = 0; lane < LANES; lane++)
          f.get(weight)
            .op('v128.load8x8_s', { offset: half + lane * 8 })
            .set(weights[lane]!);
        for (let lane = 0; lane < LANES; lane++)
          f.get(row)
            .get(weights[lane]!)
            .op('v128.store', { offset: half * 2 + lane * 16 });
      }
      f.get(weight).i32(GROUP_BYTES).op('i32.add').set(weight);
      f.get(row)
        .i32(GROUP_BYTES * 2)
        .op('i32.add')
        .set(row);
    });
  });
}

/** acc[rows][16] += Σ over K, first of the groups of bytes, then of the others; `row` is the address of the tile's first row. */
export function emitMixedSums(
  f: FunctionBuilder,
  product: Product,
  locals: Locals & MixedLocals & { readonly emitSmall: Locals['emitDot'] },
): void {
  const { depth, rows, rowBytes } = product;
  const { accs, weights, row, weight, counter, splat, firstWeight, list, small, scratch, emitDot, emitSmall } = locals;
  const groups = depth / 4;
  const [entry, from] = f.locals('i', 2) as [Local, Local];
  const [halves, low] = f.locals('v', 2) as [Local, Local];
  f.i32(0xff).op('i16x8.splat').set(low);
  const loadWeights = (offset: number): void => {
    for (let lane = 0; lane < LANES; lane++)
      f.get(weight)
        .op('v128.load', { offset: offset + lane * 16 })
        .set(weights[lane]!);
  };
  const sumRow = (emit: Locals['emitDot'], r: number, activations: Local): void => {
    for (let lane = 0; lane < LANES; lane++)
      emit({ acc: accs[r * LANES + lane]!, activations, weights: weights[lane]! });
  };
  const loadRow = (r: number): void => {
    f.get(from)
      .op('v128.load32_splat', { offset: r * rowBytes })
      .set(splat);
  };
  const sumBytes = (offset: number): void => {
    loadWeights(offset);
    for (let r = 0; r < rows; r++) {
      loadRow(r);
      sumRow(emitSmall, r, splat);
    }
  };
  const sumHalf = (half: 0 | 1, offset: number): void => {
    loadWeights(offset);
    for (let r = 0; r < rows; r++) {
      loadRow(r);
      f.get(splat);
      if (half === 0) f.get(low).op('v128.and');
      else f.i32(8).op('i16x8.shr_u');
      f.set(halves);
      sumRow(emitDot, r, halves);
    }
  };
  const find = (index: number): void => {
    f.get(entry)
      .op('i32.load16_u', { offset: 4 + index * 2 })
      .get(row)
      .op('i32.add')
      .set(from);
  };
  const advance = (taken: number, weightBytes: number): void => {
    f.get(entry)
      .i32(taken * 2)
      .op('i32.add')
      .set(entry);
    f.get(weight)
      .i32(taken * weightBytes)
      .op('i32.add')
      .set(weight);
  };
  f.get(list).set(entry);
  f.get(firstWeight).set(weight);
  f.block((noneIf) => {
    f.get(small).op('i32.eqz');
    noneIf();
    f.repeat(counter, { start: 0, end: small, step: STEP }, () => {
      for (let index = 0; index < STEP; index++) {
        find(index);
        sumBytes(index * GROUP_BYTES);
      }
      advance(STEP, GROUP_BYTES);
    });
  });
  f.get(scratch).i32(scratchOf(product).panel).op('i32.add').set(weight);
  f.block((noneIf) => {
    f.get(small).i32(groups).op('i32.eq');
    noneIf();
    const together = groups % 2 === 0 ? 2 : 1;
    f.repeat(counter, { start: small, end: groups, step: together }, () => {
      for (let index = 0; index < together; index++) {
        find(index);
        for (const half of [0, 1] as const) sumHalf(half, (index * 2 + half) * GROUP_BYTES);
      }
      advance(together, GROUP_BYTES * 2);
    });
  });
}
