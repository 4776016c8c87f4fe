import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import type { Placement, StepParameters } from '../../plan/step.ts';
import { emitRows } from '../requantize.ts';
import { emitArithmetic, type Binary } from './arithmetic.ts';

/** Two values of one layout, `vectors` times 16 bytes at a time; a unit is one such step. */
export function emitSame(
  f: FunctionBuilder,
  binary: Binary & { readonly vectors: number },
  place: Placement,
  { arena, scratch, begin, end }: StepParameters,
): void {
  const { large, small, operation } = binary;
  const arithmetic = emitArithmetic(f, binary);
  const unitBytes = binary.vectors * 16;
  const [at, last] = f.locals('i', 2) as [Local, Local];
  const addressOf = (unit: Local): void => {
    f.get(unit).i32(unitBytes).op('i32.mul').get(arena).op('i32.add');
  };
  addressOf(end);
  f.set(last);
  addressOf(begin);
  f.set(at);
  f.repeat(at, { start: at, end: last, step: unitBytes }, () => {
    const rows = Array.from({ length: binary.vectors }, (_, row) => {
      const a = arithmetic.large(at, place.address(large.name) + row * 16);
      arithmetic.combine(a, arithmetic.small(at, place.address(small.name) + row * 16));
      return a;
    });
    emitRows(f, rows.flat(), arithmetic.requantizer, {
      scratch: { at: scratch, offset: 0 },
      target: (row) => {
        f.get(at);
        return place.address(operation.output) + row * 16;
      },
    });
  });
}
