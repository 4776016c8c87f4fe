import { numberAttribute } from '../../graph/index.ts';
import { dim, integers, mismatch, need, normalizeAxis, type ShapeRule } from './rule.ts';

export const reduce: ShapeRule = (node, inputs) => {
  const { dtype, shape } = need(node, inputs, 0);
  const axes = new Set(integers(node, inputs, 1, 'axes').map((axis) => normalizeAxis(node, axis, shape.length)));
  const keep = numberAttribute(node, 'keepdims', 1) !== 0;
  const result = shape.flatMap((size, axis) => (!axes.has(axis) ? [size] : keep ? [1] : []));
  return [{ dtype, shape: result }];
};

export const argReduce: ShapeRule = (node, inputs) => {
  const { shape } = need(node, inputs, 0);
  const at = normalizeAxis(node, numberAttribute(node, 'axis', 0), shape.length);
  const keep = numberAttribute(node, 'keepdims', 1) !== 0;
  return [{ dtype: 'int64', shape: shape.flatMap((size, axis) => (axis !== at ? [size] : keep ? [1] : [])) }];
};

export const layerNormalization: ShapeRule = (node, inputs) => {
  const { dtype, shape } = need(node, inputs, 0);
  normalizeAxis(node, numberAttribute(node, 'axis', -1), shape.length);
  if (node.outputs.filter((output) => output !== '').length > 1)
    throw mismatch(node, `only the first of its ${dim([node.outputs.length], 0)} outputs can be used`);
  return [{ dtype, shape }];
};
