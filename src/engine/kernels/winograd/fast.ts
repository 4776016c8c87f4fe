import { CHANNEL_BLOCK, roundUp, type NhwcLayout } from '../../plan/layout.ts';
import type { DotStrategy } from '../../dot.ts';
import { rowsScratchBytes } from '../requantize.ts';
import type { Output } from '../gemm/finish.ts';
import type { Product } from '../gemm/product.ts';
import type { WinogradForm } from './form.ts';

/** A 3x3 convolution of stride 1 by a Winograd form, as the emitters need it. A tile is `outputs` x `outputs` pixels. */
export interface FastConv {
  readonly form: WinogradForm;
  readonly dot: DotStrategy;
  readonly input: NhwcLayout;
  readonly inputName: string;
  readonly inputZeroPoint: number;
  /** top, left, bottom, right. */
  readonly pads: readonly [number, number, number, number];
  readonly output: Output;
  readonly bytes: NonNullable<Product['bytes']>;
  readonly height: number;
  readonly width: number;
  readonly panels: number;
  readonly weightBytes: 1 | 2;
  /** Of the image, and of a block. */
  readonly tiles: number;
  readonly blockTiles: number;
  /** Tiles that one step of the matrix product takes. */
  readonly rows: number;
  readonly paddedBytes: number;
}

/** Tiles in a row of them, and rows. */
export const tilesOf = (size: number, { outputs }: WinogradForm): number => Math.ceil(size / outputs);

/** Strides of what lies once for each product of a tile: never a multiple of 4096, at which lines would share a few places of the first cache. */
const apart = (bytes: number): number => roundUp(bytes, 128) + 64;

/** Pairs of input channels whose transformed weights, those of two rows of products, leave the second cache to the inputs. */
export const CHUNK_PAIRS = 128;

/** Bytes from one product's inputs, weights and sums to those of the next. */
export function stridesOf({ input, blockTiles, rows }: FastConv) {
  const depth = input.channelStride;
  // the last step of a matrix product may take tiles that are none
  const tiles = roundUp(blockTiles, rows);
  return {
    /** [tiles][depth] int16. */
    inputs: apart(tiles * depth * 2),
    /** [pairs of a chunk][16 channels][2] int16. */
    weights: apart(Math.min(CHUNK_PAIRS, depth / 2) * CHANNEL_BLOCK * 4),
    /** [tiles][16 channels] int32. */
    sums: apart(tiles * CHANNEL_BLOCK * 4),
  };
}

/** Offsets in scratch: behind the padded input transformed inputs, two rows of weights, sums, half-transformed tiles, rows to narrow. */
export function scratchOf(conv: FastConv) {
  const { form, paddedBytes } = conv;
  const strides = stridesOf(conv);
  const products = form.points ** 2;
  const inputs = paddedBytes;
  const weights = inputs + products * strides.inputs;
  const sums = weights + 2 * form.points * strides.weights;
  const half = sums + products * strides.sums;
  const rows = half + form.points ** 2 * CHANNEL_BLOCK * 4;
  return { inputs, weights, sums, half, rows, end: rows + rowsScratchBytes(form.outputs) };
}

/** Chunks of input channels. */
export const chunksOf = ({ input }: FastConv): number => Math.ceil(input.channelStride / 2 / CHUNK_PAIRS);

export const blocksOf = ({ tiles, blockTiles }: FastConv): number => Math.ceil(tiles / blockTiles);
