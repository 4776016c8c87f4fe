import { numberAttribute } from '../../graph/index.ts';
import { tensor } from '../../tensor/index.ts';
import { floatInput, optionalFloat, type Kernel } from '../kernel.ts';
import { invalid, spatialShape, windowOf, type Triple } from '../spatial.ts';
import { tapsOf, type Tap } from '../taps.ts';

/**
 * y[n, m, o] = bias[m] + Σ over c, k of x[n, c, o · stride + k · dilation − pad] · w[m, c, k]; 1 to 3 spatial dimensions,
 * groups, padding contributes 0.
 *
 * Inputs: x [N, C, …], w [M, C / group, …], bias [M].
 *
 * The sum runs tap by tap along rows of the output, four input channels at a time; four products are added in float64
 * before they are rounded into the float32 sum.
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
  const plane = volume(window.input);
  const outputPlane = volume(window.output);
  const taps = tapsOf(window);
  const filtersPerGroup = filters / group;
  for (let n = 0; n < batch; n++) {
    for (let m = 0; m < filters; m++) {
      const out = y.data.subarray((n * filters + m) * outputPlane, (n * filters + m + 1) * outputPlane);
      if (bias) out.fill(bias[m]!);
      const firstChannel = n * channels + Math.floor(m / filtersPerGroup) * perGroup;
      for (let c = 0; c < perGroup;) {
        const place = { x: x.data, from: (firstChannel + c) * plane, plane };
        const weights = w.data.subarray((m * perGroup + c) * taps.length, (m * perGroup + c + 4) * taps.length);
        if (c + 4 <= perGroup) {
          addFourChannels(out, place, weights, taps);
          c += 4;
        } else {
          addChannel(out, place, weights, taps);
          c++;
        }
      }
    }
  }
  return [y];
};

const volume = (dims: Triple): number => dims[0] * dims[1] * dims[2];

/** Input planes of `plane` elements each, the first of them at `from`. */
interface Planes {
  readonly x: Float32Array;
  readonly from: number;
  readonly plane: number;
}

/** out[run] += w[tap] · x[run]. */
function addChannel(out: Float32Array, { x, from }: Planes, w: Float32Array, taps: readonly Tap[]): void {
  for (let t = 0; t < taps.length; t++) {
    const { step, runs } = taps[t]!;
    const weight = w[t]!;
    for (let r = 0; r < runs.length; r += 3) {
      const to = runs[r]!;
      const count = runs[r + 2]!;
      const at = from + runs[r + 1]!;
      for (let i = 0; i < count; i++) out[to + i]! += weight * x[at + i * step]!;
    }
  }
}

/** The same for four channels that follow each other; w is [4, taps]. */
function addFourChannels(out: Float32Array, { x, from, plane }: Planes, w: Float32Array, taps: readonly Tap[]): void {
  const count = taps.length;
  for (let t = 0; t < count; t++) {
    const { step, runs } = taps[t]!;
    const w0 = w[t]!;
    const w1 = w[t + count]!;
    const w2 = w[t + 2 * count]!;
    const w3 = w[t + 3 * count]!;
    for (let r = 0; r < runs.length; r += 3) {
      const to = runs[r]!;
      const end = to + runs[r + 2]!;
      let at = from + runs[r + 1]!;
      for (let o = to; o < end; o++, at += step)
        out[o]! += w0 * x[at]! + w1 * x[at + plane]! + w2 * x[at + 2 * plane]! + w3 * x[at + 3 * plane]!;
    }
  }
}
