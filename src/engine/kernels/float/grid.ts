import { elementCount, type Shape } from '../../../tensor/index.ts';
import { runNode } from '../../../reference/index.ts';
import { tensor } from '../../../tensor/index.ts';
import { physicalOffsets, type Layout } from '../../plan/layout.ts';

/** A value as it lies in memory: rows of elements side by side (pixels of channels, or the last dimension). */
export interface Grid {
  readonly rows: number;
  readonly columns: number;
}

export function gridOf(layout: Layout, shape: Shape): Grid {
  if (layout.kind === 'nhwcFloat') return { rows: layout.height * layout.width, columns: layout.channels };
  const columns = shape.at(-1) ?? 1;
  return { rows: elementCount(shape) / Math.max(columns, 1), columns };
}

/** Which element of an operand meets element (row, column) of the result. */
export type Spread = 'each' | 'byColumn' | 'byRow' | 'single';

/** How an operand is broadcast over a grid; undefined where it is in none of these ways. */
export function spreadOf(
  operand: { readonly shape: Shape; readonly layout: Layout },
  result: { readonly shape: Shape; readonly layout: Layout },
): Spread | undefined {
  const count = elementCount(result.shape);
  const size = elementCount(operand.shape);
  if (size === 1) return 'single';
  const numbers = tensor('int32', operand.shape, physicalOffsets(operand.layout, size));
  const dims = BigInt64Array.from(result.shape, (dim) => BigInt(dim));
  const node = { name: '', opType: 'Expand', domain: '', inputs: [], outputs: [], attributes: new Map() };
  const [expanded] = runNode(node, [numbers, tensor('int64', [dims.length], dims)]);
  if (expanded?.dtype !== 'int32' || expanded.data.length !== count) return undefined;
  const places = physicalOffsets(result.layout, count);
  const { columns } = gridOf(result.layout, result.shape);
  const fits = (place: (slot: number) => number): boolean =>
    expanded.data.every((offset, element) => offset === place(places[element]!));
  if (size === count && fits((slot) => slot)) return 'each';
  if (fits((slot) => slot % columns)) return 'byColumn';
  return fits((slot) => Math.floor(slot / columns)) ? 'byRow' : undefined;
}
