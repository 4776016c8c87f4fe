import type { Clamp, ConvOperation, FullyConnectedOperation, QuantizedValue } from '../../graph/index.ts';
import { elementCount } from '../../tensor/index.ts';
import { requantize } from '../requantize.ts';
import type { Window } from '../spatial.ts';
import { tapsOf, type Tap } from '../taps.ts';

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
 * with iy = oy · strideH + ky · dilationH − padTop, taps outside the input left out, and y = requantize(acc), at most
 * caps[m]. The sum runs tap by tap along rows of the output; partial sums may wrap in int32, the final one fits.
 */
export function convInt8(operation: ConvOperation, { x, from, to }: Operands): Uint8Array {
  const { weights, group } = operation;
  const { data: w, zeroPoints, bias, multipliers } = weights;
  const [outC = 1, perGroup = 1] = weights.shape;
  const taps = tapsOf(windowOf(operation, from, to));
  const plane = elementCount(from.shape.slice(2));
  const outputPlane = elementCount(to.shape.slice(2));
  const shifted = new Int16Array(x.length);
  for (let i = 0; i < x.length; i++) shifted[i] = x[i]! - from.zeroPoint;
  const acc = new Int32Array(outputPlane);
  const y = new Uint8Array(outC * outputPlane);
  for (let m = 0; m < outC; m++) {
    acc.fill(bias[m]!);
    const firstChannel = Math.floor((m * group) / outC) * perGroup;
    for (let c = 0; c < perGroup; c++) {
      for (let t = 0; t < taps.length; t++) {
        const weight = w[(m * perGroup + c) * taps.length + t]! - zeroPoints[m]!;
        addTap(acc, shifted, (firstChannel + c) * plane, weight, taps[t]!);
      }
    }
    const { qmin, qmax } = clampOf(operation, m);
    for (let o = 0; o < outputPlane; o++)
      y[m * outputPlane + o] = requantize(acc[o]!, multipliers[m]!, to.zeroPoint, qmin, qmax);
  }
  return y;
}

/** The limits of one output channel: min(clamp(q, qmin, qmax), cap) = clamp(q, min(qmin, cap), min(qmax, cap)). */
function clampOf({ clamp, caps }: ConvOperation, channel: number): Clamp {
  const cap = caps?.[channel] ?? 255;
  return { qmin: Math.min(clamp.qmin, cap), qmax: Math.min(clamp.qmax, cap) };
}

/** acc[run] += weight · x[run], for each run of outputs that a tap reaches. */
function addTap(acc: Int32Array, x: Int16Array, plane: number, weight: number, { step, runs }: Tap): void {
  for (let r = 0; r < runs.length; r += 3) {
    const end = runs[r]! + runs[r + 2]!;
    let at = plane + runs[r + 1]!;
    for (let o = runs[r]!; o < end; o++, at += step) acc[o] = (acc[o]! + Math.imul(weight, x[at]!)) | 0;
  }
}

function windowOf(operation: ConvOperation, from: QuantizedValue, to: QuantizedValue): Window {
  const [, , inH = 1, inW = 1] = from.shape;
  const [, , outH = 1, outW = 1] = to.shape;
  const [, , kernelH = 1, kernelW = 1] = operation.weights.shape;
  const [top, left, bottom, right] = operation.pads;
  return {
    input: [1, inH, inW],
    kernel: [1, kernelH, kernelW],
    strides: [1, ...operation.strides],
    dilations: [1, ...operation.dilations],
    padsBegin: [0, top, left],
    padsEnd: [0, bottom, right],
    output: [1, outH, outW],
  };
}

/**
 * Transposed convolution of one NCHW sample: input element (iy, ix) adds to output (iy · strideH + ky · dilationH − padTop, …);
 * weights [inC, outC / group, kH, kW].
 */
export function convTransposeInt8(operation: ConvOperation, { x, from, to }: Operands): Uint8Array {
  const { weights, group } = operation;
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
  const y = new Uint8Array(acc.length);
  for (let i = 0; i < y.length; i++) {
    const m = Math.floor(i / (outH * outW));
    const { qmin, qmax } = clampOf(operation, m);
    y[i] = requantize(acc[i]!, multipliers[m]!, to.zeroPoint, qmin, qmax);
  }
  return y;
}

/** acc[row, n] = bias[n] + Σ over k of (x[row, k] − zx) · (w[n, k] − zw[n]). */
function fullyConnectedSums({ weights }: FullyConnectedOperation, x: Uint8Array, from: QuantizedValue): Int32Array {
  const { data: w, zeroPoints, bias } = weights;
  const [outputs = 1, depth = 1] = weights.shape;
  return Int32Array.from({ length: (x.length / depth) * outputs }, (_, index) => {
    const row = Math.floor(index / outputs);
    const n = index % outputs;
    let acc = bias[n]!;
    for (let k = 0; k < depth; k++)
      acc += (x[row * depth + k]! - from.zeroPoint) * (w[n * depth + k]! - zeroPoints[n]!);
    return acc;
  });
}

/** y[row, n] = requantize(acc[row, n]). */
export function fullyConnectedInt8(operation: FullyConnectedOperation, { x, from, to }: Operands): Uint8Array {
  const { multipliers, bias } = operation.weights;
  const { qmin, qmax } = operation.clamp;
  return Uint8Array.from(fullyConnectedSums(operation, x, from), (acc, index) =>
    requantize(acc, multipliers[index % bias.length]!, to.zeroPoint, qmin, qmax),
  );
}

/** y[row, n] = f32(f32(acc[row, n]) · multipliers[n]): a layer whose result is read in float. */
export function fullyConnectedFloat(
  operation: FullyConnectedOperation,
  x: Uint8Array,
  from: QuantizedValue,
): Float32Array<ArrayBuffer> {
  const { multipliers, bias } = operation.weights;
  return Float32Array.from(
    fullyConnectedSums(operation, x, from),
    (acc, index) => Math.fround(acc) * multipliers[index % bias.length]!,
  );
}
