import type { AveragePoolOperation, MaxPoolOperation } from '../../graph/index.ts';
import type { FunctionBuilder, Local } from '../../wasm/index.ts';
import { CHANNEL_BLOCK, type NhwcLayout } from '../plan/layout.ts';
import {
  stepFunction,
  type KernelPlanner,
  type PlanContext,
  type Placement,
  type StepParameters,
} from '../plan/step.ts';
import { emitPaddedInput, paddedInput } from './paddedInput.ts';
import { bytesOf, emitNarrow, emitRequantizer, emitScale, roundingWithin } from './requantize.ts';

interface Pool {
  readonly input: NhwcLayout;
  readonly outputHeight: number;
  readonly outputWidth: number;
  readonly channelStride: number;
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  readonly pads: readonly [number, number, number, number];
}

function poolOf(operation: MaxPoolOperation | AveragePoolOperation, context: PlanContext): Pool | undefined {
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
  return { input, outputHeight, outputWidth, channelStride: input.channelStride, kernel, strides, dilations, pads };
}

/** Taps inside the input under every output pixel's window. */
function tapCounts(pool: Pool): Int32Array {
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
          emitTaps(
            f,
            pool,
            from,
            offsets,
            (tap, first) => {
              f.get(tap.at).op('v128.load', { offset: tap.offset });
              if (!first) f.get(best).op('i8x16.max_u');
              f.set(best);
            },
            () => f.i32(0).op('i8x16.splat').set(best),
          );
          f.get(to).get(best).op('v128.store');
        });
      }),
  };
};

/**
 * y = requantize(Σ (x − zx), multiplier of the pixel) over an input padded with zx, which adds nothing; sums of bytes in
 * int32, the zero points taken off at the end.
 */
export const planAveragePool: KernelPlanner = (operation, context) => {
  if (operation.kind !== 'averagePool') return undefined;
  const pool = poolOf(operation, context);
  const from = context.graph.values.get(operation.input);
  const to = context.graph.values.get(operation.output);
  if (!pool || from?.kind !== 'quantized' || to?.kind !== 'quantized') return undefined;
  const taps = pool.kernel[0] * pool.kernel[1];
  const ratio = Math.fround(from.scale / to.scale);
  const multipliers = Float32Array.from(tapCounts(pool), (count) =>
    Math.fround(ratio / (operation.countIncludePad ? taps : Math.max(count, 1))),
  );
  return {
    runs: 'wasm',
    operation,
    kernel: `averagePool${pool.kernel.join('x')}`,
    macs: 0,
    constants: [bytesOf(multipliers)],
    scratchBytes: paddedInput(pool.input, pool).scratchBytes,
    units: unitsOf(pool),
    emit: (module, place) =>
      stepFunction(module, (f, parameters) => {
        const accs = f.locals('v', 4);
        const [bytes, multiplier, zero] = f.locals('v', 3) as [Local, Local, Local];
        const rounding = roundingWithin(taps * 255 * Math.max(...multipliers));
        const requantizer = emitRequantizer(f, { ...to, clamp: operation.clamp, rounding });
        f.i32(-from.zeroPoint * taps)
          .op('i32x4.splat')
          .set(zero);
        emitWindows(
          f,
          pool,
          { place, parameters, operation, fill: from.zeroPoint },
          ({ from: start, to: target, offsets, pixel }) => {
            for (const acc of accs) f.get(zero).set(acc);
            emitTaps(f, pool, start, offsets, (tap) => {
              f.get(tap.at).op('v128.load', { offset: tap.offset }).set(bytes);
              accs.forEach((acc, lane) => {
                f.get(acc)
                  .get(bytes)
                  .op(lane < 2 ? 'i16x8.extend_low_i8x16_u' : 'i16x8.extend_high_i8x16_u');
                f.op(lane % 2 === 0 ? 'i32x4.extend_low_i16x8_u' : 'i32x4.extend_high_i16x8_u')
                  .op('i32x4.add')
                  .set(acc);
              });
            });
            f.get(pixel)
              .i32(2)
              .op('i32.shl')
              .op('v128.load32_splat', { offset: place.constants[0] ?? 0 })
              .set(multiplier);
            emitScale(f, accs, [multiplier], requantizer);
            f.get(target);
            emitNarrow((lane) => f.get(accs[lane]!), requantizer);
            f.op('v128.store');
          },
        );
      }),
  };
};

interface WindowLocals {
  readonly from: Local;
  readonly to: Local;
  readonly pixel: Local;
  /** Loop counters for `emitTaps`. */
  readonly offsets: readonly [Local, Local, Local];
}

interface PoolPlace {
  readonly place: Placement;
  readonly parameters: StepParameters;
  readonly operation: MaxPoolOperation | AveragePoolOperation;
  readonly fill: number;
}

/** A unit is 16 channels of an output row. */
const unitsOf = ({ outputHeight, channelStride }: Pool): number => (outputHeight * channelStride) / CHANNEL_BLOCK;

/** For each output row, each 16 channels and each pixel: the address of the window's first byte and of the output. */
function emitWindows(
  f: FunctionBuilder,
  pool: Pool,
  { place, parameters, operation, fill }: PoolPlace,
  body: (locals: WindowLocals) => void,
): void {
  const { arena, scratch, begin, end } = parameters;
  const { outputWidth, channelStride, strides } = pool;
  const source = emitPaddedInput(f, pool.input, pool, {
    arena,
    source: place.address(operation.input),
    scratch,
    fill,
  });
  const rowBytes = paddedInput(pool.input, pool).width * channelStride;
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
    rowOf(outputWidth * channelStride);
    f.get(arena).op('i32.add').i32(place.address(operation.output)).op('i32.add').set(to);
    f.get(y).i32(outputWidth).op('i32.mul').set(pixel);
    f.repeat(x, { start: 0, end: outputWidth, step: 1 }, () => {
      body({ from, to, pixel, offsets });
      f.get(from)
        .i32(strides[1] * channelStride)
        .op('i32.add')
        .set(from);
      f.get(to).i32(channelStride).op('i32.add').set(to);
      f.get(pixel).i32(1).op('i32.add').set(pixel);
    });
  });
}

/** Windows up to this many taps are written out; larger ones loop. */
const UNROLLED_TAPS = 25;

function emitTaps(
  f: FunctionBuilder,
  pool: Pool,
  from: Local,
  [ky, kx, at]: readonly [Local, Local, Local],
  tap: (place: { at: Local; offset: number }, first: boolean) => void,
  beforeLoop: () => void = () => undefined,
): void {
  const [kernelH, kernelW] = pool.kernel;
  const rowStep = pool.dilations[0] * paddedInput(pool.input, pool).width * pool.channelStride;
  const columnStep = pool.dilations[1] * pool.channelStride;
  if (kernelH * kernelW <= UNROLLED_TAPS) {
    for (let y = 0; y < kernelH; y++)
      for (let x = 0; x < kernelW; x++) tap({ at: from, offset: y * rowStep + x * columnStep }, y + x === 0);
    return;
  }
  beforeLoop();
  f.repeat(ky, { start: 0, end: kernelH, step: 1 }, () => {
    f.get(ky).i32(rowStep).op('i32.mul').get(from).op('i32.add').set(at);
    f.repeat(kx, { start: 0, end: kernelW, step: 1 }, () => {
      tap({ at, offset: 0 }, false);
      f.get(at).i32(columnStep).op('i32.add').set(at);
    });
  });
}
