import { tensorAttribute } from '../../graph/index.ts';
import { formatShape } from '../../tensor/index.ts';
import { integers, mismatch, need, type ShapeRule } from './rule.ts';

export const constantOfShape: ShapeRule = (node, inputs) => {
  const shape = integers(node, inputs, 0, 'dimensions');
  if (shape.some((size) => !(size >= 0))) throw mismatch(node, `shape ${formatShape(shape)} has a negative dimension`);
  const value = tensorAttribute(node, 'value');
  if (value && value.data.length !== 1)
    throw mismatch(node, `value has ${value.data.length} elements; it must have one`);
  return [{ dtype: value?.dtype ?? 'float32', shape }];
};

export const range: ShapeRule = (node, inputs) => {
  const [start = 0, limit = 0, step = 1] = [0, 1, 2].map((index) => integers(node, inputs, index, 'bounds')[0]);
  const count = Math.max(0, Math.ceil((limit - start) / step));
  if (!Number.isFinite(count)) throw mismatch(node, `from ${start} to ${limit} by ${step} has no end`);
  return [{ dtype: need(node, inputs, 0).dtype, shape: [count] }];
};
