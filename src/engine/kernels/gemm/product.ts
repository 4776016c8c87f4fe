import type { Clamp } from '../../../graph/index.ts';
import type { Local } from '../../../wasm/index.ts';
import type { DotStrategy, EmitDot } from '../../dot.ts';
import { CHANNEL_BLOCK, roundUp, type NhwcLayout } from '../../plan/layout.ts';
import type { Placement } from '../../plan/step.ts';
import type { Binary } from '../elementwise/arithmetic.ts';
import { rowsScratchBytes, type Rounding } from '../requantize.ts';
import type { PanelOrder } from './orderPanels.ts';
import type { Geometry, Run } from './window.ts';

/** A matrix product over windows, as the emitter needs it. */
export interface Product {
  readonly dot: DotStrategy;
  /** Where each panel has its own order of K, in which bytes may be summed in int16. */
  readonly order: PanelOrder | undefined;
  readonly widening: Widening;
  readonly geometry: Geometry;
  readonly input: NhwcLayout;
  readonly inputName: string;
  readonly inputZeroPoint: number;
  readonly outputName: string;
  readonly outputStride: number;
  /** How results become bytes; absent where they are float32, one row of them. */
  readonly bytes: { readonly zeroPoint: number; readonly clamp: Clamp } | undefined;
  /** A sum that is written instead of the results, its large operand; `magic` rounds them. */
  readonly residual: Binary | undefined;
  /** From one pixel of the sum's other operand to the next. */
  readonly otherStride: number;
  readonly rounding: Rounding;
  readonly runs: readonly Run[];
  /** Values of K in a packed row: the sum of the runs. */
  readonly depth: number;
  /** Whether rows are read from the input itself. */
  readonly inPlace: boolean;
  /** From one row to the next. */
  readonly rowBytes: number;
  readonly pixels: number;
  /** Pixels of an output row. */
  readonly width: number;
  readonly blockPixels: number;
  readonly rows: number;
  readonly slices: number;
  /** Bytes of a pixel that a slice reads. */
  readonly sliceBytes: number;
  /** Of a slice. */
  readonly panels: number;
  /** Scratch: padded input, packed rows, one panel of weights as the dot product takes them. */
  readonly paddedBytes: number;
  readonly packedBytes: number;
  readonly panelBytes: number;
}

/**
 * Where stored weights of one byte become the int16 that a dot product takes.
 *   none     they are stored as they are taken
 *   byPanel  once for all tiles of a block
 *   onLoad   as they are read, by the only tile
 */
export type Widening = 'none' | 'byPanel' | 'onLoad';

/** Offsets in scratch: packed rows, the widened panel, a tile's rows in the panel's order, one tile of narrowed rows. */
export function scratchOf({ paddedBytes, packedBytes, panelBytes, widening, order, rows }: Product) {
  const panel = paddedBytes + packedBytes;
  const ordered = panel + (widening === 'byPanel' ? roundUp(panelBytes, 64) : 0);
  const tile = ordered + (order ? rows * order.rowBytes : 0);
  return { packed: paddedBytes, panel, ordered, tile, end: tile + rowsScratchBytes(rows) };
}

/** Vectors of four channels in a panel. */
export const LANES = CHANNEL_BLOCK / 4;

export interface Locals {
  readonly arena: Local;
  readonly scratch: Local;
  /** Address of the padded input. */
  readonly source: Local;
  /** First pixel of the block. */
  readonly block: Local;
  /** Among those of all slices. */
  readonly panel: Local;
  /** First pixel of the tile, within the block. */
  readonly tile: Local;
  readonly row: Local;
  /** First channel of the panel, in bytes of int32 and float32: one address, or V8 does not see that loads are adjacent. */
  readonly channel: Local;
  /** First weights of the panel, and those of the current step. */
  readonly firstWeight: Local;
  readonly weight: Local;
  readonly counter: Local;
  readonly accs: readonly Local[];
  readonly weights: readonly Local[];
  readonly multipliers: readonly Local[];
  readonly splat: Local;
  readonly emitDot: EmitDot;
}

export const blocksOf = ({ pixels, blockPixels }: Product): number => Math.ceil(pixels / blockPixels);

/** Panels of blocks of slices. */
export const unitsOf = (product: Product): number => product.slices * blocksOf(product) * product.panels;

/** Addresses of the product's constants. */
export function placesOf(place: Placement): [weights: number, bias: number, multipliers: number] {
  const [weights = 0, bias = 0, multipliers = 0] = place.constants;
  return [weights, bias, multipliers];
}

/** The tile that divides the pixels best: what is left over is computed twice. */
export function chooseRows(pixels: number, { rows: [fastest, other] }: DotStrategy): number {
  const computed = (rows: number): number => Math.ceil(pixels / rows) * rows;
  return Math.min(pixels, computed(other) < computed(fastest) ? other : fastest);
}
