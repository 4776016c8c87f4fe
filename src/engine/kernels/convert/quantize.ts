import type { QuantizedValue } from '../../../graph/index.ts';
import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import { LEVELS, UNIT_PIXELS } from '../../plan/pixelInput.ts';
import { stepFunction, type KernelPlanner, type StepParameters } from '../../plan/step.ts';
import { emitLastFits } from '../loops.ts';
import { emitEitherForm, emitPixels } from './pixels.ts';
import { emitPlaneLoops, planesOf, type Planes } from './planes.ts';
import { emitQuantizer, emitQuantizeSixteen } from './quantizer.ts';
import { emitRowLoops, rowsOf } from './rows.ts';

/**
 * float32 to bytes: q = saturate(nearestEven(x / scale) + zeroPoint). An image that enters the network here may come as
 * pixels instead.
 */
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
  const pixels = from.kind === 'plain' ? from.pixels : undefined;
  return {
    runs: 'wasm',
    operation,
    kernel: pixels ? 'quantize.pixels4' : `quantize.${form}`,
    macs: 0,
    constants: [],
    scratchBytes: pixels ? pixels.channels * LEVELS : 0,
    units: interleaved ? Math.ceil(planes.pixels / UNIT_PIXELS) : form === 'rows' && rows ? rows.rows : 1,
    emit: (module, step) => {
      const place = { bytes: step.address(operation.output), floats: step.address(operation.input) };
      const floats = stepFunction(module, (f, parameters) => {
        if (interleaved) emitInterleaved(f, planes, value, { ...parameters, ...place });
        else if (rows) {
          const quantize = emitQuantizer(f, value);
          emitRowLoops(f, parameters, { rows, place }, (block) => {
            emitQuantizeSixteen(f, quantize, block);
          });
        } else emitQuantizeScalar(f, planes, value, { arena: parameters.arena, ...place });
      });
      if (!pixels) return floats;
      const bytes = emitPixels(module, pixels, value, { input: place.floats, bytes: place.bytes });
      return emitEitherForm(module, place.floats + pixels.form, { floats, pixels: bytes });
    },
  };
};

interface Place {
  readonly arena: Local;
  readonly bytes: number;
  readonly floats: number;
}

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
