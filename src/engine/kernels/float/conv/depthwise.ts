import type { FunctionBuilder, Local } from '../../../../wasm/index.ts';
import { stepFunction, type PlanContext, type WasmStep } from '../../../plan/step.ts';
import { emitLastFits } from '../../loops.ts';
import { emitPaddedInput, paddedInput } from '../../paddedInput.ts';
import { bytesOf } from '../../requantize.ts';
import { activationOf } from '../activation.ts';
import type { FloatConv } from './geometry.ts';
import type { MakeFunction } from '../vectorFunction.ts';
import { asBytes } from '../image.ts';
import type { PlannedFloat } from '../planner.ts';
import { emitStoreFloats, LANES } from '../vectors.ts';

/** Pixels side by side whose sums are in registers together. */
const PIXELS = 4;

/** One filter a channel: vectors over channels, taps in order. */
export function planDepthwise(operation: PlannedFloat, conv: FloatConv, context: PlanContext): WasmStep {
  const { input, output, window } = conv;
  const border = { pads: window.pads };
  const image = asBytes(input);
  return {
    runs: 'wasm',
    operation,
    kernel: 'float.conv.depthwise',
    macs: output.height * output.width * conv.weights.length,
    constants: packTaps(conv).map(bytesOf),
    scratchBytes: paddedInput(image, border).scratchBytes,
    units: output.height,
    emit: (module, place) =>
      stepFunction(module, (f, { arena, scratch, begin, end }) => {
        const source = { arena, source: place.address(operation.node.inputs[0] ?? ''), scratch, fill: 0 };
        const from = emitPaddedInput(f, image, border, source);
        const to = f.local('i');
        f.get(arena).i32(place.address(operation.output)).op('i32.add').set(to);
        const activation = activationOf(operation, context);
        emitDepthwise(f, conv, { from, to, begin, end, constants: place.constants, activation });
      }),
  };
}

/** Taps × channels, then the bias; channels filled to whole vectors. */
function packTaps({ weights, bias, input, window }: FloatConv): Float32Array[] {
  const { channels } = input;
  const padded = Math.ceil(channels / LANES) * LANES;
  const taps = window.kernel[0] * window.kernel[1];
  const packed = new Float32Array(taps * padded);
  const start = new Float32Array(padded);
  for (let c = 0; c < channels; c++) {
    for (let tap = 0; tap < taps; tap++) packed[tap * padded + c] = weights[c * taps + tap]!;
    start[c] = (bias?.[c] ?? 0) + 0;
  }
  return [packed, start];
}

interface Place {
  readonly from: Local;
  readonly to: Local;
  readonly begin: Local;
  readonly end: Local;
  readonly constants: readonly number[];
  readonly activation: MakeFunction | undefined;
}

/** for each row of the output: for each vector of channels: for each group of pixels: bias, then acc += x · w tap by tap */
function emitDepthwise(f: FunctionBuilder, conv: FloatConv, place: Place): void {
  const { input, output, window } = conv;
  const { kernel, strides, dilations, pads } = window;
  const { channels } = input;
  const pixelBytes = channels * 4;
  const rowBytes = paddedInput(asBytes(input), { pads }).width * pixelBytes;
  const weightRow = Math.ceil(channels / LANES) * LANES * 4;
  const [row, block, pixel, tile, from, to] = f.locals('i', 6) as [Local, Local, Local, Local, Local, Local];
  const [inRow, outRow] = f.locals('i', 2) as [Local, Local];
  const accs = f.locals('v', Math.min(PIXELS, output.width));
  const weight = f.local('v');
  const [taps = 0, bias = 0] = place.constants;
  const activation = place.activation?.(f);
  const column = (count: number): void => {
    f.repeat(pixel, { start: 0, end: output.width, step: accs.length }, () => {
      f.get(pixel).set(tile);
      emitLastFits(f, tile, output.width, accs.length);
      f.get(tile)
        .i32(strides[1] * pixelBytes)
        .op('i32.mul')
        .get(inRow)
        .op('i32.add')
        .get(block)
        .op('i32.add')
        .set(from);
      f.get(tile).i32(pixelBytes).op('i32.mul').get(outRow).op('i32.add').get(block).op('i32.add').set(to);
      for (const acc of accs) f.get(block).op('v128.load', { offset: bias }).set(acc);
      for (let tap = 0; tap < kernel[0] * kernel[1]; tap++) {
        const [ky, kx] = [Math.floor(tap / kernel[1]), tap % kernel[1]];
        const offset = ky * dilations[0] * rowBytes + kx * dilations[1] * pixelBytes;
        f.get(block)
          .op('v128.load', { offset: taps + tap * weightRow })
          .set(weight);
        accs.forEach((acc, index) => {
          f.get(acc)
            .get(from)
            .op('v128.load', { offset: offset + index * strides[1] * pixelBytes });
          f.get(weight).op('f32x4.mul').op('f32x4.add').set(acc);
        });
      }
      if (activation)
        for (const acc of accs) {
          activation(acc);
          f.set(acc);
        }
      accs.forEach((acc, index) => emitStoreFloats(f, acc, { at: to, offset: index * pixelBytes, count }));
    });
  };
  const whole = Math.floor(channels / LANES);
  f.repeat(row, { start: place.begin, end: place.end, step: 1 }, () => {
    f.get(row)
      .i32(strides[0] * rowBytes)
      .op('i32.mul')
      .get(place.from)
      .op('i32.add')
      .set(inRow);
    f.get(row)
      .i32(output.width * pixelBytes)
      .op('i32.mul')
      .get(place.to)
      .op('i32.add')
      .set(outRow);
    if (whole > 0) f.repeat(block, { start: 0, end: whole * 16, step: 16 }, () => column(LANES));
    else f.i32(0).set(block);
    if (channels % LANES > 0) column(channels % LANES);
  });
}
