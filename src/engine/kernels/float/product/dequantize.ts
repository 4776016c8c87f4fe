import type { FunctionBuilder, Local } from '../../../../wasm/index.ts';
import { LANES } from '../vectors.ts';
import { depthOf, panelsOf, type Product } from './product.ts';

/** Where int8 weights lie, and the scale and zero point of every column, in the order of `packColumns`. */
export interface PackedIntegers {
  readonly weights: number;
  readonly scales: number;
  /** Absent where all are 0. */
  readonly zeroPoints: number | undefined;
}

/** Pointers into packed weights, and their columns' scales; both are moved on by a panel. */
export interface IntegerPointers {
  readonly weights: Local;
  readonly column: Local;
}

/**
 * One panel of weights in float32, in the same order: w = f32((q − zeroPoint) · scale).
 *
 *   for each k: widen the row's bytes, subtract, multiply, store
 *
 * @param target address to write to; unchanged
 */
export function emitDequantizePanel(
  f: FunctionBuilder,
  product: Product,
  {
    vectors,
    target,
    pointers,
    packed,
  }: {
    readonly vectors: number;
    readonly target: Local;
    readonly pointers: IntegerPointers;
    readonly packed: PackedIntegers;
  },
): void {
  const scales = f.locals('v', vectors);
  const zeros = packed.zeroPoints === undefined ? [] : f.locals('v', vectors);
  const [k, to] = f.locals('i', 2) as [Local, Local];
  const words = f.local('v');
  const row = vectors * LANES;
  scales.forEach((scale, vector) => {
    f.get(pointers.column)
      .op('v128.load', { offset: packed.scales + vector * 16 })
      .set(scale);
  });
  zeros.forEach((zero, vector) => {
    f.get(pointers.column)
      .op('v128.load', { offset: (packed.zeroPoints ?? 0) + vector * 16 })
      .set(zero);
  });
  f.get(target).set(to);
  f.repeat(k, { start: 0, end: depthOf(product.runs), step: 1 }, () => {
    for (let vector = 0; vector < vectors; vector++) {
      if (vector % 2 === 0)
        f.get(pointers.weights)
          .op('v128.load8x8_s', { offset: vector * LANES })
          .set(words);
      f.get(to)
        .get(words)
        .op(vector % 2 === 0 ? 'i32x4.extend_low_i16x8_s' : 'i32x4.extend_high_i16x8_s');
      f.op('f32x4.convert_i32x4_s');
      const zero = zeros[vector];
      if (zero) f.get(zero).op('f32x4.sub');
      f.get(scales[vector]!)
        .op('f32x4.mul')
        .op('v128.store', { offset: vector * 16 });
    }
    f.get(pointers.weights).i32(row).op('i32.add').set(pointers.weights);
    f.get(to)
      .i32(row * 4)
      .op('i32.add')
      .set(to);
  });
  f.get(pointers.column)
    .i32(row * 4)
    .op('i32.add')
    .set(pointers.column);
}

/** All panels of all groups, one behind the other. */
export function emitDequantize(f: FunctionBuilder, product: Product, target: Local, packed: PackedIntegers): void {
  const panels = panelsOf(product);
  const [group, index, to] = f.locals('i', 3) as [Local, Local, Local];
  const pointers = { weights: f.local('i'), column: f.local('i') };
  const panel = (vectors: number): void => {
    emitDequantizePanel(f, product, { vectors, target: to, pointers, packed });
    f.get(to)
      .i32(depthOf(product.runs) * vectors * LANES * 4)
      .op('i32.add')
      .set(to);
  };
  f.i32(packed.weights).set(pointers.weights).i32(0).set(pointers.column).get(target).set(to);
  f.repeat(group, { start: 0, end: product.groups.count, step: 1 }, () => {
    if (panels.full > 0) f.repeat(index, { start: 0, end: panels.full, step: 1 }, () => panel(panels.width / LANES));
    if (panels.rest) panel(panels.rest.vectors);
  });
}
