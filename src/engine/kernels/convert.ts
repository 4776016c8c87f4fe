import type { QuantizedValue } from '../../graph/index.ts';
import { elementCount } from '../../tensor/index.ts';
import type { FunctionBuilder, Local } from '../../wasm/index.ts';
import type { Layout } from '../plan/layout.ts';
import { stepFunction, type KernelPlanner } from '../plan/step.ts';
import { emitRounding } from './requantize.ts';

/** An image as both sides of a conversion see it: planes of float32 outside, pixels of bytes inside. */
interface Planes {
  readonly channels: number;
  readonly pixels: number;
  /** Bytes from one pixel to the next, and from one channel to the next. */
  readonly pixelStep: number;
  readonly channelStep: number;
}

function planesOf(layout: Layout, value: QuantizedValue): Planes {
  if (layout.kind === 'plain') return { channels: 1, pixels: elementCount(value.shape), pixelStep: 1, channelStep: 1 };
  return {
    channels: layout.channels,
    pixels: layout.height * layout.width,
    pixelStep: layout.channelStride,
    channelStep: 1,
  };
}

/** float32 planes to bytes: q = saturate(nearestEven(x / scale) + zeroPoint). */
export const planQuantize: KernelPlanner = (operation, context) => {
  if (operation.kind !== 'quantize') return undefined;
  const layout = context.layouts.get(operation.output);
  const value = context.graph.values.get(operation.output);
  const input = context.graph.values.get(operation.input);
  if (!layout || value?.kind !== 'quantized' || input?.kind !== 'float' || input.dtype !== 'float32') return undefined;
  const planes = planesOf(layout, value);
  const interleaved = planes.pixelStep === 4 && planes.pixels % 4 === 0;
  return {
    runs: 'wasm',
    operation,
    kernel: interleaved ? 'quantize.interleave4' : 'quantize.scalar',
    macs: 0,
    constants: [],
    scratchBytes: 0,
    units: 1,
    emit: (module, place) =>
      stepFunction(module, (f, { arena }) => {
        const addresses = { arena, from: place.address(operation.input), to: place.address(operation.output) };
        if (interleaved) emitInterleaved(f, planes, value, addresses);
        else emitQuantizeScalar(f, planes, value, addresses);
      }),
  };
};

interface Addresses {
  readonly arena: Local;
  readonly from: number;
  readonly to: number;
}

/** Four pixels at a time: one vector of each plane, shifted to its byte of the 32-bit pixel and joined. */
function emitInterleaved(
  f: FunctionBuilder,
  planes: Planes,
  value: QuantizedValue,
  { arena, from, to }: Addresses,
): void {
  const [at, bytes] = f.locals('i', 2) as [Local, Local];
  const [scale, low, high, real] = f.locals('v', 4) as [Local, Local, Local, Local];
  f.f32(value.scale).op('f32x4.splat').set(scale);
  f.f32(-value.zeroPoint).op('f32x4.splat').set(low);
  f.f32(255 - value.zeroPoint)
    .op('f32x4.splat')
    .set(high);
  const round = emitRounding(f, 'magic', value.zeroPoint);
  f.repeat(bytes, { start: 0, end: planes.pixels * 4, step: 16 }, () => {
    f.get(arena).get(bytes).op('i32.add').tee(at);
    for (let c = 0; c < planes.channels; c++) {
      f.get(at)
        .op('v128.load', { offset: from + c * planes.pixels * 4 })
        .get(scale)
        .op('f32x4.div')
        .set(real);
      // NaN, which does not equal itself, becomes 0; bounds are integers, so clamping may come before rounding
      f.get(real).get(real).get(real).op('f32x4.eq').op('v128.and');
      f.get(low).op('f32x4.pmax').get(high).op('f32x4.pmin');
      round();
      if (c > 0)
        f.i32(8 * c)
          .op('i32x4.shl')
          .op('v128.or');
    }
    f.op('v128.store', { offset: to });
  });
}

/** One element at a time, for every other layout. */
function emitQuantizeScalar(f: FunctionBuilder, planes: Planes, value: QuantizedValue, addresses: Addresses): void {
  const q = f.local('i');
  const { source, target, step } = emitPlaneLoops(f, planes, { ...addresses, sourceStep: 4 });
  step(() => {
    f.get(source).op('f32.load').f32(value.scale).op('f32.div').op('f32.nearest').op('i32.trunc_sat_f32_s').set(q);
    emitClampInt(f, q, -value.zeroPoint, 255 - value.zeroPoint);
    f.get(target).get(q).i32(value.zeroPoint).op('i32.add').op('i32.store8');
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

/** For each channel, for each pixel: `source` walks the float plane, `target` the bytes. */
function emitPlaneLoops(
  f: FunctionBuilder,
  planes: Planes,
  { arena, from, to, sourceStep }: Addresses & { sourceStep: number },
) {
  const [channel, pixel, source, target] = f.locals('i', 4) as [Local, Local, Local, Local];
  const step = (body: () => void): void => {
    f.get(arena).i32(from).op('i32.add').set(source);
    f.repeat(channel, { start: 0, end: planes.channels, step: 1 }, () => {
      f.get(arena).i32(to).op('i32.add').get(channel).i32(planes.channelStep).op('i32.mul').op('i32.add').set(target);
      f.repeat(pixel, { start: 0, end: planes.pixels, step: 1 }, () => {
        body();
        f.get(source).i32(sourceStep).op('i32.add').set(source);
        f.get(target).i32(planes.pixelStep).op('i32.add').set(target);
      });
    });
  };
  return { source, target, step };
}

/** Bytes to float32 planes: r = f32(q − zeroPoint) · scale. */
export const planDequantize: KernelPlanner = (operation, context) => {
  if (operation.kind !== 'dequantize') return undefined;
  const layout = context.layouts.get(operation.input);
  const value = context.graph.values.get(operation.input);
  if (!layout || value?.kind !== 'quantized') return undefined;
  return {
    runs: 'wasm',
    operation,
    kernel: 'dequantize.scalar',
    macs: 0,
    constants: [],
    scratchBytes: 0,
    units: 1,
    emit: (module, place) =>
      stepFunction(module, (f, { arena }) => {
        const [from, to] = [place.address(operation.output), place.address(operation.input)];
        const addresses = { arena, from, to, sourceStep: 4 };
        const { source, target, step } = emitPlaneLoops(f, planesOf(layout, value), addresses);
        step(() => {
          f.get(source).get(target).op('i32.load8_u').i32(value.zeroPoint).op('i32.sub').op('f32.convert_i32_s');
          f.f32(value.scale).op('f32.mul').op('f32.store');
        });
      }),
  };
};
