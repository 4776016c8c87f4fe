import { f } from '../../transform/support/build.ts';
import { activate } from './activations.ts';
import type { Draft, Image } from './draft.ts';
import { MOST_ELEMENTS, MOST_PRODUCTS, type Attributes, type Layer } from './layer.ts';
import { axisOf, geometry, windowed, type Axis } from './windows.ts';

/** Widths that kernels take in one step, and those that they do not. */
export function channelCount(draft: Draft): number {
  return draft.chance(0.4) ? draft.one([8, 16, 32, 48, 64]) : draft.integer(1, draft.chance(0.3) ? 70 : 20);
}

export const conv: Layer = (draft, { name, shape: [channels, height, width] }) => {
  const side = draft.one([1, 1, 3, 3, 3, 5, 7]);
  const kernel = draft.chance(0.85) ? [side, side] : [side, draft.one([1, 2, 3, 4])];
  const divisors = [1, 2, 3, 4, 5, 8].filter((count) => channels % count === 0);
  const group = draft.one([1, 1, 1, channels, channels, draft.one(divisors)]);
  const outChannels = group === 1 ? channelCount(draft) : group * draft.one([1, 1, 1, channels / group, 2, 3]);
  const axes: [Axis, Axis] = [axisOf(draft, kernel[0]!), axisOf(draft, kernel[1]!)];
  if (draft.chance(0.7))
    axes[1] = { ...axes[0], ...(kernel[0] === kernel[1] ? {} : { begin: axes[1].begin, end: axes[1].end }) };
  const attributes: Attributes = { ...geometry(kernel, axes), group };
  let sizes = [windowed(height, kernel[0]!, axes[0]), windowed(width, kernel[1]!, axes[1])];
  if (draft.chance(0.1)) {
    delete attributes['pads'];
    attributes['auto_pad'] = draft.one(['SAME_UPPER', 'SAME_LOWER']);
    attributes['dilations'] = [1, 1];
    sizes = [Math.ceil(height / axes[0].stride), Math.ceil(width / axes[1].stride)];
  }
  const [outHeight = 0, outWidth = 0] = sizes;
  const perPixel = (kernel[0]! * kernel[1]! * channels * outChannels) / group;
  if (outHeight < 1 || outWidth < 1 || outChannels > 80) return;
  if (perPixel * outHeight * outWidth > MOST_PRODUCTS || outChannels * outHeight * outWidth > MOST_ELEMENTS) return;
  const scale = draft.one([0.3, 1, 2]) / Math.sqrt((kernel[0]! * kernel[1]! * channels) / group);
  const weights = draft.weights([outChannels, channels / group, ...kernel], scale);
  const bias = draft.chance(0.6) ? [draft.weights([outChannels], 0.5)] : [];
  let image = draft.layer('Conv', [name, weights, ...bias], [outChannels, outHeight, outWidth], attributes);
  if (draft.chance(0.4)) image = normalize(draft, image);
  if (draft.chance(0.5)) activate(draft, image);
};

export const convTranspose: Layer = (draft, { name, shape: [channels, height, width] }) => {
  const kernel = draft.one([2, 3, 4]);
  const stride = draft.one([1, 2, 2, 3]);
  const group = draft.one([1, 1, channels]);
  const out = group === 1 ? draft.integer(1, 24) : group;
  const begin = draft.integer(0, kernel - 1);
  const end = draft.integer(0, kernel - 1);
  const more = draft.integer(0, stride - 1);
  const sizes = [height, width].map((size) => (size - 1) * stride + more + kernel - begin - end);
  const [outHeight = 0, outWidth = 0] = sizes;
  if (outHeight < 1 || outWidth < 1 || outHeight * outWidth * out > MOST_ELEMENTS) return;
  if ((kernel * kernel * channels * out * height * width) / group > MOST_PRODUCTS) return;
  const weights = draft.weights([channels, out / group, kernel, kernel], 0.5);
  const bias = draft.chance(0.6) ? [draft.weights([out], 0.5)] : [];
  const image = draft.layer('ConvTranspose', [name, weights, ...bias], [out, outHeight, outWidth], {
    ...{ strides: [stride, stride], pads: [begin, begin, end, end], output_padding: [more, more], group },
  });
  if (draft.chance(0.3)) normalize(draft, image);
};

export function normalize(draft: Draft, { name, shape }: Image): Image {
  const [channels] = shape;
  const parts = [draft.weights([channels], 1), draft.weights([channels], 0.5), draft.weights([channels], 0.5)];
  return draft.layer('BatchNormalization', [name, ...parts, draft.positive([channels])], shape, {
    epsilon: f(1e-3),
  });
}

/** A fully connected layer, back in the form of an image of one pixel. */
export const dense: Layer = (draft, { name, shape }) => {
  const depth = shape[0] * shape[1] * shape[2];
  if (depth > 3000) return;
  const units = channelCount(draft);
  const scale = 1 / Math.sqrt(depth);
  const flat = draft.chance(0.6)
    ? draft.emit('Flatten', [name], { axis: 1 })
    : draft.emit('Reshape', [name, draft.integers(0, -1)]);
  let sum: string;
  if (draft.chance(0.6)) {
    const transB = draft.integer(0, 1);
    const weights = draft.weights(transB ? [units, depth] : [depth, units], scale);
    const bias = draft.chance(0.7) ? [draft.weights([units], 0.5)] : [];
    const factors = draft.chance(0.1) ? { alpha: f(0.5), beta: f(2) } : {};
    sum = draft.emit('Gemm', [flat, weights, ...bias], { transB, ...factors });
  } else {
    sum = draft.emit('MatMul', [flat, draft.weights([depth, units], scale)]);
    if (draft.chance(0.7)) sum = draft.emit('Add', [sum, draft.weights([units], 0.5)]);
  }
  draft.layer('Reshape', [sum, draft.integers(0, units, 1, 1)], [units, 1, 1]);
};
