import type { Local } from '../../../wasm/index.ts';
import { stepFunction } from '../../plan/step.ts';
import { functionOf } from './functions.ts';
import { isFloat32, type FloatPlanner } from './planner.ts';

/** Vectors that one unit computes. */
const VECTORS = 4;

/** y = f(x) element by element, where both lie alike: flat, in whole vectors. */
export const planUnary: FloatPlanner = (operation, context) => {
  const { node, output } = operation;
  const input = node.inputs[0] ?? '';
  const make = functionOf(node, (name) => context.graph.constants.get(name));
  const [from, to] = [context.layouts.get(input), context.layouts.get(output)];
  if (!make || !from || !to || from.kind !== to.kind) return undefined;
  if (!isFloat32(context, input) || !isFloat32(context, output)) return undefined;
  return {
    runs: 'wasm',
    operation,
    kernel: `float.${node.opType.toLowerCase()}`,
    macs: 0,
    constants: [],
    scratchBytes: 0,
    units: Math.ceil(to.byteLength / (16 * VECTORS)),
    emit: (module, place) =>
      stepFunction(module, (f, { arena, begin, end }) => {
        const compute = make(f);
        const [unit, at] = f.locals('i', 2) as [Local, Local];
        const xs = f.locals('v', VECTORS);
        f.get(begin)
          .i32(16 * VECTORS)
          .op('i32.mul')
          .get(arena)
          .op('i32.add')
          .set(at);
        f.repeat(unit, { start: begin, end, step: 1 }, () => {
          xs.forEach((x, index) =>
            f
              .get(at)
              .op('v128.load', { offset: place.address(input) + 16 * index })
              .set(x),
          );
          for (const x of xs) {
            compute(x);
            f.set(x);
          }
          xs.forEach((x, index) =>
            f
              .get(at)
              .get(x)
              .op('v128.store', { offset: place.address(output) + 16 * index }),
          );
          f.get(at)
            .i32(16 * VECTORS)
            .op('i32.add')
            .set(at);
        });
      }),
  };
};
