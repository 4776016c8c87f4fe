import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import { roundUp } from '../../plan/layout.ts';
import { stepFunction, type KernelPlanner, type Placement } from '../../plan/step.ts';
import { emitLastFits } from '../loops.ts';
import type { LookUp } from './lookUp.ts';
import { emitParabolas, parabolasOf, type Parabolas } from './parabolas.ts';
import { emitSelect, emitSwizzle } from './select.ts';

const VECTOR_BYTES = 16;

/** How 16 bytes are looked up. */
interface Form {
  readonly name: 'swizzle' | 'select' | 'parabolas';
  readonly parabolas?: Parabolas;
  /** Vectors of a unit, after which 16 bytes follow that are looked up one by one; 1 where none do. */
  readonly vectors: number;
  /** Lookups of a vector between which a byte may be looked up. */
  readonly lookUps: number;
}

function formOf(table: Uint8Array, usesRelaxed: boolean): Form {
  if (!usesRelaxed) return { name: 'swizzle', vectors: 1, lookUps: 0 };
  const parabolas = parabolasOf(table);
  if (parabolas) return { name: 'parabolas', parabolas, vectors: 4, lookUps: 5 };
  return { name: 'select', vectors: 2, lookUps: 16 };
}

/**
 * y = table[x]. The vector units are the bottleneck of a lookup, plain loads do not need them: long tables take some of
 * their bytes one by one, between the instructions of the others.
 */
export const planTable: KernelPlanner = (operation, context) => {
  if (operation.kind !== 'table') return undefined;
  const input = context.layouts.get(operation.input);
  const output = context.layouts.get(operation.output);
  if (!input || !output || input.byteLength !== output.byteLength) return undefined;
  const length = roundUp(output.byteLength, VECTOR_BYTES);
  const form = formOf(operation.table, context.dot.relaxed);
  const mixedBytes = (form.vectors + 1) * VECTOR_BYTES;
  const mixes = form.vectors > 1 && length >= mixedBytes;
  const unitBytes = mixes ? mixedBytes : VECTOR_BYTES;
  return {
    runs: 'wasm',
    operation,
    kernel: `table.${form.name}${mixes ? '.mixed' : ''}`,
    macs: 0,
    constants: [operation.table, ...(form.parabolas ? [form.parabolas.coefficients] : [])],
    scratchBytes: 0,
    units: Math.ceil(length / unitBytes),
    emit: (module, place) =>
      stepFunction(module, (f, { arena, begin, end }) => {
        const [unit, at] = f.locals('i', 2) as [Local, Local];
        const bytes: Bytes = { at, from: place.address(operation.input), to: place.address(operation.output) };
        const emitUnit = emitBytes(f, { form, table: operation.table, bytes, place, mixes });
        f.repeat(unit, { start: begin, end, step: 1 }, () => {
          f.get(unit).i32(unitBytes).op('i32.mul').set(at);
          emitLastFits(f, at, length, unitBytes);
          f.get(at).get(arena).op('i32.add').set(at);
          emitUnit();
        });
      }),
  };
};

/** Address of a unit in the arena, offsets of input and output from it. */
interface Bytes {
  readonly at: Local;
  readonly from: number;
  readonly to: number;
}

interface Unit {
  readonly form: Form;
  readonly table: Uint8Array;
  readonly bytes: Bytes;
  readonly place: Placement;
  readonly mixes: boolean;
}

/** Prepares a unit's constants; what is returned emits the unit. */
function emitBytes(f: FunctionBuilder, { form, table, bytes, place, mixes }: Unit): () => void {
  const { at, from, to } = bytes;
  const [tableAt = 0, coefficientsAt = 0] = place.constants;
  const vectors = mixes ? form.vectors : 1;
  const [index, found] = f.locals('v', 2) as [Local, Local];
  const zero = f.local('i');
  const singles = mixes ? VECTOR_BYTES : 0;
  let [lookUps, done] = [0, 0];
  const single = (): void => {
    const offset = vectors * VECTOR_BYTES + done++;
    f.get(at)
      .get(at)
      .op('i32.load8_u', { offset: from + offset })
      .op('i32.load8_u', { offset: tableAt })
      .op('i32.store8', { offset: to + offset });
  };
  const constant =
    (address: number) =>
    (part: number): void => {
      f.get(zero).op('v128.load', { offset: address + part * VECTOR_BYTES });
    };
  const lookUp: LookUp = {
    index,
    row: constant(tableAt),
    afterLookUp: () => {
      lookUps++;
      while (done < Math.floor((lookUps * singles) / (vectors * form.lookUps))) single();
    },
  };
  const emitLookUp = form.parabolas
    ? emitParabolas(f, { ...lookUp, coefficients: constant(coefficientsAt) }, form.parabolas)
    : form.name === 'select'
      ? emitSelect(f, lookUp, table)
      : emitSwizzle(f, lookUp);
  return () => {
    for (let offset = 0; offset < vectors * VECTOR_BYTES; offset += VECTOR_BYTES) {
      f.get(at)
        .op('v128.load', { offset: from + offset })
        .set(index);
      emitLookUp();
      f.set(found);
      f.get(at)
        .get(found)
        .op('v128.store', { offset: to + offset });
    }
    while (done < singles) single();
  };
}
