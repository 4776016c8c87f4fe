import type { AveragePoolOperation, MaxPoolOperation, QuantizedValue } from '../../graph/index.ts';
import { requantize } from '../requantize.ts';

interface Operands {
  readonly x: Uint8Array;
  readonly from: QuantizedValue;
  readonly to: QuantizedValue;
}

/** Output height and width of a window over an NCHW sample. */
export function pooledSize(operation: MaxPoolOperation | AveragePoolOperation, from: QuantizedValue): [number, number] {
  const [dilationH, dilationW] = operation.kind === 'maxPool' ? operation.dilations : [1, 1];
  const [top, left, bottom, right] = operation.pads;
  const [, , height = 1, width = 1] = from.shape;
  const [kernelH, kernelW] = operation.kernel;
  const [strideH, strideW] = operation.strides;
  return [
    Math.floor((height + top + bottom - (kernelH - 1) * dilationH - 1) / strideH) + 1,
    Math.floor((width + left + right - (kernelW - 1) * dilationW - 1) / strideW) + 1,
  ];
}

/** The largest byte under each window; taps outside the input are left out, and an empty window gives the zero point. */
export function maxPoolInt8(operation: MaxPoolOperation, { x, from }: Operands): Uint8Array {
  const [, channels = 1, inH = 1, inW = 1] = from.shape;
  const [outH, outW] = pooledSize(operation, from);
  const [kernelH, kernelW] = operation.kernel;
  const y = new Uint8Array(channels * outH * outW);
  for (let c = 0; c < channels; c++) {
    for (let oy = 0; oy < outH; oy++) {
      for (let ox = 0; ox < outW; ox++) {
        let best = -1;
        for (let ky = 0; ky < kernelH; ky++) {
          const iy = oy * operation.strides[0] + ky * operation.dilations[0] - operation.pads[0];
          if (iy < 0 || iy >= inH) continue;
          for (let kx = 0; kx < kernelW; kx++) {
            const ix = ox * operation.strides[1] + kx * operation.dilations[1] - operation.pads[1];
            if (ix >= 0 && ix < inW) best = Math.max(best, x[(c * inH + iy) * inW + ix]!);
          }
        }
        y[(c * outH + oy) * outW + ox] = best < 0 ? from.zeroPoint : best;
      }
    }
  }
  return y;
}

/**
 * y = requantize(Σ (x − zx), f32(f32(scaleX / scaleY) / count)) over the taps inside the input; count is their number, or
 * with countIncludePad the kernel's size. Without any tap the sum is 0 and the count 1.
 */
export function averagePoolInt8(operation: AveragePoolOperation, { x, from, to }: Operands): Uint8Array {
  const [, channels = 1, inH = 1, inW = 1] = from.shape;
  const [outH, outW] = pooledSize(operation, from);
  const [kernelH, kernelW] = operation.kernel;
  const ratio = Math.fround(from.scale / to.scale);
  const { qmin, qmax } = operation.clamp;
  const y = new Uint8Array(channels * outH * outW);
  for (let c = 0; c < channels; c++) {
    for (let oy = 0; oy < outH; oy++) {
      for (let ox = 0; ox < outW; ox++) {
        let acc = 0;
        let taps = 0;
        for (let ky = 0; ky < kernelH; ky++) {
          const iy = oy * operation.strides[0] + ky - operation.pads[0];
          if (iy < 0 || iy >= inH) continue;
          for (let kx = 0; kx < kernelW; kx++) {
            const ix = ox * operation.strides[1] + kx - operation.pads[1];
            if (ix < 0 || ix >= inW) continue;
            acc += x[(c * inH + iy) * inW + ix]! - from.zeroPoint;
            taps++;
          }
        }
        const count = operation.countIncludePad ? kernelH * kernelW : Math.max(taps, 1);
        y[(c * outH + oy) * outW + ox] = requantize(acc, Math.fround(ratio / count), to.zeroPoint, qmin, qmax);
      }
    }
  }
  return y;
}
