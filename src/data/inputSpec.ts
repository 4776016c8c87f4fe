import { AppError } from '../base/index.ts';
import { formatShape, type Shape } from '../tensor/index.ts';
import type { InputSpec } from './dataset.ts';

const imageChannels: readonly number[] = [1, 3];

/**
 * A network input as one sample's: the free batch (−1) becomes 1. The layout of a rank-4 input is NHWC when only its last
 * dimension is a channel count of images, else NCHW.
 *
 * @throws AppError MODEL_OUT_OF_SCOPE for an element type that no data set can feed
 */
export function inputSpecOf(input: {
  readonly name: string;
  readonly dtype: string;
  readonly shape: Shape;
}): InputSpec {
  const { name, dtype } = input;
  if (dtype !== 'float32' && dtype !== 'uint8')
    throw new AppError(
      'MODEL_OUT_OF_SCOPE',
      `Input '${name}' ${formatShape(input.shape)} is ${dtype}; samples are fed as float32 or uint8.`,
    );
  const shape = input.shape.map((dim, axis) => (axis === 0 && dim === -1 ? 1 : dim));
  const isNhwc = shape.length === 4 && imageChannels.includes(shape[3] ?? 0) && !imageChannels.includes(shape[1] ?? 0);
  return { name, dtype, shape, layout: isNhwc ? 'NHWC' : 'NCHW' };
}
