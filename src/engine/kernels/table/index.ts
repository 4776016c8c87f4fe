import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import { isContiguous, roundUp, type Layout } from '../../plan/layout.ts';
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
  const runs = runsOf(context.layouts.get(operation.input), context.layouts.get(operation.output));
  if (!runs) return undefined;
  const form = formOf(operation.table, context.dot.relaxed);
  const mixedBytes = (form.vectors + 1) * VECTOR_BYTES;
  const mixes = form.vectors > 1 && runs.bytes >= mixedBytes;
  const unitBytes = mixes ? mixedBytes : VECTOR_BYTES;
  const units = Math.ceil(runs.bytes / unitBytes);
  return {
    runs: 'wasm',
    operation,
    kernel: `table.${form.name}${mixes ? '.mixed' : ''}`,
    macs: 0,
    constants: [operation.table, ...(form.parabolas ? [form.parabolas.coefficients] : [])],
    scratchBytes: 0,
    units: runs.count === 1 ? units : runs.count,
    emit: (module, place) =>
      stepFunction(module, (f, { arena, begin, end }) => {
        const [run, unit, at, source] = f.locals('i', 4) as [Local, Local, Local, Local];
        const target = runs.count === 1 ? source : f.local('i');
        const [from, to] = [place.address(operation.input), place.address(operation.output)];
        const emitUnit = emitBytes(f, {
          form,
          table: operation.table,
          bytes: { source, from, target, to },
          place,
          mixes,
        });
        /** Of one run, which begins at a multiple of its steps. */
        const emitUnits = (range: { readonly start: Local | 0; readonly end: Local | number }): void => {
          f.repeat(unit, { ...range, step: 1 }, () => {
            f.get(unit).i32(unitBytes).op('i32.mul').set(at);
            emitLastFits(f, at, runs.bytes, unitBytes);
            f.get(at).get(arena).op('i32.add').set(source);
            if (runs.count > 1) {
              f.get(run).i32(runs.to).op('i32.mul').get(source).op('i32.add').set(target);
              f.get(run).i32(runs.from).op('i32.mul').get(source).op('i32.add').set(source);
            }
            emitUnit();
          });
        };
        if (runs.count === 1) emitUnits({ start: begin, end });
        else f.repeat(run, { start: begin, end, step: 1 }, () => emitUnits({ start: 0, end: units }));
      }),
  };
};

/** Bytes without a gap: all of a value, or each pixel's channels. */
interface Runs {
  readonly count: number;
  readonly bytes: number;
  /** From one run to the next. */
  readonly from: number;
  readonly to: number;
}

function runsOf(input: Layout | undefined, output: Layout | undefined): Runs | undefined {
  if (!input || !output) return undefined;
  if (isContiguous(input) && isContiguous(output)) {
    const bytes = roundUp(output.byteLength, VECTOR_BYTES);
    return input.byteLength === output.byteLength ? { count: 1, bytes, from: 0, to: 0 } : undefined;
  }
  if (input.kind !== 'nhwc' || output.kind !== 'nhwc' || input.channelStride !== output.channelStride) return undefined;
  const { height, width, channelStride: bytes } = output;
  return { count: height * width, bytes, from: input.pixelStride, to: output.pixelStride };
}

/** A unit's address in the arena, as counted from the first byte of the input and of the output, and where these are. */
interface Bytes {
  readonly source: Local;
  readonly from: number;
  readonly target: Local;
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
  const { source, from, target, to } = bytes;
  const [tableAt = 0, coefficientsAt = 0] = place.constants;
  const vectors = mixes ? form.vectors : 1;
  const [index, found] = f.locals('v', 2) as [Local, Local];
  const zero = f.local('i');
  const singles = mixes ? VECTOR_BYTES : 0;
  let [lookUps, done] = [0, 0];
  const single = (): void => {
    const offset = vectors * VECTOR_BYTES + done++;
    f.get(target)
      .get(source)
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
      f.get(source)
        .op('v128.load', { offset: from + offset })
        .set(index);
      emitLookUp();
      f.set(found);
      f.get(target)
        .get(found)
        .op('v128.store', { offset: to + offset });
    }
    while (done < singles) single();
  };
}
