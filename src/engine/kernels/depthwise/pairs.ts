import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import type { Depthwise } from './form.ts';
import type { Pair } from './uses.ts';

/** Two vectors of int16 pairs: 8 channels. */
export type Vectors = readonly Local[];

/** Bytes of the low halves of two vectors, one from each in turn. */
const INTERLEAVE = Array.from({ length: 16 }, (_, i) => (i % 2) * 16 + (i >> 1));

/** What pairs are read from. */
export interface Source {
  /** Address of each row of the filter, at the first column of the tile. */
  readonly rows: readonly Local[];
  /** Bytes and int16 of the input's zero point. */
  readonly padding: { readonly bytes: Local; readonly words: Local };
}

/** Where a tile lies: `first` is its first column in the input, undefined where all that it reads are known to lie inside. */
export interface Columns {
  readonly first: number | undefined;
  /** Columns that its pixels read. */
  readonly count: number;
}

/** The pairs of a tile, each made where it is first asked for, and those that the tile before has left. */
export class Pairs {
  readonly #f: FunctionBuilder;
  readonly #depthwise: Depthwise;
  readonly #source: Source;
  readonly #columns: Columns;
  readonly #made = new Map<string, { readonly pair: Pair; readonly vectors: Vectors }>();
  readonly #bytes = new Map<string, Local>();

  constructor(f: FunctionBuilder, depthwise: Depthwise, source: Source, columns: Columns) {
    this.#f = f;
    this.#depthwise = depthwise;
    this.#source = source;
    this.#columns = columns;
  }

  get(pair: Pair): Vectors {
    const known = this.#made.get(keyOf(pair));
    if (known) return known.vectors;
    const vectors = this.#make(pair);
    this.keep(pair, vectors);
    return vectors;
  }

  keep(pair: Pair, vectors: Vectors): void {
    this.#made.set(keyOf(pair), { pair, vectors });
  }

  /** Leaves the next tile, which begins `columns` further on, what both can use. */
  handOver(next: Pairs, columns: number): void {
    for (const { pair, vectors } of this.#made.values())
      if (this.isWhole(pair)) next.keep({ ...pair, column: pair.column - columns }, vectors);
  }

  /** Whether the pair holds what its columns have, not only what this tile needs. */
  isWhole({ of, column }: Pair): boolean {
    const next = of === 'columns' ? column + this.#depthwise.operation.dilations[1] : column;
    return this.#columns.first !== undefined || next < this.#columns.count;
  }

  #make(pair: Pair): Vectors {
    const { of, row, column } = pair;
    const { words } = this.#source.padding;
    const next = column + this.#depthwise.operation.dilations[1];
    if (this.#isPadding(column) && (of === 'rows' || this.#isPadding(next))) return [words, words];
    if (of === 'rows') return this.#widened(this.#load(row, column), this.#load(row + 1, column));
    // beyond the tile's last column the partner meets a weight of 0
    return this.#widened(this.#load(row, column), this.#load(row, this.isWhole(pair) ? next : column));
  }

  #isPadding(column: number): boolean {
    const { first } = this.#columns;
    return first !== undefined && (first + column < 0 || first + column >= this.#depthwise.input.width);
  }

  #load(row: number, column: number): Local {
    if (this.#isPadding(column)) return this.#source.padding.bytes;
    const key = `${row} ${column}`;
    const known = this.#bytes.get(key);
    if (known) return known;
    const bytes = this.#f.local('v');
    // half of it is used; a load of eight bytes would cost V8 an instruction more for the address
    this.#f
      .get(this.#source.rows[row]!)
      .op('v128.load', { offset: column * this.#depthwise.input.pixelStride })
      .set(bytes);
    this.#bytes.set(key, bytes);
    return bytes;
  }

  #widened(one: Local, other: Local): Vectors {
    const f = this.#f;
    const [both, low, high] = f.locals('v', 3) as [Local, Local, Local];
    f.get(one).get(other).shuffle(INTERLEAVE).set(both);
    f.get(both).op('i16x8.extend_low_i8x16_u').set(low);
    f.get(both).op('i16x8.extend_high_i8x16_u').set(high);
    return [low, high];
  }
}

function keyOf({ of, row, column }: Pair): string {
  return `${of} ${row} ${column}`;
}
