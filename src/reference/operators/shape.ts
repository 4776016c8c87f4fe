import { numberAttribute } from '../../graph/index.ts';
import { elementCount, tensor, type Shape, type Tensor } from '../../tensor/index.ts';
import { integersOf, requiredInput, resolveAxis, type Kernel } from '../kernel.ts';
import { invalid } from '../spatial.ts';

/** The same elements in another shape. */
export function reshaped(x: Tensor, shape: Shape): Tensor {
  return { ...x, shape };
}

/** 0 copies the input's dimension (unless allowzero), one −1 takes what is left. */
export const reshape: Kernel = (node, inputs) => {
  const x = requiredInput(node, inputs, 0);
  const wanted = integersOf(requiredInput(node, inputs, 1));
  const allowZero = numberAttribute(node, 'allowzero', 0) !== 0;
  const dims = wanted.map((dim, axis) => (dim === 0 && !allowZero ? (x.shape[axis] ?? 1) : dim));
  const known = elementCount(dims.filter((dim) => dim !== -1));
  const shape = dims.map((dim) => (dim === -1 ? (known === 0 ? 0 : x.data.length / known) : dim));
  if (elementCount(shape) !== x.data.length)
    throw invalid(node, `cannot give [${x.shape.join(', ')}] the shape [${wanted.join(', ')}]`);
  return [reshaped(x, shape)];
};

export const flatten: Kernel = (node, inputs) => {
  const x = requiredInput(node, inputs, 0);
  const axis = numberAttribute(node, 'axis', 1);
  const split = axis < 0 ? axis + x.shape.length : axis;
  return [reshaped(x, [elementCount(x.shape.slice(0, split)), elementCount(x.shape.slice(split))])];
};

export const squeeze: Kernel = (node, inputs) => {
  const x = requiredInput(node, inputs, 0);
  const axes = inputs[1] && integersOf(inputs[1]).map((axis) => resolveAxis(node, axis, x.shape.length));
  return [
    reshaped(
      x,
      x.shape.filter((dim, axis) => (axes ? !axes.includes(axis) : dim !== 1)),
    ),
  ];
};

export const unsqueeze: Kernel = (node, inputs) => {
  const x = requiredInput(node, inputs, 0);
  const added = integersOf(requiredInput(node, inputs, 1));
  const rank = x.shape.length + added.length;
  const axes = new Set(added.map((axis) => resolveAxis(node, axis, rank)));
  const rest = [...x.shape];
  return [
    reshaped(
      x,
      Array.from({ length: rank }, (_, axis) => (axes.has(axis) ? 1 : (rest.shift() ?? 1))),
    ),
  ];
};

export const identity: Kernel = (node, inputs) => [requiredInput(node, inputs, 0)];

/** Inference keeps everything: the input, and a mask of ones. */
export const dropout: Kernel = (node, inputs) => {
  const x = requiredInput(node, inputs, 0);
  return node.outputs.length > 1 ? [x, tensor('bool', x.shape, new Uint8Array(x.data.length).fill(1))] : [x];
};
