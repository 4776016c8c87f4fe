import type { QuantizedGraph } from '../../graph/index.ts';
import { inputsOf } from '../../reference/index.ts';
import { elementCount } from '../../tensor/index.ts';

/** Of one byte of a pixel. */
export const LEVELS = 256;

/** What lies at the address of an image that may come as pixels. */
export const FORM = { floats: 0, pixels: 1 } as const;

/**
 * An image that enters the network and that `quantize` alone reads: at its address lie floats or, a quarter as long, pixels.
 * Offsets from there.
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

/** A pixel in the engine's layout is written as one word. */
const MAX_CHANNELS = 4;
const WORD_BYTES = 4;

export function pixelInputOf(graph: QuantizedGraph, name: string): PixelInput | undefined {
  const value = graph.values.get(name);
  if (value?.kind !== 'float' || value.dtype !== 'float32' || value.shape.length !== 4) return undefined;
  const [batch = 0, channels = 0] = value.shape;
  if (batch !== 1 || channels > MAX_CHANNELS || !graph.inputs.includes(name)) return undefined;
  const readers = graph.operations.filter((operation) => inputsOf(operation).includes(name));
  if (graph.outputs.includes(name) || readers.length !== 1 || readers[0]?.kind !== 'quantize') return undefined;
  const count = elementCount(value.shape);
  const form = count * WORD_BYTES;
  const levels = form + WORD_BYTES;
  const byteLength = levels + channels * LEVELS * WORD_BYTES;
  return { pixels: count / channels, channels, form, levels, byteLength };
}
