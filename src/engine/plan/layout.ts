import type { FloatValue, Operation, QuantizedGraph, QuantizedValue } from '../../graph/index.ts';
import { bytesPerElement, elementCount } from '../../tensor/index.ts';
import { inputsOf } from '../../reference/index.ts';
import { pixelInputOf, type PixelInput } from './pixelInput.ts';
import { rowMajorValues } from './rowMajor.ts';

/** Channels are stored in multiples of this, so that every store of a kernel is a whole vector. */
export const CHANNEL_BLOCK = 16;

/** Bytes a kernel may read beyond the end of a value, and write where it is contiguous. */
export const SLACK_BYTES = 64;

/**
 * How a value lies in memory.
 *   nhwc   one sample of bytes, pixel by pixel; a pixel is `channelStride` ≥ channels bytes, the rest is padding. The next one
 *          begins `pixelStride` bytes on: at once, or behind channels of the value within which this one lies
 *   nhwcFloat  one sample of float32, pixel by pixel, without padding: the row-major order of [height, width, channels]
 *   plain  row-major as ONNX has it; an image at the network's entry may be `pixels` instead
 */
export type Layout =
  | {
      readonly kind: 'nhwc';
      readonly height: number;
      readonly width: number;
      readonly channels: number;
      readonly channelStride: number;
      readonly pixelStride: number;
      readonly byteLength: number;
    }
  | {
      readonly kind: 'nhwcFloat';
      readonly height: number;
      readonly width: number;
      readonly channels: number;
      readonly byteLength: number;
    }
  | { readonly kind: 'plain'; readonly byteLength: number; readonly pixels?: PixelInput | undefined };

export type NhwcLayout = Extract<Layout, { kind: 'nhwc' }>;

/** Whether nothing lies between the pixels of bytes. */
export const isContiguous = (layout: Layout): boolean =>
  layout.kind !== 'nhwc' || layout.pixelStride === layout.channelStride;

export function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}

/**
 * Layout of every value: images and vectors of bytes as NHWC, images of float32 that never leave the engine too, everything else
 * plain, also what has an image's dimensions and is read by rows.
 */
export function chooseLayouts(graph: QuantizedGraph): Map<string, Layout> {
  const narrow = narrowImages(graph);
  const plain = new Set([...graph.inputs, ...graph.outputs, ...rowMajorValues(graph)]);
  return new Map(
    [...graph.values].map(([name, value]) => {
      if (value.kind === 'quantized') return [name, layoutOf(value, narrow.has(name))];
      const pixels = pixelInputOf(graph, name, narrow);
      if (pixels) return [name, { kind: 'plain', byteLength: pixels.byteLength, pixels }];
      return [name, layoutOfFloat(value, plain.has(name))];
    }),
  );
}

/** Where there is one pixel or one channel, both orders are the same, and it is called plain. */
function layoutOfFloat({ dtype, shape }: FloatValue, plain: boolean): Layout {
  const byteLength = elementCount(shape) * bytesPerElement[dtype];
  const [batch = 1, channels = 1, height = 1, width = 1] = shape;
  const image = dtype === 'float32' && shape.length === 4 && batch === 1 && channels > 1 && height * width > 1;
  return image && !plain ? { kind: 'nhwcFloat', height, width, channels, byteLength } : { kind: 'plain', byteLength };
}

function layoutOf(value: QuantizedValue, narrow: boolean): Layout {
  const { shape } = value;
  if (shape.length !== 4 && shape.length !== 2) return { kind: 'plain', byteLength: elementCount(shape) };
  const [batch = 1, channels = 1, height = 1, width = 1] = shape;
  if (batch !== 1) return { kind: 'plain', byteLength: elementCount(shape) };
  const channelStride = narrow ? 4 : roundUp(channels, CHANNEL_BLOCK);
  const byteLength = height * width * channelStride;
  return { kind: 'nhwc', height, width, channels, channelStride, pixelStride: channelStride, byteLength };
}

/** Images of up to 4 channels that enter the network and are read by dense convolutions alone: 4 bytes a pixel. */
function narrowImages(graph: QuantizedGraph): Set<string> {
  const made = new Set(graph.operations.filter(({ kind }) => kind === 'quantize').map(({ output }) => output));
  const result = new Set<string>();
  for (const [name, value] of graph.values) {
    const entering = graph.inputs.includes(name) || made.has(name);
    if (value.kind !== 'quantized' || value.shape.length !== 4 || (value.shape[1] ?? 0) > 4 || !entering) continue;
    const readers = graph.operations.filter((operation) => inputsOf(operation).includes(name));
    if (readers.length > 0 && readers.every(isDenseConv) && !graph.outputs.includes(name)) result.add(name);
  }
  return result;
}

function isDenseConv(operation: Operation): boolean {
  return operation.kind === 'conv' && operation.group === 1;
}

/** For each element in row-major NCHW order, its place in the layout: a byte of a quantized value, an element of another. */
export function physicalOffsets(layout: Layout, count: number): Int32Array {
  const offsets = new Int32Array(count);
  if (layout.kind === 'plain') return offsets.map((_, index) => index);
  const plane = layout.height * layout.width;
  const stride = layout.kind === 'nhwc' ? layout.pixelStride : layout.channels;
  for (let index = 0; index < count; index++) offsets[index] = (index % plane) * stride + Math.floor(index / plane);
  return offsets;
}
