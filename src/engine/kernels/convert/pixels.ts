import type { QuantizedValue } from '../../../graph/index.ts';
import type { FunctionBuilder, FunctionReference, Local, ModuleBuilder } from '../../../wasm/index.ts';
import { FORM, LEVELS, UNIT_PIXELS, type PixelInput } from '../../plan/pixelInput.ts';
import { stepFunction } from '../../plan/step.ts';
import { emitLastFits } from '../loops.ts';
import { emitQuantizer, emitQuantizeSixteen } from './quantizer.ts';

/** The function for floats, or for pixels, by what was written in front of the inference. */
export function emitEitherForm(
  module: ModuleBuilder,
  form: number,
  by: { readonly floats: FunctionReference; readonly pixels: FunctionReference },
): FunctionReference {
  return stepFunction(module, (f, { arena, scratch, begin, end }) => {
    const callWhere = (wanted: number, callee: FunctionReference): void => {
      f.block((skipIf) => {
        f.get(arena).op('i32.load', { offset: form }).i32(wanted).op('i32.ne');
        skipIf();
        f.get(arena).get(scratch).get(begin).get(end).call(callee);
      });
    };
    callWhere(FORM.floats, by.floats);
    callWhere(FORM.pixels, by.pixels);
  });
}

/**
 * Pixels to words of four bytes, by a table for each channel:
 *
 *   for each level: table[c, level] = saturate(nearestEven(levels[c, level] / scale) + zeroPoint)
 *   for each pixel: word = table[0, p[0]] | table[1, p[1]] << 8 | …
 */
export function emitPixels(
  module: ModuleBuilder,
  input: PixelInput,
  value: QuantizedValue,
  place: { readonly input: number; readonly bytes: number },
): FunctionReference {
  const { channels } = input;
  return stepFunction(module, (f, { arena, scratch, begin, end }) => {
    emitTables(f, value, { levels: place.input + input.levels, count: channels * LEVELS, arena, scratch });
    const [unit, at, from, to] = f.locals('i', 4) as [Local, Local, Local, Local];
    f.repeat(unit, { start: begin, end, step: 1 }, () => {
      f.get(unit).i32(UNIT_PIXELS).op('i32.mul').set(at);
      emitLastFits(f, at, input.pixels, UNIT_PIXELS);
      f.get(at).i32(channels).op('i32.mul').get(arena).op('i32.add').set(from);
      f.get(at).i32(4).op('i32.mul').get(arena).op('i32.add').set(to);
      for (let pixel = 0; pixel < UNIT_PIXELS; pixel++) {
        f.get(to);
        for (let c = 0; c < channels; c++) {
          f.get(from).op('i32.load8_u', { offset: place.input + pixel * channels + c });
          f.get(scratch).op('i32.add');
          f.op('i32.load8_u', { offset: c * LEVELS });
          if (c > 0)
            f.i32(8 * c)
              .op('i32.shl')
              .op('i32.or');
        }
        f.op('i32.store', { offset: place.bytes + pixel * 4 });
      }
    });
  });
}

/** Quantizes the levels into scratch memory, sixteen at a time. */
function emitTables(
  f: FunctionBuilder,
  value: QuantizedValue,
  at: { readonly levels: number; readonly count: number; readonly arena: Local; readonly scratch: Local },
): void {
  const [level, floats, bytes] = f.locals('i', 3) as [Local, Local, Local];
  const quantize = emitQuantizer(f, value);
  f.get(at.arena).i32(at.levels).op('i32.add').set(floats);
  f.get(at.scratch).set(bytes);
  f.repeat(level, { start: 0, end: at.count, step: 16 }, () => {
    emitQuantizeSixteen(f, quantize, { bytes, floats });
    f.get(bytes).i32(16).op('i32.add').set(bytes);
    f.get(floats).i32(64).op('i32.add').set(floats);
  });
}
