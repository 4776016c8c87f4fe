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
 * All in float32, each product and each sum rounded: the bias first, then tap by tap in the order of the weights, the channels
 * of a tap in theirs. The loops run along rows of the output, four input channels in one pass.
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
      // a bias of −0 counts as 0, so that no product of 0 can change a sum
      if (bias) out.fill(bias[m]! + 0);
      const firstChannel = n * channels + Math.floor(m / filtersPerGroup) * perGroup;
      const planes = { x: x.data, from: firstChannel * plane, plane };
      for (const [t, tap] of taps.entries()) {
        const weight = (c: number): number => w.data[(m * perGroup + c) * taps.length + t]!;
        let c = 0;
        for (; c + 4 <= perGroup; c += 4)
          addFourChannels(out, planes, tap, {
            first: c,
            weights: [weight(c), weight(c + 1), weight(c + 2), weight(c + 3)],
          });
        for (; c < perGroup; c++) addChannel(out, planes, tap, { first: c, weights: [weight(c)] });
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

/** Channels that follow each other from `first` on, and the weights that they meet at one tap. */
interface Channels {
  readonly first: number;
  readonly weights: readonly number[];
}

const f32 = Math.fround;

/** out[run] += w · x[run]. */
function addChannel(out: Float32Array, { x, from, plane }: Planes, { step, runs }: Tap, channels: Channels): void {
  const [weight = 0] = channels.weights;
  for (let r = 0; r < runs.length; r += 3) {
    const to = runs[r]!;
    const end = to + runs[r + 2]!;
    let at = from + channels.first * plane + runs[r + 1]!;
    for (let o = to; o < end; o++, at += step) out[o]! += f32(weight * x[at]!);
  }
}

/** The same for four channels, one after the other. */
function addFourChannels(out: Float32Array, { x, from, plane }: Planes, { step, runs }: Tap, channels: Channels): void {
  const [w0 = 0, w1 = 0, w2 = 0, w3 = 0] = channels.weights;
  for (let r = 0; r < runs.length; r += 3) {
    const to = runs[r]!;
    const end = to + runs[r + 2]!;
    let at = from + channels.first * plane + runs[r + 1]!;
    for (let o = to; o < end; o++, at += step) {
      const one = f32(out[o]! + f32(w0 * x[at]!));
      const two = f32(one + f32(w1 * x[at + plane]!));
      const three = f32(two + f32(w2 * x[at + 2 * plane]!));
      out[o] = three + f32(w3 * x[at + 3 * plane]!);
    }
  }
}
