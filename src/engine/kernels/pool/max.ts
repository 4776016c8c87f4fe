import { stepFunction, type KernelPlanner } from '../../plan/step.ts';
import { paddedInput } from '../paddedInput.ts';
import { emitTaps, emitWindows, poolOf, tapCounts, unitsOf } from './window.ts';

/**
 * Largest byte of each window, 16 channels at a time, over an input padded with 0, which never wins.
 */
export const planMaxPool: KernelPlanner = (operation, context) => {
  if (operation.kind !== 'maxPool') return undefined;
  const pool = poolOf(operation, context);
  if (!pool || tapCounts(pool).includes(0)) return undefined;
  return {
    runs: 'wasm',
    operation,
    kernel: `maxPool${pool.kernel.join('x')}`,
    macs: 0,
    constants: [],
    scratchBytes: paddedInput(pool.input, pool).scratchBytes,
    units: unitsOf(pool),
    emit: (module, place) =>
      stepFunction(module, (f, parameters) => {
        const best = f.local('v');
        emitWindows(f, pool, { place, parameters, operation, fill: 0 }, ({ from, to, offsets }) => {
          emitTaps(f, pool, from, offsets, {
            tap: (tap, first) => {
              f.get(tap.at).op('v128.load', { offset: tap.offset });
              if (!first) f.get(best).op('i8x16.max_u');
              f.set(best);
            },
            beforeLoop: () => f.i32(0).op('i8x16.splat').set(best),
          });
          f.get(to).get(best).op('v128.store');
        });
      }),
  };
};
