import type { ConvOperation, FullyConnectedOperation, QuantizedValue } from '../../graph/index.ts';
import { requantize } from '../requantize.ts';

interface Operands {
  readonly x: Uint8Array;
  readonly from: QuantizedValue;
  readonly to: QuantizedValue;
}

/**
 * Convolution of one NCHW sample, as `ConvOperation` states it:
 *
 *   acc[m, oy, ox] = bias[m] + Σ over c, ky, kx of (x[c, iy, ix] − zx) · (w[m, c, ky, kx] − zw[m])
 *
 * with iy = oy · strideH + ky · dilationH − padTop, taps outside the input left out, and y = requantize(acc).
 */
export function convInt8(operation: ConvOperation, { x, from, to }: Operands): Uint8Array {
  const { weights, group, clamp } = operation;
  const { data: w, zeroPoints, bias, multipliers } = weights;
  const [strideH, strideW] = operation.strides;
  const [dilationH, dilationW] = operation.dilations;
  const [padTop, padLeft] = operation.pads;
  const [, , inH = 1, inW = 1] = from.shape;
  const [, outC = 1, outH = 1, outW = 1] = to.shape;
  const [, perGroup = 1, kernelH = 1, kernelW = 1] = weights.shape;
  const y = new Uint8Array(outC * outH * outW);
  for (let m = 0; m < outC; m++) {
    const firstChannel = Math.floor((m * group) / outC) * perGroup;
    for (let oy = 0; oy < outH; oy++) {
      for (let ox = 0; ox < outW; ox++) {
        let acc = bias[m]!;
        for (let c = 0; c < perGroup; c++) {
          for (let ky = 0; ky < kernelH; ky++) {
            const iy = oy * strideH + ky * dilationH - padTop;
            if (iy < 0 || iy >= inH) continue;
            const row = ((firstChannel + c) * inH + iy) * inW;
            const tap = ((m * perGroup + c) * kernelH + ky) * kernelW;
            for (let kx = 0; kx < kernelW; kx++) {
              const ix = ox * strideW + kx * dilationW - padLeft;
              if (ix >= 0 && ix < inW) acc += (x[row + ix]! - from.zeroPoint) * (w[tap + kx]! - zeroPoints[m]!);
            }
          }
        }
        y[(m * outH + oy) * outW + ox] = requantize(acc, multipliers[m]!, to.zeroPoint, clamp.qmin, clamp.qmax);
      }
    }
  }
  return y;
}

/**
 * Transposed convolution of one NCHW sample: input element (iy, ix) adds to output (iy · strideH + ky · dilationH − padTop, …);
 * weights [inC, outC / group, kH, kW].
 */
export function convTransposeInt8(operation: ConvOperation, { x, from, to }: Operands): Uint8Array {
  const { weights, group, clamp } = operation;
  const { data: w, zeroPoints, bias, multipliers } = weights;
  const [strideH, strideW] = operation.strides;
  const [dilationH, dilationW] = operation.dilations;
  const [padTop, padLeft] = operation.pads;
  const [, inC = 1, inH = 1, inW = 1] = from.shape;
  const [, outC = 1, outH = 1, outW = 1] = to.shape;
  const [, perGroup = 1, kernelH = 1, kernelW = 1] = weights.shape;
  const acc = new Int32Array(outC * outH * outW);
  for (let m = 0; m < outC; m++) {
    const plane = acc.subarray(m * outH * outW, (m + 1) * outH * outW).fill(bias[m]!);
    const g = Math.floor(m / perGroup);
    for (let c = (g * inC) / group; c < ((g + 1) * inC) / group; c++) {
      for (let ky = 0; ky < kernelH; ky++) {
        for (let kx = 0; kx < kernelW; kx++) {
          const weight = w[((c * perGroup + (m % perGroup)) * kernelH + ky) * kernelW + kx]! - zeroPoints[m]!;
          for (let iy = 0; iy < inH; iy++) {
            const oy = iy * strideH + ky * dilationH - padTop;
            if (oy < 0 || oy >= outH) continue;
            for (let ix = 0; ix < inW; ix++) {
              const ox = ix * strideW + kx * dilationW - padLeft;
              if (ox >= 0 && ox < outW)
                plane[oy * outW + ox]! += (x[(c * inH + iy) * inW + ix]! - from.zeroPoint) * weight;
            }
          }
        }
      }
    }
  }
  return Uint8Array.from(acc, (sum, index) =>
    requantize(sum, multipliers[Math.floor(index / (outH * outW))]!, to.zeroPoint, clamp.qmin, clamp.qmax),
  );
}

/** y[row, n] = requantize(bias[n] + Σ over k of (x[row, k] − zx) · (w[n, k] − zw[n])). */
export function fullyConnectedInt8(operation: FullyConnectedOperation, { x, from, to }: Operands): Uint8Array {
  const { weights, clamp } = operation;
  const { data: w, zeroPoints, bias, multipliers } = weights;
  const [outputs = 1, depth = 1] = weights.shape;
  const rows = x.length / depth;
  const y = new Uint8Array(rows * outputs);
  for (let row = 0; row < rows; row++) {
    for (let n = 0; n < outputs; n++) {
      let acc = bias[n]!;
      for (let k = 0; k < depth; k++)
        acc += (x[row * depth + k]! - from.zeroPoint) * (w[n * depth + k]! - zeroPoints[n]!);
      y[row * outputs + n] = requantize(acc, multipliers[n]!, to.zeroPoint, clamp.qmin, clamp.qmax);
    }
  }
  return y;
}
