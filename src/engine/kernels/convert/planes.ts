import { elementCount, type Shape } from '../../../tensor/index.ts';
import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import type { Layout } from '../../plan/layout.ts';

/** An image as both sides of a conversion see it, element by element: bytes from one pixel and one channel to the next. */
export interface Planes {
  readonly channels: number;
  readonly pixels: number;
  readonly bytes: { readonly pixel: number; readonly channel: number };
  readonly floats: { readonly pixel: number; readonly channel: number };
}

export function planesOf(bytes: Layout, floats: Layout, shape: Shape): Planes {
  if (bytes.kind !== 'nhwc')
    return {
      ...{ channels: 1, pixels: elementCount(shape) },
      ...{ bytes: { pixel: 1, channel: 1 }, floats: { pixel: 4, channel: 4 } },
    };
  const { channels, pixelStride } = bytes;
  const pixels = bytes.height * bytes.width;
  return {
    ...{ channels, pixels, bytes: { pixel: pixelStride, channel: 1 } },
    floats: floats.kind === 'plain' ? { pixel: 4, channel: pixels * 4 } : { pixel: channels * 4, channel: 4 },
  };
}

/** for each channel, for each pixel: `bytes` and `floats` point to the element */
export function emitPlaneLoops(
  f: FunctionBuilder,
  planes: Planes,
  place: { readonly arena: Local; readonly bytes: number; readonly floats: number },
  body: (element: { readonly bytes: Local; readonly floats: Local }) => void,
): void {
  const [channel, pixel, bytes, floats] = f.locals('i', 4) as [Local, Local, Local, Local];
  const start = (pointer: Local, address: number, step: number): void => {
    f.get(channel).i32(step).op('i32.mul').get(place.arena).op('i32.add').i32(address).op('i32.add').set(pointer);
  };
  f.repeat(channel, { start: 0, end: planes.channels, step: 1 }, () => {
    start(bytes, place.bytes, planes.bytes.channel);
    start(floats, place.floats, planes.floats.channel);
    f.repeat(pixel, { start: 0, end: planes.pixels, step: 1 }, () => {
      body({ bytes, floats });
      f.get(bytes).i32(planes.bytes.pixel).op('i32.add').set(bytes);
      f.get(floats).i32(planes.floats.pixel).op('i32.add').set(floats);
    });
  });
}
