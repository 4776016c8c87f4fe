import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import type { StepParameters } from '../../plan/step.ts';
import { ANY, PAD, type Sources } from './elements.ts';

/** Sources of units of `width` bytes, which lie side by side in one input; offsets in bytes. */
export interface GatherTable {
  readonly width: 1 | 4 | 16;
  /** Also ANY. */
  readonly operands: Int32Array;
  readonly offsets: Int32Array;
}

/** The table with the widest units; undefined where none fits the elements. */
export function gatherTable(sources: Sources): GatherTable | undefined {
  if (sources.operands.includes(PAD)) return undefined;
  const { elementBytes } = sources;
  const blocks = unitsOf(sources, 16 / elementBytes);
  if (blocks) return { width: 16, ...blocks };
  const units = unitsOf(sources, 1);
  return units && (elementBytes === 1 || elementBytes === 4) ? { width: elementBytes, ...units } : undefined;
}

/** Source of each group of `size` elements, or undefined if some group is not of one source. */
function unitsOf({ operands, offsets, elementBytes }: Sources, size: number): Omit<GatherTable, 'width'> | undefined {
  if (operands.length % size !== 0) return undefined;
  const count = operands.length / size;
  const units = { operands: new Int32Array(count).fill(ANY), offsets: new Int32Array(count) };
  for (let unit = 0; unit < count; unit++) {
    for (let at = 0; at < size; at++) {
      const slot = unit * size + at;
      if (operands[slot] === ANY) continue;
      const start = (offsets[slot]! - at) * elementBytes;
      if (at === 0) {
        units.operands[unit] = operands[slot]!;
        units.offsets[unit] = start;
      } else if (units.operands[unit] !== operands[slot] || units.offsets[unit] !== start) return undefined;
    }
  }
  return units;
}

/** for each unit: load its source's address, load the unit, store it */
export function emitGather(
  f: FunctionBuilder,
  { arena, begin, end }: StepParameters,
  { table, to, tableAt }: { readonly table: GatherTable; readonly to: number; readonly tableAt: number },
): void {
  const { width } = table;
  const [unit, target] = f.locals('i', 2) as [Local, Local];
  f.get(begin).i32(width).op('i32.mul').get(arena).op('i32.add').i32(to).op('i32.add').set(target);
  f.repeat(unit, { start: begin, end, step: 1 }, () => {
    f.get(target).get(unit).i32(4).op('i32.mul').op('i32.load', { offset: tableAt }).get(arena).op('i32.add');
    if (width === 16) f.op('v128.load').op('v128.store');
    else if (width === 4) f.op('i32.load').op('i32.store');
    else f.op('i32.load8_u').op('i32.store8');
    f.get(target).i32(width).op('i32.add').set(target);
  });
}
