import { numberAttribute } from '../../../graph/index.ts';
import type { Local } from '../../../wasm/index.ts';
import { stepFunction } from '../../plan/step.ts';
import { isFloat32, type FloatPlanner } from './planner.ts';
import { emitRowStart, rowsAlong } from './rows.ts';

/** Index of the largest or smallest element along one axis, the first or the last of equal ones, as int64. */
export const planArgMax: FloatPlanner = (operation, context) => {
  const { node, output } = operation;
  const input = node.inputs[0] ?? '';
  if (node.domain !== '' || (node.opType !== 'ArgMax' && node.opType !== 'ArgMin')) return undefined;
  if (!isFloat32(context, input) || context.layouts.get(output)?.kind !== 'plain') return undefined;
  const rows = rowsAlong(numberAttribute(node, 'axis', 0), input, context);
  if (!rows) return undefined;
  const last = numberAttribute(node, 'select_last_index', 0) !== 0;
  const wins = node.opType === 'ArgMax' ? (last ? 'f32.ge' : 'f32.gt') : last ? 'f32.le' : 'f32.lt';
  return {
    runs: 'wasm',
    operation,
    kernel: `float.${node.opType.toLowerCase()}`,
    macs: 0,
    constants: [],
    scratchBytes: 0,
    units: rows.count,
    emit: (module, place) =>
      stepFunction(module, (f, { arena, begin, end }) => {
        const [row, k, at, best] = f.locals('i', 4) as [Local, Local, Local, Local];
        const [value, candidate] = f.locals('f', 2) as [Local, Local];
        const load = (target: Local): void => {
          f.get(at)
            .op('f32.load', { offset: place.address(input) })
            .set(target);
        };
        f.repeat(row, { start: begin, end, step: 1 }, () => {
          emitRowStart(f, { row, start: at, arena }, rows);
          load(value);
          f.i32(0).set(best);
          f.repeat(k, { start: 0, end: rows.size, step: 1 }, () => {
            load(candidate);
            f.block((skipIf) => {
              f.get(candidate).get(value).op(wins).op('i32.eqz');
              skipIf();
              f.get(candidate).set(value).get(k).set(best);
            });
            f.get(at).i32(rows.step).op('i32.add').set(at);
          });
          f.get(row).i32(8).op('i32.mul').get(arena).op('i32.add');
          f.get(best)
            .op('i64.extend_i32_u')
            .op('i64.store', { offset: place.address(output) });
        });
      }),
  };
};
