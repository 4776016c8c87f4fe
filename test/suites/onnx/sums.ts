import { activate } from './activations.ts';
import type { Draft, Image } from './draft.ts';
import { MOST_PRODUCTS, type Layer } from './layer.ts';

/** A sum with another image of the same shape, with a convolution of the image itself, or with a constant. */
export const residual: Layer = (draft, image) => {
  const [channels, height, width] = image.shape;
  const opType = draft.one(['Add', 'Add', 'Add', 'Mul', 'Sub', 'Sum', 'Max']);
  const other = draft.like(image) ?? (draft.chance(0.6) ? sameSize(draft, image) : undefined);
  if (other && draft.chance(0.8)) {
    const names = draft.chance(0.5) ? [image.name, other.name] : [other.name, image.name];
    const sum = draft.layer(opType, names, image.shape);
    if (draft.chance(0.4)) activate(draft, sum);
    return;
  }
  const shapes = [
    [1, channels, 1, 1],
    [channels, 1, 1],
    [],
    [1],
    [1, channels, height, width],
    [height, width],
    [width],
  ];
  const constant = draft.weights(draft.one(shapes), 1);
  draft.layer(opType, draft.chance(0.7) ? [image.name, constant] : [constant, image.name], image.shape);
};

function sameSize(draft: Draft, { name, shape }: Image): Image | undefined {
  const [channels, height, width] = shape;
  const side = draft.one([1, 3]);
  if (side * side * channels * channels * height * width > MOST_PRODUCTS) return undefined;
  const pad = (side - 1) / 2;
  const weights = draft.weights([channels, channels, side, side], 1 / Math.sqrt(side * side * channels));
  return draft.layer('Conv', [name, weights], shape, { pads: [pad, pad, pad, pad] });
}

/** A sum or product of an image and one pixel, one channel, or one row of another. */
export const broadcast: Layer = (draft, image) => {
  const fits = ({ name, shape }: Image): boolean =>
    name !== image.name && shape.every((size, axis) => size === 1 || size === image.shape[axis]);
  const others = draft.images.filter(fits);
  if (others.length === 0) return;
  const { name } = draft.one(others);
  draft.layer(
    draft.one(['Add', 'Mul', 'Mul']),
    draft.chance(0.7) ? [image.name, name] : [name, image.name],
    image.shape,
  );
};

/** Squeeze and excite: an image times a gate a channel made of its own mean. */
export const gate: Layer = (draft, image) => {
  const [channels] = image.shape;
  const inner = draft.integer(1, 16);
  const pooled = draft.emit('GlobalAveragePool', [image.name]);
  const less = draft.emit('Conv', [pooled, draft.weights([inner, channels, 1, 1], 0.5), draft.weights([inner], 0.3)]);
  const relu = draft.emit('Relu', [less]);
  const more = draft.emit('Conv', [relu, draft.weights([channels, inner, 1, 1], 0.5), draft.weights([channels], 0.3)]);
  const gates = draft.emit(draft.one(['Sigmoid', 'HardSigmoid']), [more]);
  draft.layer('Mul', draft.chance(0.5) ? [image.name, gates] : [gates, image.name], image.shape);
};
