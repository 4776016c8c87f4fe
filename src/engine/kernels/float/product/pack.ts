import { depthOf, paddedColumns, panelsOf, type Product } from './product.ts';

/** One number of a layer's weights: row k of group `group`'s matrix, in the order of the runs, column n. */
export type WeightAt = (group: number, k: number, n: number) => number;

/**
 * Weights panel by panel, each row by row: [group][panel][k][columns of the panel]; columns that fill the last vector are 0.
 */
export function packPanels<T extends Float32Array | Int8Array>(
  product: Pick<Product, 'runs' | 'columns' | 'units' | 'groups'>,
  weightAt: WeightAt,
  make: (length: number) => T,
): T {
  const panels = panelsOf(product);
  const depth = depthOf(product.runs);
  const packed = make(product.groups.count * depth * paddedColumns(panels));
  let at = 0;
  for (let group = 0; group < product.groups.count; group++) {
    for (let panel = 0; panel <= panels.full; panel++) {
      const first = panel * panels.width;
      const width = panel < panels.full ? panels.width : (panels.rest?.vectors ?? 0) * 4;
      for (let k = 0; k < depth; k++, at += width)
        for (let n = first; n < Math.min(first + width, product.columns); n++)
          packed[at + n - first] = weightAt(group, k, n);
    }
  }
  return packed;
}

/** One number a column, in the order of `packPanels`' columns: bias, or scale. */
export function packColumns(
  product: Pick<Product, 'columns' | 'units' | 'groups'>,
  valueAt: (column: number) => number,
): Float32Array {
  const padded = paddedColumns(panelsOf(product));
  const packed = new Float32Array(product.groups.count * padded);
  for (let group = 0; group < product.groups.count; group++)
    for (let n = 0; n < product.columns; n++) packed[group * padded + n] = valueAt(group * product.columns + n);
  return packed;
}
