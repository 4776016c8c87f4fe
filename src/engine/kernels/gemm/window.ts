import { roundUp } from '../../plan/layout.ts';
import type { Border } from '../paddedInput.ts';

export interface Geometry extends Border {
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  /** top, left, bottom, right. */
  readonly pads: readonly [number, number, number, number];
  /** Distance of the input's rows and columns, as the windows see it. */
  readonly spread: readonly [number, number];
}

/** A stretch of a window that is contiguous in padded NHWC memory. */
export interface Run {
  /** Relative to the window's first byte. */
  readonly offset: number;
  /** Up to the last channel of the last column, in whole groups of a dot product. */
  readonly bytes: number;
  readonly ky: number;
  /** Kernel column of the first byte; further ones follow every `pixelBytes` while `columns` last. */
  readonly kx: number;
  readonly columns: number;
  /** Of the image; less where pixels are packed without their padding. */
  readonly pixelBytes: number;
}

/** Groups of a dot product are of 2 or 4 values. */
const GROUP_BYTES = 4;

/** An image in memory, with the padding of its channels and borders. */
export interface Pixels {
  readonly rowBytes: number;
  readonly pixelBytes: number;
  /** Channels that one slice of the product reads, beginning with the window's first byte. */
  readonly channels: number;
}

/** Channels of an image whose pixels of four bytes are packed without the fourth. */
const COLOURS = 3;

/**
 * One run a kernel row; one a tap where the columns are dilated, or most of a pixel is not read. Bytes that are no channel's
 * meet zero weights.
 */
export function windowRuns({ kernel, dilations }: Geometry, { rowBytes, pixelBytes, channels }: Pixels): Run[] {
  const [kernelH, kernelW] = kernel;
  const together = kernelW === 1 || (dilations[1] === 1 && channels * 2 > pixelBytes);
  const columns = together ? kernelW : 1;
  const dense = columns > 1 && pixelBytes === 4 && channels === COLOURS;
  const runs: Run[] = [];
  for (let ky = 0; ky < kernelH; ky++)
    for (let kx = 0; kx < kernelW; kx += columns)
      runs.push({
        offset: ky * dilations[0] * rowBytes + kx * dilations[1] * pixelBytes,
        bytes: dense ? columns * channels : roundUp((columns - 1) * pixelBytes + channels, GROUP_BYTES),
        ky,
        kx,
        columns,
        pixelBytes: dense ? channels : pixelBytes,
      });
  const bytes = runs.reduce((sum, run) => sum + run.bytes, 0);
  return runs.map((run, index) =>
    index < runs.length - 1 ? run : { ...run, bytes: run.bytes + roundUp(bytes, GROUP_BYTES) - bytes },
  );
}

/** Whether output pixel p reads input pixel p alone, in the order in which they lie in memory. */
export function isPointwise({ kernel, strides, pads, spread }: Geometry): boolean {
  return [...kernel, ...strides, ...spread].every((size) => size === 1) && pads.every((pad) => pad === 0);
}
