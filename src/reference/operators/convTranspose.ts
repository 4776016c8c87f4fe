import { numberAttribute, numbersAttribute, stringAttribute, type Node } from '../../graph/index.ts';
import { tensor } from '../../tensor/index.ts';
import { floatInput, optionalFloat, type Kernel } from '../kernel.ts';
import { invalid, kernelExtent } from '../spatial.ts';

export interface TransposedWindow {
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Begin of every dimension; what the end cuts follows from `output`. */
  readonly padsBegin: readonly number[];
  readonly output: readonly number[];
}

/** output = stride · (input − 1) + output_padding + extent − pads, or `output_shape` with the pads derived from it. */
export function transposedWindow(node: Node, spatial: readonly number[], kernel: readonly number[]): TransposedWindow {
  const rank = spatial.length;
  const strides = numbersAttribute(node, 'strides', new Array<number>(rank).fill(1));
  const dilations = numbersAttribute(node, 'dilations', new Array<number>(rank).fill(1));
  const extra = numbersAttribute(node, 'output_padding', new Array<number>(rank).fill(0));
  const auto = stringAttribute(node, 'auto_pad', 'NOTSET');
  const full = spatial.map(
    (size, d) => (strides[d] ?? 1) * (size - 1) + (extra[d] ?? 0) + kernelExtent(kernel[d] ?? 1, dilations[d] ?? 1),
  );
  const wanted = node.attributes.has('output_shape')
    ? numbersAttribute(node, 'output_shape').slice(-rank)
    : auto === 'SAME_UPPER' || auto === 'SAME_LOWER'
      ? spatial.map((size, d) => size * (strides[d] ?? 1))
      : undefined;
  if (wanted) {
    const padsBegin = full.map((size, d) => {
      const total = Math.max(0, size - (wanted[d] ?? size));
      const half = Math.floor(total / 2);
      return auto === 'SAME_UPPER' ? half : total - half;
    });
    return { strides, dilations, padsBegin, output: wanted };
  }
  const pads = auto === 'VALID' ? [] : numbersAttribute(node, 'pads', []);
  const output = full.map((size, d) => size - (pads[d] ?? 0) - (pads[d + rank] ?? 0));
  return { strides, dilations, padsBegin: spatial.map((_, d) => pads[d] ?? 0), output };
}

/**
 * The transpose of Conv: y[n, m, i · stride + k · dilation − pad] += x[n, c, i] · w[c, m, k].
 *
 * Inputs: x [N, C, …], w [C, M / group, …], bias [M].
 *
 * All in float32 as `conv` has it, over the input spread by the strides and the kernel turned round: the bias first, then taps from
 * the last to the first, the channels of a tap in their order.
 */
export const convTranspose: Kernel = (node, inputs) => {
  const x = floatInput(node, inputs, 0);
  const w = floatInput(node, inputs, 1);
  const bias = optionalFloat(inputs, 2);
  const [batch = 1, channels = 1, ...spatial] = x.shape;
  const [weightChannels = 1, perGroup = 1, ...kernel] = w.shape;
  const group = numberAttribute(node, 'group', 1);
  if (weightChannels !== channels || channels % group !== 0 || spatial.length > 3 || spatial.length < 1)
    throw invalid(node, `has input [${x.shape.join(', ')}], weights [${w.shape.join(', ')}] and ${group} groups`);
  const window = transposedWindow(node, spatial, kernel);
  const filters = perGroup * group;
  const y = tensor('float32', [batch, filters, ...window.output]);
  const outputPlane = window.output.reduce((a, b) => a * b, 1);
  const places = spatial.reduce((a, b) => a * b, 1);
  const taps = kernel.reduce((a, b) => a * b, 1);
  const targets = scatterIndices(spatial, kernel, window);
  for (let n = 0; n < batch; n++) {
    for (let m = 0; m < filters; m++) {
      const out = y.data.subarray((n * filters + m) * outputPlane, (n * filters + m + 1) * outputPlane);
      if (bias) out.fill(bias[m]! + 0);
      const g = Math.floor(m / perGroup);
      for (let tap = taps - 1; tap >= 0; tap--) {
        for (let c = (g * channels) / group; c < ((g + 1) * channels) / group; c++) {
          const weight = w.data[(c * perGroup + (m % perGroup)) * taps + tap]!;
          const from = (n * channels + c) * places;
          for (let place = 0; place < places; place++) {
            const target = targets[place * taps + tap]!;
            if (target >= 0) out[target]! += Math.fround(x.data[from + place]! * weight);
          }
        }
      }
    }
  }
  return [y];
};

/** Output index that tap k of input place i adds to, or −1 where it is cut away: [places · taps]. */
export function scatterIndices(
  spatial: readonly number[],
  kernel: readonly number[],
  window: TransposedWindow,
): Int32Array {
  let indices = Int32Array.of(0);
  let places = 1;
  let taps = 1;
  for (const [d, size] of spatial.entries()) {
    const kernelSize = kernel[d] ?? 1;
    const next = new Int32Array(places * size * taps * kernelSize);
    for (let place = 0; place < places; place++)
      for (let i = 0; i < size; i++)
        for (let tap = 0; tap < taps; tap++)
          for (let k = 0; k < kernelSize; k++) {
            const at = i * (window.strides[d] ?? 1) + k * (window.dilations[d] ?? 1) - (window.padsBegin[d] ?? 0);
            const outer = indices[place * taps + tap]!;
            const extent = window.output[d] ?? 0;
            const inside = outer >= 0 && at >= 0 && at < extent;
            next[(place * size + i) * taps * kernelSize + tap * kernelSize + k] = inside ? outer * extent + at : -1;
          }
    indices = next;
    places *= size;
    taps *= kernelSize;
  }
  return indices;
}
