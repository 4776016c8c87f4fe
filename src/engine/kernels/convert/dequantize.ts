import type { Local } from '../../../wasm/index.ts';
import { stepFunction, type KernelPlanner } from '../../plan/step.ts';
import { emitStoreFloats } from '../float/vectors.ts';
import { emitPlaneLoops, planesOf } from './planes.ts';
import { emitRowLoops, rowsOf } from './rows.ts';

/** Bytes to float32: r = f32(q − zeroPoint) · scale. */
export const planDequantize: KernelPlanner = (operation, context) => {
  if (operation.kind !== 'dequantize') return undefined;
  const layout = context.layouts.get(operation.input);
  const to = context.layouts.get(operation.output);
  const value = context.graph.values.get(operation.input);
  if (!layout || !to || value?.kind !== 'quantized') return undefined;
  const rows = rowsOf(layout, to, value.shape);
  return {
    runs: 'wasm',
    operation,
    kernel: rows ? 'dequantize.rows' : 'dequantize.scalar',
    macs: 0,
    constants: [],
    scratchBytes: 0,
    units: rows ? rows.rows : 1,
    emit: (module, step) =>
      stepFunction(module, (f, parameters) => {
        const place = { bytes: step.address(operation.input), floats: step.address(operation.output) };
        if (!rows) {
          const planes = planesOf(layout, to, value.shape);
          emitPlaneLoops(f, planes, { arena: parameters.arena, ...place }, ({ bytes, floats }) => {
            f.get(floats).get(bytes).op('i32.load8_u').i32(value.zeroPoint).op('i32.sub').op('f32.convert_i32_s');
            f.f32(value.scale).op('f32.mul').op('f32.store');
          });
          return;
        }
        const [zero, scale, words, real] = f.locals('v', 4) as [Local, Local, Local, Local];
        f.i32(value.zeroPoint).op('i16x8.splat').set(zero);
        f.f32(value.scale).op('f32x4.splat').set(scale);
        emitRowLoops(f, parameters, { rows, place }, ({ bytes, floats, count }) => {
          for (let first = 0; first < count; first += 4) {
            if (first % 8 === 0)
              f.get(bytes).op('v128.load8x8_u', { offset: first }).get(zero).op('i16x8.sub').set(words);
            f.get(words).op(first % 8 === 0 ? 'i32x4.extend_low_i16x8_s' : 'i32x4.extend_high_i16x8_s');
            f.op('f32x4.convert_i32x4_s').get(scale).op('f32x4.mul').set(real);
            emitStoreFloats(f, real, { at: floats, offset: first * 4, count: Math.min(4, count - first) });
          }
        });
      }),
  };
};
