import type { QuantizedValue } from '../../../graph/index.ts';
import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import { stepFunction, type KernelPlanner, type StepParameters } from '../../plan/step.ts';
import { emitLastFits } from '../loops.ts';
import { emitRounding } from '../requantize.ts';
import { emitPlaneLoops, planesOf, type Planes } from './planes.ts';
import { emitRowLoops, rowsOf } from './rows.ts';

/** float32 to bytes: q = saturate(nearestEven(x / scale) + zeroPoint). */
export const planQuantize: KernelPlanner = (operation, context) => {
  if (operation.kind !== 'quantize') return undefined;
  const layout = context.layouts.get(operation.output);
  const from = context.layouts.get(operation.input);
  const value = context.graph.values.get(operation.output);
  const input = context.graph.values.get(operation.input);
  if (!layout || !from || value?.kind !== 'quantized' || input?.kind !== 'float' || input.dtype !== 'float32')
    return undefined;
  const rows = rowsOf(layout, from, value.shape);
  const planes = planesOf(layout, from, value.shape);
  const interleaved = planes.bytes.pixel === 4 && planes.floats.pixel === 4 && planes.pixels >= UNIT_PIXELS;
  const form = interleaved ? 'interleave4' : rows ? 'rows' : 'scalar';
  return {
    runs: 'wasm',
    operation,
    kernel: `quantize.${form}`,
    macs: 0,
    constants: [],
    scratchBytes: 0,
    units: interleaved ? Math.ceil(planes.pixels / UNIT_PIXELS) : form === 'rows' && rows ? rows.rows : 1,
    emit: (module, step) =>
      stepFunction(module, (f, parameters) => {
        const place = { bytes: step.address(operation.output), floats: step.address(operation.input) };
        if (interleaved) emitInterleaved(f, planes, value, { ...parameters, ...place });
        else if (rows) {
          const quantize = emitQuantizer(f, value);
          emitRowLoops(f, parameters, { rows, place }, ({ bytes, floats }) => {
            f.get(bytes);
            for (const half of [0, 1]) {
              for (const quarter of [0, 1]) {
                f.get(floats).op('v128.load', { offset: half * 32 + quarter * 16 });
                quantize();
              }
              f.op('i16x8.narrow_i32x4_s');
            }
            f.op('i8x16.narrow_i16x8_u').op('v128.store');
          });
        } else emitQuantizeScalar(f, planes, value, { arena: parameters.arena, ...place });
      }),
  };
};

interface Place {
  readonly arena: Local;
  readonly bytes: number;
  readonly floats: number;
}

/** Prepares, once in a function, f32x4 → i32x4 with the zero point, within 0 … 255. */
function emitQuantizer(f: FunctionBuilder, { scale, zeroPoint }: QuantizedValue): () => void {
  const [divisor, low, high, real] = f.locals('v', 4) as [Local, Local, Local, Local];
  f.f32(scale).op('f32x4.splat').set(divisor);
  f.f32(-zeroPoint).op('f32x4.splat').set(low);
  f.f32(255 - zeroPoint)
    .op('f32x4.splat')
    .set(high);
  const round = emitRounding(f, 'magic', zeroPoint);
  return () => {
    f.get(divisor).op('f32x4.div').set(real);
    // NaN, which does not equal itself, becomes 0; bounds are integers, so clamping may come before rounding
    f.get(real).get(real).get(real).op('f32x4.eq').op('v128.and');
    f.get(low).op('f32x4.pmax').get(high).op('f32x4.pmin');
    round();
  };
}

/** Pixels of a unit of `interleave4`: two vectors, which V8 merges. */
const UNIT_PIXELS = 8;

/** Eight pixels at a time: two vectors of each plane, shifted to their byte of the 32-bit pixels and joined. */
function emitInterleaved(
  f: FunctionBuilder,
  planes: Planes,
  value: QuantizedValue,
  place: Place & Pick<StepParameters, 'begin' | 'end'>,
): void {
  const [unit, at] = f.locals('i', 2) as [Local, Local];
  const quantize = emitQuantizer(f, value);
  const pixels = f.locals('v', UNIT_PIXELS / 4);
  f.repeat(unit, { start: place.begin, end: place.end, step: 1 }, () => {
    f.get(unit).i32(UNIT_PIXELS).op('i32.mul').set(at);
    emitLastFits(f, at, planes.pixels, UNIT_PIXELS);
    f.get(at).i32(4).op('i32.mul').get(place.arena).op('i32.add').set(at);
    pixels.forEach((joined, vector) => {
      for (let c = 0; c < planes.channels; c++) {
        f.get(at).op('v128.load', { offset: place.floats + c * planes.floats.channel + vector * 16 });
        quantize();
        if (c > 0)
          f.i32(8 * c)
            .op('i32x4.shl')
            .get(joined)
            .op('v128.or');
        f.set(joined);
      }
    });
    pixels.forEach((joined, vector) =>
      f
        .get(at)
        .get(joined)
        .op('v128.store', { offset: place.bytes + vector * 16 }),
    );
  });
}

/** One element at a time, for every other layout. */
function emitQuantizeScalar(f: FunctionBuilder, planes: Planes, value: QuantizedValue, place: Place): void {
  const q = f.local('i');
  emitPlaneLoops(f, planes, place, ({ bytes, floats }) => {
    f.get(floats).op('f32.load').f32(value.scale).op('f32.div').op('f32.nearest').op('i32.trunc_sat_f32_s').set(q);
    emitClampInt(f, q, -value.zeroPoint, 255 - value.zeroPoint);
    f.get(bytes).get(q).i32(value.zeroPoint).op('i32.add').op('i32.store8');
  });
}

function emitClampInt(f: FunctionBuilder, q: Local, low: number, high: number): void {
  f.block((breakIf) => {
    f.get(q).i32(low).op('i32.ge_s');
    breakIf();
    f.i32(low).set(q);
  });
  f.block((breakIf) => {
    f.get(q).i32(high).op('i32.le_s');
    breakIf();
    f.i32(high).set(q);
  });
}
