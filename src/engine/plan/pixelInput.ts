import type { QuantizedGraph } from '../../graph/index.ts';
import { inputsOf } from '../../reference/index.ts';

/** Of one byte of a pixel. */
export const LEVELS = 256;

/** Pixels that are quantized together: two vectors of floats, which V8 merges. */
export const UNIT_PIXELS = 8;

/** What lies at the address of an image that may come as pixels. */
export const FORM = { floats: 0, pixels: 1 } as const;

/**
 * An image that enters the network and that one `quantize` alone reads, into pixels of four bytes: at its address lie floats
 * or, a quarter as long, pixels. Offsets from there.
 */
export interface PixelInput {
  readonly pixels: number;
  readonly channels: number;
  /** int32: one of `FORM`. */
  readonly form: number;
  /** float32 [channels, 256]: the real number of each byte. */
  readonly levels: number;
  readonly byteLength: number;
}

/** @param narrow images of four bytes a pixel */
export function pixelInputOf(graph: QuantizedGraph, name: string, narrow: ReadonlySet<string>): PixelInput | undefined {
  const value = graph.values.get(name);
  if (value?.kind !== 'float' || value.dtype !== 'float32' || !graph.inputs.includes(name)) return undefined;
  const [reader, ...others] = graph.operations.filter((operation) => inputsOf(operation).includes(name));
  if (reader?.kind !== 'quantize' || others.length > 0 || graph.outputs.includes(name)) return undefined;
  const [batch, channels = 1, height = 1, width = 1] = value.shape;
  const pixels = height * width;
  if (!narrow.has(reader.output) || batch !== 1 || pixels < UNIT_PIXELS) return undefined;
  const form = pixels * channels * 4;
  const levels = form + 4;
  return { pixels, channels, form, levels, byteLength: levels + channels * LEVELS * 4 };
}
