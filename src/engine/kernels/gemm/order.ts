import { CHANNEL_BLOCK } from '../../plan/layout.ts';

/** Values of K that trade places: one shuffle of a vector of bytes. */
export const WINDOW = 16;

/** An order of the values of a row along K, in which neighbours, the first at an even place, are summed in int16. */
export interface RowOrder {
  /** Where each value is taken from within its window: a permutation of each window. */
  readonly places: Uint8Array;
  /** For each two neighbours, 1 where their sum may saturate in some channel. */
  readonly unsafe: Uint8Array;
}

/**
 * An order in which few neighbours may saturate in any channel. Those of a window that may lie at its end, those of the next
 * at its beginning: together.
 *
 * @param weights [values / 4][16 channels][4] int8, values a multiple of 4
 */
export function orderRow(weights: Int8Array): RowOrder {
  const depth = weights.length / CHANNEL_BLOCK;
  const places = new Uint8Array(depth);
  const unsafe = new Uint8Array(depth / 2);
  for (let first = 0; first < depth; first += WINDOW) {
    const end = Math.min(first + WINDOW, depth);
    const { pairs, alone } = pairWindow(weights.subarray(first * CHANNEL_BLOCK, end * CHANNEL_BLOCK));
    const order = [...pairs.flat(), ...alone];
    const isOdd = (first / WINDOW) % 2 === 1;
    places.set(isOdd ? order.reverse() : order, first);
    const start = isOdd ? first : end - alone.length;
    unsafe.fill(1, start / 2, (start + alone.length) / 2);
  }
  return { places, unsafe };
}

/**
 * Joins values of a window to pairs that never saturate in any channel. Values are the vertices of a graph, such pairs its
 * edges, and a matching is found greedily, scarce values first; two values left over trade partners with a pair where that
 * joins all four.
 */
function pairWindow(weights: Int8Array): { pairs: Pair[]; alone: number[] } {
  const count = weights.length / CHANNEL_BLOCK;
  const partners = partnersOf(weights, count);
  const { pairs, left } = matchGreedily(partners, count);
  return { alone: tradePartners(partners, pairs, left), pairs };
}

/** Channels of which an integer holds a weight each, in fields of 10 bits. */
const FIELDS = 3;
const PACKED = Math.ceil(CHANNEL_BLOCK / FIELDS);

/** In each field: weights + 128 sum to s; s + 127 ≥ 512 where they reach beyond 128, s + 384 < 512 where below −128. */
const each = (value: number): number => value | (value << 10) | (value << 20);
const [ABOVE, BELOW, CARRY] = [each(127), each(384), each(512)];

/** For each value the set of those that it may be summed with in int16: |w + w'| ≤ 128 in every channel. */
function partnersOf(weights: Int8Array, count: number): Int32Array {
  const packed = new Int32Array(count * PACKED);
  for (let k = 0; k < count; k++)
    for (let part = 0; part < PACKED; part++) {
      let fields = each(128);
      for (let field = 0; field < FIELDS && part * FIELDS + field < CHANNEL_BLOCK; field++)
        fields += weights[((k >> 2) * CHANNEL_BLOCK + part * FIELDS + field) * 4 + (k & 3)]! << (field * 10);
      packed[k * PACKED + part] = fields;
    }
  const partners = new Int32Array(count);
  for (let a = 0; a < count; a++)
    for (let b = a + 1; b < count; b++) {
      let part = 0;
      while (part < PACKED) {
        const sum = packed[a * PACKED + part]! + packed[b * PACKED + part]!;
        if (((sum + ABOVE) & CARRY) !== 0 || ((sum + BELOW) & CARRY) !== CARRY) break;
        part++;
      }
      if (part < PACKED) continue;
      partners[a]! |= 1 << b;
      partners[b]! |= 1 << a;
    }
  return partners;
}

type Pair = [number, number];

/** Joins the value of fewest partners with that of its partners which has fewest. */
function matchGreedily(partners: Int32Array, count: number): { pairs: Pair[]; left: number[] } {
  const pairs: Pair[] = [];
  const left: number[] = [];
  let free = (1 << count) - 1;
  while (free !== 0) {
    const value = scarcest(free, partners, free);
    free &= ~(1 << value);
    const possible = partners[value]! & free;
    if (possible === 0) left.push(value);
    else {
      const partner = scarcest(possible, partners, free);
      free &= ~(1 << partner);
      pairs.push([value, partner]);
    }
  }
  return { pairs, left };
}

/** Of a set, the value of fewest partners among those that are free. */
function scarcest(set: number, partners: Int32Array, free: number): number {
  let [found, fewest] = [-1, Infinity];
  for (let rest = set; rest !== 0; rest &= rest - 1) {
    const value = 31 - Math.clz32(rest & -rest);
    const degree = bitCount(partners[value]! & free);
    if (degree < fewest) [found, fewest] = [value, degree];
  }
  return found;
}

function bitCount(set: number): number {
  let pairs = set - ((set >> 1) & 0x5555);
  pairs = (pairs & 0x3333) + ((pairs >> 2) & 0x3333);
  const bytes = (pairs + (pairs >> 4)) & 0x0f0f;
  return (bytes + (bytes >> 8)) & 0x1f;
}

/** Gives two values that are left the partners of a pair, where both may take one; what stays alone is returned. */
function tradePartners(partners: Int32Array, pairs: Pair[], left: readonly number[]): number[] {
  const joined = (a: number, b: number): boolean => (partners[a]! & (1 << b)) !== 0;
  const alone: number[] = [];
  for (let at = 0; at < left.length; at += 2) {
    const [a, b] = [left[at]!, left[at + 1]!];
    const index = pairs.findIndex(([c, d]) => (joined(a, c) && joined(b, d)) || (joined(a, d) && joined(b, c)));
    if (index < 0) {
      alone.push(a, b);
      continue;
    }
    const [c, d] = pairs[index]!;
    if (joined(a, c) && joined(b, d)) pairs.splice(index, 1, [a, c], [b, d]);
    else pairs.splice(index, 1, [a, d], [b, c]);
  }
  return alone;
}
