import { paddedInput, type Border } from '../../paddedInput.ts';
import { asBytes, type FloatImage } from '../image.ts';
import type { Product, Run, Units } from '../product/product.ts';
import type { FloatWindow } from './window.ts';

/** Pixels of a unit where rows of the output follow each other in the input without a gap. */
const STRETCH = 32;

export interface FloatConv {
  readonly window: FloatWindow;
  readonly input: FloatImage;
  readonly output: FloatImage;
  /** What is put around the input, and between its pixels. */
  readonly border: Border;
  readonly group: number;
  /** Input channels of a group. */
  readonly perGroup: number;
  /** As ONNX has them: [M, perGroup, kernelH, kernelW]. */
  readonly weights: Float32Array;
  readonly bias: Float32Array | undefined;
}

/** A convolution as a product: which floats of the input meet which rows of the weights. Rows are in the order of taps, then channels. */
export function geometryOf({ window, border, input, output, group, perGroup }: FloatConv): Omit<Product, 'bias'> {
  const { kernel, strides, dilations } = window;
  const pixelBytes = input.channels * 4;
  const padded = paddedInput(asBytes(input), border);
  const rowBytes = padded.width * pixelBytes;
  const total = output.height * output.width;
  const pixelStep = strides[1] * pixelBytes;
  const inPlace = padded.scratchBytes === 0 && [...kernel, ...strides].every((size) => size === 1);
  const stretch = Math.min(STRETCH, total);
  const units: Units = inPlace
    ? { count: Math.ceil(total / stretch), pixels: stretch, total, step: stretch * pixelStep }
    : { count: output.height, pixels: output.width, total, step: strides[0] * rowBytes };
  const whole = group === 1 && dilations[1] === 1;
  const runs = Array.from({ length: kernel[0] }, (_, ky): Run[] => {
    const row = ky * dilations[0] * rowBytes;
    if (whole) return [{ offset: row, length: kernel[1] * perGroup }];
    return Array.from({ length: kernel[1] }, (_, kx) => ({
      offset: row + kx * dilations[1] * pixelBytes,
      length: perGroup,
    }));
  }).flat();
  return {
    units,
    pixelStep,
    runs,
    groups: { count: group, step: perGroup * 4 },
    columns: output.channels / group,
  };
}
