import { elementCount } from '../../../tensor/index.ts';
import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import type { PlanContext } from '../../plan/step.ts';

/** Rows along one axis: how many elements, how far apart; and where the rows begin, `inner` of them side by side. */
export interface Rows {
  readonly size: number;
  /** Bytes from one element of a row to the next. */
  readonly step: number;
  readonly inner: number;
  readonly count: number;
}

export function rowsAlong(axis: number, name: string, { graph, layouts }: PlanContext): Rows | undefined {
  const [value, layout] = [graph.values.get(name), layouts.get(name)];
  if (!value || !layout) return undefined;
  const { shape } = value;
  const at = axis < 0 ? axis + shape.length : axis;
  if (layout.kind === 'nhwcFloat') {
    const pixels = layout.height * layout.width;
    return at === 1 ? { size: layout.channels, step: 4, inner: 1, count: pixels } : undefined;
  }
  const size = shape[at] ?? 1;
  const inner = elementCount(shape.slice(at + 1));
  return { size, step: inner * 4, inner, count: elementCount(shape) / size };
}

/** start = arena + 4 · (row / inner · size · inner + row % inner) */
export function emitRowStart(
  f: FunctionBuilder,
  { row, start, arena }: { readonly row: Local; readonly start: Local; readonly arena: Local },
  { size, inner }: Rows,
): void {
  if (inner === 1) f.get(row).i32(size).op('i32.mul');
  else {
    f.get(row)
      .i32(inner)
      .op('i32.div_u')
      .i32((size - 1) * inner)
      .op('i32.mul')
      .get(row)
      .op('i32.add');
  }
  f.i32(4).op('i32.mul').get(arena).op('i32.add').set(start);
}
