import { invariant } from '../base/index.ts';
import { elementCount, formatShape, type Shape } from './shape.ts';
import { tensor, type Tensor, type TensorMap } from './tensor.ts';

/** Values that a byte can have. */
const LEVELS = 256;

/**
 * One image of bytes instead of the tensor that it stands for:
 *   float32: x[c, h, w] = levels[256 · c + data[(h · W + w) · C + c]]
 *   uint8, where there are no levels: x[c, h, w] = data[(h · W + w) · C + c]
 */
export interface PixelFeed {
  readonly dtype: 'pixels';
  /** Of the tensor: [1, C, H, W] or [1, H, W, C]. */
  readonly shape: Shape;
  readonly layout: 'NCHW' | 'NHWC';
  /** [H, W, C] */
  readonly data: Uint8Array;
  /** [C, 256] */
  readonly levels: Float32Array | undefined;
}

/** What enters a network under a name. */
export type Feed = Tensor | PixelFeed;
export type FeedMap = ReadonlyMap<string, Feed>;

export function pixelFeed(parts: Omit<PixelFeed, 'dtype'>): PixelFeed {
  const { shape, data, levels } = parts;
  const channels = channelsOf(parts);
  invariant(
    shape.length === 4 && shape[0] === 1 && data.length === elementCount(shape),
    `${data.length} bytes are no image ${formatShape(shape)}`,
  );
  invariant(levels === undefined || levels.length === channels * LEVELS, `${channels} channels need 256 levels each`);
  return { dtype: 'pixels', ...parts };
}

/** Type of the elements that a feed gives. */
export function elementTypeOf(feed: Feed): Tensor['dtype'] {
  if (feed.dtype !== 'pixels') return feed.dtype;
  return feed.levels === undefined ? 'uint8' : 'float32';
}

/** The tensor that a feed stands for. */
export function tensorOf(feed: Feed): Tensor {
  if (feed.dtype !== 'pixels') return feed;
  const { shape, layout, data, levels } = feed;
  const channels = channelsOf(feed);
  const pixels = data.length / channels;
  const elements = levels ? new Float32Array(data.length) : new Uint8Array(data.length);
  const [pixelStep, channelStep] = layout === 'NCHW' ? [1, pixels] : [channels, 1];
  for (let channel = 0; channel < channels; channel++)
    for (let pixel = 0; pixel < pixels; pixel++) {
      const byte = data[pixel * channels + channel]!;
      elements[pixel * pixelStep + channel * channelStep] = levels ? levels[channel * LEVELS + byte]! : byte;
    }
  return elements instanceof Float32Array ? tensor('float32', shape, elements) : tensor('uint8', shape, elements);
}

function channelsOf({ shape, layout }: Pick<PixelFeed, 'shape' | 'layout'>): number {
  return shape[layout === 'NCHW' ? 1 : 3] ?? 0;
}

/** Feeds as tensors, for whoever takes nothing else. */
export function tensorsOf(feeds: FeedMap): TensorMap {
  return new Map([...feeds].map(([name, feed]) => [name, tensorOf(feed)]));
}
