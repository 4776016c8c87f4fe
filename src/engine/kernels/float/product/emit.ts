import type { FunctionBuilder, Local } from '../../../../wasm/index.ts';
import { emitLastFits } from '../../loops.ts';
import type { MakeFunction, VectorFunction } from '../vectorFunction.ts';
import { emitStoreFloats, LANES } from '../vectors.ts';
import { emitDequantize, emitDequantizePanel, type PackedIntegers } from './dequantize.ts';
import { depthOf, panelsOf, type Product } from './product.ts';

/** Where a function finds what it multiplies; addresses as locals, or absolute. */
export interface ProductPlace {
  /** Address of the first pixel's window. */
  readonly input: Local;
  /** Address of the output. */
  readonly output: Local;
  readonly weights: PlacedWeights;
  readonly bias: number;
  readonly begin: Local;
  readonly end: Local;
  /** Threads go through the weights panel by panel, or through their units one by one. */
  readonly outermost: 'panels' | 'units';
  /** Applied to every sum. */
  readonly activation?: MakeFunction | undefined;
}

/** Float32 panels at an address; or int8 ones, with scratch for all of them in float32, or for one where panels are outermost. */
export type PlacedWeights =
  | { readonly stored: 'float'; readonly address: number | Local }
  | { readonly stored: 'int8'; readonly packed: PackedIntegers; readonly scratch: Local };

interface Pointers {
  readonly input: Local;
  readonly output: Local;
  readonly weights: Local;
  readonly bias: Local;
}

/** Rows of a tile: 4 rows of 4 vectors fill V8's registers when it merges vectors in pairs. */
function rowsOf(vectors: number, pixels: number): number {
  const most = vectors >= 4 ? 4 : vectors >= 2 ? 6 : 8;
  return vectors > 4 ? 1 : Math.min(most, pixels);
}

/**
 * panels outermost:  for each group: for each panel: for each unit: tiles
 * units outermost:   for each unit: for each group: for each panel: tiles
 */
export function emitProduct(f: FunctionBuilder, product: Product, place: ProductPlace): void {
  const activation = place.activation?.(f);
  const unit = f.local('i');
  const pointers: Pointers = { input: f.local('i'), output: f.local('i'), weights: f.local('i'), bias: f.local('i') };
  const rowBytes = product.groups.count * product.columns * 4;
  const units = (body: () => void): void => {
    f.repeat(unit, { start: place.begin, end: place.end, step: 1 }, body);
  };
  const tiles = (
    start: { readonly group: Local; readonly column: Local },
    panel: { vectors: number; columns: number },
  ): void => emitUnit(f, product, { ...panel, pointers, place, unit, ...start, rowBytes, activation });
  const { weights } = place;
  if (place.outermost === 'units') {
    if (weights.stored === 'int8') emitDequantize(f, product, weights.scratch, weights.packed);
    units(() => emitPanels(f, product, pointers, place, tiles));
  } else emitPanels(f, product, pointers, place, (start, panel) => units(() => tiles(start, panel)));
}

type PanelBody = (
  start: { readonly group: Local; readonly column: Local },
  panel: { readonly vectors: number; readonly columns: number },
) => void;

/** for each group: for each full panel, then the narrower one: what is of the panel moves on, and int8 becomes float32 */
function emitPanels(
  f: FunctionBuilder,
  product: Product,
  pointers: Pointers,
  place: ProductPlace,
  body: PanelBody,
): void {
  const { weights } = place;
  const panels = panelsOf(product);
  const depth = depthOf(product.runs);
  const [group, index, column] = f.locals('i', 3) as [Local, Local, Local];
  const integers = { weights: f.local('i'), column: f.local('i') };
  const inPanels = weights.stored === 'int8' && place.outermost === 'panels';
  const advance = (pointer: Local, bytes: number): void => {
    f.get(pointer).i32(bytes).op('i32.add').set(pointer);
  };
  const panel = (vectors: number, columns: number): void => {
    if (inPanels)
      emitDequantizePanel(f, product, { vectors, target: weights.scratch, pointers: integers, packed: weights.packed });
    body({ group, column }, { vectors, columns });
    if (!inPanels) advance(pointers.weights, (product.weightStep === undefined ? depth : 1) * vectors * LANES * 4);
    advance(pointers.bias, vectors * LANES * 4);
    advance(column, vectors * LANES * 4);
  };
  const start = weights.stored === 'float' ? weights.address : weights.scratch;
  if (typeof start === 'number') f.i32(start);
  else f.get(start);
  f.set(pointers.weights).i32(place.bias).set(pointers.bias);
  if (inPanels) f.i32(weights.packed.weights).set(integers.weights).i32(0).set(integers.column);
  f.repeat(group, { start: 0, end: product.groups.count, step: 1 }, () => {
    f.get(group)
      .i32(product.columns * 4)
      .op('i32.mul')
      .set(column);
    const { full, rest, width } = panels;
    if (full > 0) f.repeat(index, { start: 0, end: full, step: 1 }, () => panel(width / LANES, width));
    if (rest) panel(rest.vectors, rest.columns);
  });
}

interface Unit {
  readonly vectors: number;
  readonly columns: number;
  readonly pointers: Pointers;
  readonly place: ProductPlace;
  readonly unit: Local;
  readonly group: Local;
  readonly column: Local;
  readonly rowBytes: number;
  readonly activation: VectorFunction | undefined;
}

/** for each tile of a unit's pixels: sums, activation, store; the last tile ends with the last pixel */
function emitUnit(f: FunctionBuilder, product: Product, panel: Unit): void {
  const { units, pixelStep, groups } = product;
  const { pointers, place, unit, rowBytes } = panel;
  const rows = rowsOf(panel.vectors, units.pixels);
  const [pixel, first, tile] = f.locals('i', 3) as [Local, Local, Local];
  const inPlace = units.step === units.pixels * pixelStep;
  // pixels before this unit
  f.get(unit).i32(units.pixels).op('i32.mul').set(first);
  if (inPlace) emitLastFits(f, first, units.total, units.pixels);
  f.repeat(pixel, { start: 0, end: units.pixels, step: rows }, () => {
    f.get(pixel).set(tile);
    emitLastFits(f, tile, units.pixels, rows);
    f.get(place.input);
    if (inPlace) f.get(first).get(tile).op('i32.add').i32(pixelStep).op('i32.mul').op('i32.add');
    else {
      f.get(unit).i32(units.step).op('i32.mul').op('i32.add');
      f.get(tile).i32(pixelStep).op('i32.mul').op('i32.add');
    }
    if (groups.count > 1) f.get(panel.group).i32(groups.step).op('i32.mul').op('i32.add');
    f.set(pointers.input);
    f.get(first).get(tile).op('i32.add').i32(rowBytes).op('i32.mul').get(place.output).op('i32.add');
    f.get(panel.column).op('i32.add').set(pointers.output);
    emitTile(f, product, { ...panel, rows });
  });
}

/**
 * A tile, `vectors` of columns wide, `rows` pixels high:
 *
 *                 w[k]  ┌───┬───┬───┬───┐
 *                       └───┴───┴───┴───┘
 *   x[0][k] splat  ───▶   acc 0,0 … acc 0,3
 *   x[1][k] splat  ───▶   acc 1,0 … acc 1,3        acc += x · w, for each k of each run
 *        …                       …
 */
function emitTile(f: FunctionBuilder, product: Product, tile: Unit & { readonly rows: number }): void {
  const { rows, vectors, columns, pointers, activation, rowBytes } = tile;
  const accs = f.locals('v', rows * vectors);
  const bias = (vector: number): void => {
    f.get(pointers.bias).op('v128.load', { offset: vector * 16 });
  };
  accs.forEach((acc, index) => {
    if (product.bias === 'first') bias(index % vectors);
    else f.v128(new Uint8Array(16));
    f.set(acc);
  });
  emitSums(f, product, { ...tile, accs });
  if (product.bias === 'last')
    accs.forEach((acc, index) => {
      f.get(acc);
      bias(index % vectors);
      f.op('f32x4.add').set(acc);
    });
  if (activation)
    for (const acc of accs) {
      activation(acc);
      f.set(acc);
    }
  accs.forEach((acc, index) => {
    const vector = index % vectors;
    const count = Math.min(LANES, columns - vector * LANES);
    const offset = Math.floor(index / vectors) * rowBytes + vector * 16;
    emitStoreFloats(f, acc, { at: pointers.output, offset, count });
  });
}

/** for each run: for k in the run, up to four at a time: acc[row] += splat(x[row][k]) · w[k] */
function emitSums(
  f: FunctionBuilder,
  product: Product,
  { rows, vectors, pointers, accs }: Unit & { readonly rows: number; readonly accs: readonly Local[] },
): void {
  const [at, weights, counter] = f.locals('i', 3) as [Local, Local, Local];
  const columns = f.locals('v', vectors);
  const factor = f.local('v');
  const rowBytes = product.weightStep ?? vectors * LANES * 4;
  const step = (run: number, k: number): void => {
    columns.forEach((column, vector) => {
      f.get(weights)
        .op('v128.load', { offset: k * rowBytes + vector * 16 })
        .set(column);
    });
    for (let row = 0; row < rows; row++) {
      f.get(at)
        .op('v128.load32_splat', { offset: run + row * product.pixelStep + k * 4 })
        .set(factor);
      columns.forEach((column, vector) => {
        const acc = accs[row * vectors + vector]!;
        f.get(acc).get(factor).get(column).op('f32x4.mul').op('f32x4.add').set(acc);
      });
    }
  };
  const together = (count: number, run: number): void => {
    for (let k = 0; k < count; k++) step(run, k);
    f.get(at)
      .i32(count * 4)
      .op('i32.add')
      .set(at);
    f.get(weights)
      .i32(count * rowBytes)
      .op('i32.add')
      .set(weights);
  };
  f.get(pointers.weights).set(weights);
  for (const { offset, length } of product.runs) {
    f.get(pointers.input).set(at);
    const size = length <= UNROLLED ? length : UNROLLED;
    const rounds = Math.floor(length / size);
    if (rounds > 1) f.repeat(counter, { start: 0, end: rounds, step: 1 }, () => together(size, offset));
    else together(size, offset);
    const left = length - rounds * size;
    if (left > 0) together(left, offset);
  }
}

/** Steps of k that are written out. */
const UNROLLED = 4;
