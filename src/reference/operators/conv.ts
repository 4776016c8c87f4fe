import { numberAttribute } from '../../graph/index.ts';
import { tensor } from '../../tensor/index.ts';
import { floatInput, optionalFloat, type Kernel } from '../kernel.ts';
import { invalid, spatialShape, validRange, windowOf, type Window } from '../spatial.ts';

/**
 * y[n, m, o] = bias[m] + Σ over c, k of x[n, c, o · stride + k · dilation − pad] · w[m, c, k]; 1 to 3 spatial dimensions,
 * groups, padding contributes 0.
 *
 * Inputs: x [N, C, …], w [M, C / group, …], bias [M].
 */
export const conv: Kernel = (node, inputs) => {
  const x = floatInput(node, inputs, 0);
  const w = floatInput(node, inputs, 1);
  const bias = optionalFloat(inputs, 2);
  const [batch = 1, channels = 1, ...spatial] = x.shape;
  const [filters = 1, perGroup = 1, ...kernel] = w.shape;
  const group = numberAttribute(node, 'group', 1);
  if (perGroup * group !== channels || filters % group !== 0)
    throw invalid(node, `has ${channels} channels in ${group} groups, but weights [${w.shape.join(', ')}]`);
  const window = windowOf(node, spatial, kernel);
  const y = tensor('float32', [batch, filters, ...spatialShape(window, spatial.length)]);
  const inputPlane = volume(window.input);
  const outputPlane = volume(window.output);
  const taps = volume(window.kernel);
  const filtersPerGroup = filters / group;
  for (let n = 0; n < batch; n++) {
    for (let m = 0; m < filters; m++) {
      const out = y.data.subarray((n * filters + m) * outputPlane, (n * filters + m + 1) * outputPlane);
      if (bias) out.fill(bias[m]!);
      const firstChannel = Math.floor(m / filtersPerGroup) * perGroup;
      for (let c = 0; c < perGroup; c++) {
        const from = (n * channels + firstChannel + c) * inputPlane;
        addPlane(window, x.data.subarray(from, from + inputPlane), w.data, (m * perGroup + c) * taps, out);
      }
    }
  }
  return [y];
};

const volume = (dims: readonly [number, number, number]): number => dims[0] * dims[1] * dims[2];

/** Adds one input channel's share, tap by tap, so that the innermost loop runs along a row. */
function addPlane(window: Window, x: Float32Array, w: Float32Array, wAt: number, out: Float32Array): void {
  const [kernelD, kernelH, kernelW] = window.kernel;
  let at = wAt;
  for (let kd = 0; kd < kernelD; kd++) {
    for (let kh = 0; kh < kernelH; kh++) {
      for (let kw = 0; kw < kernelW; kw++, at++) {
        const weight = w[at]!;
        if (weight !== 0) addTap(window, x, weight, [kd, kh, kw], out);
      }
    }
  }
}

function addTap(
  window: Window,
  x: Float32Array,
  weight: number,
  tap: readonly [number, number, number],
  out: Float32Array,
): void {
  const [, inH, inW] = window.input;
  const [, outH, outW] = window.output;
  const [strideD, strideH, strideW] = window.strides;
  const [firstD, endD] = validRange(window, 0, tap[0]);
  const [firstH, endH] = validRange(window, 1, tap[1]);
  const [firstW, endW] = validRange(window, 2, tap[2]);
  const offsetD = tap[0] * window.dilations[0] - window.padsBegin[0];
  const offsetH = tap[1] * window.dilations[1] - window.padsBegin[1];
  const offsetW = tap[2] * window.dilations[2] - window.padsBegin[2];
  for (let d = firstD; d < endD; d++) {
    for (let h = firstH; h < endH; h++) {
      const row = ((d * strideD + offsetD) * inH + h * strideH + offsetH) * inW + offsetW;
      const outRow = (d * outH + h) * outW;
      if (strideW === 1) for (let o = firstW; o < endW; o++) out[outRow + o]! += weight * x[row + o]!;
      else for (let o = firstW; o < endW; o++) out[outRow + o]! += weight * x[row + o * strideW]!;
    }
  }
}
