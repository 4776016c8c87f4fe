import type { QuantizedValue } from '../../../graph/index.ts';
import type { FunctionBuilder, FunctionReference, Local, ModuleBuilder } from '../../../wasm/index.ts';
import { FORM, LEVELS, type PixelInput } from '../../plan/pixelInput.ts';
import { stepFunction } from '../../plan/step.ts';
import { emitQuantizer, emitQuantizeSixteen } from './quantizer.ts';

/** Where an image lies as floats or pixels, and where its bytes go. */
export interface PixelPlace {
  readonly input: number;
  readonly bytes: number;
  /** From one pixel of bytes to the next, at least 4. */
  readonly stride: number;
  /** Pixels of a unit. */
  readonly unit: number;
}

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
 * Pixels to bytes, by a table for each channel:
 *
 *   for each level: table[c, level] = saturate(nearestEven(levels[c, level] / scale) + zeroPoint)
 *   for each pixel: word = table[0, p[0]] | table[1, p[1]] << 8 | …
 *
 * Bytes of a word beyond the channels are 0; they are padding.
 */
export function emitPixels(
  module: ModuleBuilder,
  input: PixelInput,
  value: QuantizedValue,
  place: PixelPlace,
): FunctionReference {
  return stepFunction(module, (f, { arena, scratch, begin, end }) => {
    emitTables(f, { input, value, levels: place.input + input.levels, arena, scratch });
    const [from, to, last] = f.locals('i', 3) as [Local, Local, Local];
    const pixelAt = (unit: Local): FunctionBuilder => f.get(unit).i32(place.unit).op('i32.mul');
    const address = (step: number, start: number): FunctionBuilder =>
      f.i32(step).op('i32.mul').get(arena).op('i32.add').i32(start).op('i32.add');
    pixelAt(end).set(last);
    f.block((fitsIf) => {
      f.get(last).i32(input.pixels).op('i32.le_s');
      fitsIf();
      f.i32(input.pixels).set(last);
    });
    f.get(last);
    address(place.stride, place.bytes).set(last);
    pixelAt(begin);
    address(input.channels, place.input).set(from);
    pixelAt(begin);
    address(place.stride, place.bytes).set(to);
    f.repeat(to, { start: to, end: last, step: place.stride }, () => {
      f.get(to);
      for (let channel = 0; channel < input.channels; channel++) {
        f.get(from).op('i32.load8_u', { offset: channel }).get(scratch).op('i32.add');
        f.op('i32.load8_u', { offset: channel * LEVELS });
        if (channel > 0)
          f.i32(8 * channel)
            .op('i32.shl')
            .op('i32.or');
      }
      f.op('i32.store');
      f.get(from).i32(input.channels).op('i32.add').set(from);
    });
  });
}

/** Quantizes the levels into scratch memory, sixteen at a time. */
function emitTables(
  f: FunctionBuilder,
  at: {
    readonly input: PixelInput;
    readonly value: QuantizedValue;
    readonly levels: number;
    readonly arena: Local;
    readonly scratch: Local;
  },
): void {
  const [level, floats, bytes] = f.locals('i', 3) as [Local, Local, Local];
  const quantize = emitQuantizer(f, at.value);
  f.get(at.arena).i32(at.levels).op('i32.add').set(floats);
  f.get(at.scratch).set(bytes);
  f.repeat(level, { start: 0, end: at.input.channels * LEVELS, step: 16 }, () => {
    emitQuantizeSixteen(f, quantize, { bytes, floats });
    f.get(bytes).i32(16).op('i32.add').set(bytes);
    f.get(floats).i32(64).op('i32.add').set(floats);
  });
}
