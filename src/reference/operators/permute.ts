import { numberAttribute, numbersAttribute, stringAttribute } from '../../graph/index.ts';
import { rowMajorStrides, type Shape, type Tensor } from '../../tensor/index.ts';
import { requiredInput, type Kernel } from '../kernel.ts';
import { gatherElements, stridedIndices } from './indices.ts';
import { reshaped } from './shape.ts';

export const transpose: Kernel = (node, inputs) => {
  const x = requiredInput(node, inputs, 0);
  const perm = numbersAttribute(node, 'perm', x.shape.map((_, axis) => axis).reverse());
  const strides = rowMajorStrides(x.shape);
  const shape = perm.map((axis) => x.shape[axis] ?? 1);
  return [
    gatherElements(
      x,
      shape,
      stridedIndices(
        shape,
        perm.map((axis) => strides[axis] ?? 0),
      ),
    ),
  ];
};

/** Channels to blocks of pixels; mode DCR takes the block from the slowest part of the channels, CRD from the fastest. */
export const depthToSpace: Kernel = (node, inputs) => {
  const x = requiredInput(node, inputs, 0);
  const block = numberAttribute(node, 'blocksize');
  const [n = 1, c = 1, h = 1, w = 1] = x.shape;
  const inner = c / (block * block);
  const dcr = stringAttribute(node, 'mode', 'DCR') === 'DCR';
  const from = dcr ? [n, block, block, inner, h, w] : [n, inner, block, block, h, w];
  const perm = dcr ? [0, 3, 4, 1, 5, 2] : [0, 1, 4, 2, 5, 3];
  return [reshaped(permuted(x, from, perm), [n, inner, h * block, w * block])];
};

export const spaceToDepth: Kernel = (node, inputs) => {
  const x = requiredInput(node, inputs, 0);
  const block = numberAttribute(node, 'blocksize');
  const [n = 1, c = 1, h = 1, w = 1] = x.shape;
  const moved = permuted(x, [n, c, h / block, block, w / block, block], [0, 3, 5, 1, 2, 4]);
  return [reshaped(moved, [n, c * block * block, h / block, w / block])];
};

function permuted(x: Tensor, from: Shape, perm: readonly number[]): Tensor {
  const strides = rowMajorStrides(from);
  const shape = perm.map((axis) => from[axis] ?? 1);
  return gatherElements(
    x,
    shape,
    stridedIndices(
      shape,
      perm.map((axis) => strides[axis] ?? 0),
    ),
  );
}
