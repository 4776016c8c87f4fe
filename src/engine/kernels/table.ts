import type { FunctionBuilder, Local } from '../../wasm/index.ts';
import { roundUp } from '../plan/layout.ts';
import { stepFunction, type KernelPlanner } from '../plan/step.ts';
import { emitLastFits } from './loops.ts';

/** y = table[x], 16 bytes at a time; where lanes are selected, every third 16 bytes one by one. */
export const planTable: KernelPlanner = (operation, context) => {
  if (operation.kind !== 'table') return undefined;
  const input = context.layouts.get(operation.input);
  const output = context.layouts.get(operation.output);
  if (!input || !output || input.byteLength !== output.byteLength) return undefined;
  const length = roundUp(output.byteLength, VECTOR_BYTES);
  const form = !context.dot.relaxed ? 'swizzle' : length < MIXED_BYTES ? 'select' : 'mixed';
  const unitBytes = form === 'mixed' ? MIXED_BYTES : VECTOR_BYTES;
  return {
    runs: 'wasm',
    operation,
    kernel: `table.${form}`,
    macs: 0,
    constants: [operation.table],
    scratchBytes: 0,
    units: Math.ceil(length / unitBytes),
    emit: (module, place) =>
      stepFunction(module, (f, { arena, begin, end }) => {
        const [unit, at] = f.locals('i', 2) as [Local, Local];
        const bytes: Bytes = {
          at,
          from: place.address(operation.input),
          to: place.address(operation.output),
          table: place.constants[0] ?? 0,
        };
        const emitUnit =
          form === 'mixed' ? emitMixed(f, bytes, operation.table) : emitVector(f, bytes, form, operation.table);
        f.repeat(unit, { start: begin, end, step: 1 }, () => {
          f.get(unit).i32(unitBytes).op('i32.mul').set(at);
          emitLastFits(f, at, length, unitBytes);
          f.get(at).get(arena).op('i32.add').set(at);
          emitUnit();
        });
      }),
  };
};

const VECTOR_BYTES = 16;
const ROWS = 16;

/** Address of a unit in the arena, offsets of input and output from it, and the table's own address. */
interface Bytes {
  readonly at: Local;
  readonly from: number;
  readonly to: number;
  readonly table: number;
}

function emitVector(f: FunctionBuilder, bytes: Bytes, form: 'swizzle' | 'select', table: Uint8Array): () => void {
  const index = f.local('v');
  const row = rowsOf(f, bytes);
  const lookUp = form === 'select' ? emitSelect(f, { index, row }, table) : emitSwizzle(f, index, row);
  return () => {
    f.get(bytes.at);
    f.get(bytes.at).op('v128.load', { offset: bytes.from }).set(index);
    lookUp();
    f.op('v128.store', { offset: bytes.to });
  };
}

/** Pushes a row of the table. */
function rowsOf(f: FunctionBuilder, { table }: Bytes): (nibble: number) => void {
  const zero = f.local('i');
  return (nibble) => {
    f.get(zero).op('v128.load', { offset: table + nibble * VECTOR_BYTES });
  };
}

const MIXED_VECTORS = 2;
const MIXED_BYTES = (MIXED_VECTORS + 1) * VECTOR_BYTES;

/**
 * Two vectors by selection, and between their lookups the bytes of a third by plain loads: selection waits for the vector
 * units, plain loads do not need them.
 */
function emitMixed(f: FunctionBuilder, bytes: Bytes, table: Uint8Array): () => void {
  const { at, from, to } = bytes;
  const [index, found] = f.locals('v', 2) as [Local, Local];
  let lookUps = 0;
  let singles = 0;
  const single = (): void => {
    const offset = MIXED_VECTORS * VECTOR_BYTES + singles++;
    f.get(at)
      .get(at)
      .op('i32.load8_u', { offset: from + offset })
      .op('i32.load8_u', { offset: bytes.table })
      .op('i32.store8', { offset: to + offset });
  };
  const afterLookUp = (): void => {
    if (lookUps++ % MIXED_VECTORS === 0 && singles < VECTOR_BYTES) single();
  };
  const lookUp = emitSelect(f, { index, row: rowsOf(f, bytes), afterLookUp }, table);
  return () => {
    for (let offset = 0; offset < MIXED_VECTORS * VECTOR_BYTES; offset += VECTOR_BYTES) {
      f.get(at)
        .op('v128.load', { offset: from + offset })
        .set(index);
      lookUp();
      f.set(found);
      f.get(at)
        .get(found)
        .op('v128.store', { offset: to + offset });
    }
    while (singles < VECTOR_BYTES) single();
  };
}

function splat(f: FunctionBuilder, byte: number): Local {
  const local = f.local('v');
  f.i32(byte).op('i8x16.splat').set(local);
  return local;
}

/**
 * Sixteen swizzles, each over the 16 entries that share a high nibble: an index outside of them gives 0, so the results are
 * joined by OR.
 *
 *   y = swizzle(row 0, x) | swizzle(row 1, x − 16) | … | swizzle(row 15, x − 240)
 */
function emitSwizzle(f: FunctionBuilder, index: Local, row: (nibble: number) => void): () => void {
  const sixteen = splat(f, 16);
  return () => {
    for (let nibble = 0; nibble < ROWS; nibble++) {
      row(nibble);
      f.get(index).op('i8x16.swizzle');
      if (nibble > 0) f.op('v128.or');
      f.get(index).get(sixteen).op('i8x16.sub').set(index);
    }
  };
}

/**
 * The low nibble looks up in all rows, the high nibble's bits choose in a tree; rows that are alike are looked up once. In
 * range, and with whole lanes as masks, the relaxed instructions leave nothing open.
 *
 *   bit 7            ┌───────┴───────┐
 *   bit 6        ┌───┴───┐       ┌───┴───┐
 *   bit 5      ┌─┴─┐   ┌─┴─┐   ┌─┴─┐   ┌─┴─┐
 *   bit 4     0 1 2 3 4 5 6 7 8 9 …      14 15     swizzle(row, x & 15)
 */
function emitSelect(
  f: FunctionBuilder,
  {
    index,
    row,
    afterLookUp,
  }: { readonly index: Local; readonly row: (nibble: number) => void; readonly afterLookUp?: () => void },
  table: Uint8Array,
): () => void {
  const low = splat(f, 0x0f);
  const bits = [4, 5, 6, 7].map((bit) => splat(f, 1 << bit));
  const masks = f.locals('v', bits.length);
  const inRow = f.local('v');
  const entries = (nibble: number): string => table.subarray(nibble * ROWS, (nibble + 1) * ROWS).join();
  const alike = (first: number, count: number): boolean =>
    Array.from({ length: count }, (_, i) => entries(first + i)).every((text) => text === entries(first));
  const choose = (first: number, level: number): void => {
    const half = 2 ** (level - 1);
    if (level === 0 || alike(first, half * 2)) {
      row(first);
      f.get(inRow).op('i8x16.relaxed_swizzle');
      afterLookUp?.();
      return;
    }
    choose(first + half, level - 1);
    choose(first, level - 1);
    f.get(masks[level - 1]!).op('i8x16.relaxed_laneselect');
  };
  return () => {
    f.get(index).get(low).op('v128.and').set(inRow);
    bits.forEach((bit, level) => f.get(index).get(bit).op('v128.and').get(bit).op('i8x16.eq').set(masks[level]!));
    choose(0, bits.length);
  };
}
