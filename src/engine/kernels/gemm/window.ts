import { roundUp } from '../../plan/layout.ts';

export interface Geometry {
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  /** top, left, bottom, right. */
  readonly pads: readonly [number, number, number, number];
}

/** A stretch of a window that is contiguous in padded NHWC memory, in whole vectors of 16 bytes. */
export interface Run {
  /** Relative to the window's first byte. */
  readonly offset: number;
  readonly bytes: number;
  readonly ky: number;
  /** Kernel column of the first byte; further ones follow every `pixelBytes` while `columns` last. */
  readonly kx: number;
  readonly columns: number;
}

/** One run a kernel row; one a tap where the columns are dilated. Bytes beyond the last column meet zero weights. */
export function windowRuns({ kernel, dilations }: Geometry, rowBytes: number, pixelBytes: number): Run[] {
  const [kernelH, kernelW] = kernel;
  const together = dilations[1] === 1 || kernelW === 1;
  const columns = together ? kernelW : 1;
  const runs: Run[] = [];
  for (let ky = 0; ky < kernelH; ky++)
    for (let kx = 0; kx < kernelW; kx += columns)
      runs.push({
        offset: ky * dilations[0] * rowBytes + kx * dilations[1] * pixelBytes,
        bytes: roundUp(columns * pixelBytes, 16),
        ky,
        kx,
        columns,
      });
  return runs;
}

/** First byte of each output pixel's window, relative to the padded input. */
export function pixelOffsets(
  geometry: Geometry,
  output: { readonly height: number; readonly width: number },
  rowBytes: number,
  pixelBytes: number,
): Int32Array {
  const [strideH, strideW] = geometry.strides;
  return Int32Array.from({ length: output.height * output.width }, (_, pixel) => {
    const y = Math.floor(pixel / output.width);
    return y * strideH * rowBytes + (pixel % output.width) * strideW * pixelBytes;
  });
}
