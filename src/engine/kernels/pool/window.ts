import type { AveragePoolOperation, MaxPoolOperation } from '../../../graph/index.ts';
import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import { CHANNEL_BLOCK, type NhwcLayout } from '../../plan/layout.ts';
import type { PlanContext, Placement, StepParameters } from '../../plan/step.ts';
import { emitPaddedInput, paddedInput } from '../paddedInput.ts';

/** A pooling operation by its window. */
export interface Pool {
  readonly input: NhwcLayout;
  readonly outputHeight: number;
  readonly outputWidth: number;
  readonly channelStride: number;
  /** Bytes from one output pixel to the next. */
  readonly outputStride: number;
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  readonly pads: readonly [number, number, number, number];
}

/** Undefined where the layouts are not images, or the sizes do not agree. */
export function poolOf(operation: MaxPoolOperation | AveragePoolOperation, context: PlanContext): Pool | undefined {
  const input = context.layouts.get(operation.input);
  const output = context.layouts.get(operation.output);
  if (input?.kind !== 'nhwc' || output?.kind !== 'nhwc' || input.channelStride !== output.channelStride)
    return undefined;
  const dilations = operation.kind === 'maxPool' ? operation.dilations : ([1, 1] as const);
  const { kernel, strides, pads } = operation;
  const size = (extent: number, d: 0 | 1): number =>
    Math.floor((extent + pads[d] + pads[d === 0 ? 2 : 3] - (kernel[d] - 1) * dilations[d] - 1) / strides[d]) + 1;
  const outputHeight = size(input.height, 0);
  const outputWidth = size(input.width, 1);
  if (outputHeight * outputWidth !== output.height * output.width) return undefined;
  const { channelStride, pixelStride: outputStride } = output;
  return { input, outputHeight, outputWidth, channelStride, outputStride, kernel, strides, dilations, pads };
}

/** Taps inside the input under every output pixel's window. */
export function tapCounts(pool: Pool): Int32Array {
  const inside = (at: number, d: 0 | 1, extent: number): number => {
    let count = 0;
    for (let k = 0; k < pool.kernel[d]; k++) {
      const place = at * pool.strides[d] + k * pool.dilations[d] - pool.pads[d];
      if (place >= 0 && place < extent) count++;
    }
    return count;
  };
  return Int32Array.from({ length: pool.outputHeight * pool.outputWidth }, (_, pixel) => {
    const y = Math.floor(pixel / pool.outputWidth);
    return inside(y, 0, pool.input.height) * inside(pixel % pool.outputWidth, 1, pool.input.width);
  });
}

/** What a kernel gets for each window. */
export interface WindowLocals {
  readonly from: Local;
  readonly to: Local;
  readonly pixel: Local;
  /** Loop counters for `emitTaps`. */
  readonly offsets: readonly [Local, Local, Local];
}

export interface PoolPlace {
  readonly place: Placement;
  readonly parameters: StepParameters;
  readonly operation: MaxPoolOperation | AveragePoolOperation;
  readonly fill: number;
}

/** A unit is 16 channels of an output row. */
export const unitsOf = ({ outputHeight, channelStride }: Pool): number =>
  (outputHeight * channelStride) / CHANNEL_BLOCK;

/** Whether the one window is the whole image. */
export const isGlobal = ({ outputHeight, outputWidth, kernel, input, pads }: Pool): boolean =>
  outputHeight * outputWidth === 1 &&
  kernel[0] === input.height &&
  kernel[1] === input.width &&
  pads.every((pad) => pad === 0);

/** For each output row, each 16 channels and each pixel: the address of the window's first byte and of the output. */
export function emitWindows(
  f: FunctionBuilder,
  pool: Pool,
  { place, parameters, operation, fill }: PoolPlace,
  body: (locals: WindowLocals) => void,
): void {
  const { arena, scratch, begin, end } = parameters;
  const { outputWidth, outputStride, channelStride, strides } = pool;
  const source = emitPaddedInput(f, pool.input, pool, {
    arena,
    source: place.address(operation.input),
    scratch,
    fill,
  });
  const { width, pixelBytes } = paddedInput(pool.input, pool);
  const rowBytes = width * pixelBytes;
  const [unit, block, y, x, from, to, pixel] = f.locals('i', 7) as [Local, Local, Local, Local, Local, Local, Local];
  const offsets = f.locals('i', 3) as [Local, Local, Local];
  const blocks = channelStride / CHANNEL_BLOCK;
  const rowOf = (bytes: number): void => {
    f.get(y).i32(bytes).op('i32.mul').get(block).op('i32.add');
  };
  f.repeat(unit, { start: begin, end, step: 1 }, () => {
    f.get(unit).get(unit).i32(blocks).op('i32.div_u').tee(y);
    f.i32(blocks).op('i32.mul').op('i32.sub').i32(CHANNEL_BLOCK).op('i32.mul').set(block);
    rowOf(strides[0] * rowBytes);
    f.get(source).op('i32.add').set(from);
    rowOf(outputWidth * outputStride);
    f.get(arena).op('i32.add').i32(place.address(operation.output)).op('i32.add').set(to);
    f.get(y).i32(outputWidth).op('i32.mul').set(pixel);
    f.repeat(x, { start: 0, end: outputWidth, step: 1 }, () => {
      body({ from, to, pixel, offsets });
      f.get(from)
        .i32(strides[1] * pixelBytes)
        .op('i32.add')
        .set(from);
      f.get(to).i32(outputStride).op('i32.add').set(to);
      f.get(pixel).i32(1).op('i32.add').set(pixel);
    });
  });
}

/** Windows up to this many taps are written out; larger ones loop. */
const UNROLLED_TAPS = 25;

/** Rows of larger windows up to this many taps are. */
const UNROLLED_COLUMNS = 8;

interface Taps {
  readonly tap: (place: { readonly at: Local; readonly offset: number }, first: boolean) => void;
  /** Before the first tap of a window that is not written out. */
  readonly beforeLoop?: () => void;
  readonly afterRow?: () => void;
}

export function emitTaps(
  f: FunctionBuilder,
  pool: Pool,
  from: Local,
  [ky, kx, at]: WindowLocals['offsets'],
  { tap, beforeLoop, afterRow }: Taps,
): void {
  const [kernelH, kernelW] = pool.kernel;
  const { width, pixelBytes } = paddedInput(pool.input, pool);
  const rowStep = pool.dilations[0] * width * pixelBytes;
  const columnStep = pool.dilations[1] * pixelBytes;
  if (kernelH * kernelW <= UNROLLED_TAPS) {
    for (let y = 0; y < kernelH; y++)
      for (let x = 0; x < kernelW; x++) tap({ at: from, offset: y * rowStep + x * columnStep }, y + x === 0);
    return;
  }
  beforeLoop?.();
  f.repeat(ky, { start: 0, end: kernelH, step: 1 }, () => {
    f.get(ky).i32(rowStep).op('i32.mul').get(from).op('i32.add').set(at);
    if (kernelW <= UNROLLED_COLUMNS) for (let x = 0; x < kernelW; x++) tap({ at, offset: x * columnStep }, false);
    else
      f.repeat(kx, { start: 0, end: kernelW, step: 1 }, () => {
        tap({ at, offset: 0 }, false);
        f.get(at).i32(columnStep).op('i32.add').set(at);
      });
    afterRow?.();
  });
}
