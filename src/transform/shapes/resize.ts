import { numbersAttribute } from '../../graph/index.ts';
import { formatShape } from '../../tensor/index.ts';
import { dim, integers, invalid, mismatch, need, normalizeAxis, type ShapeRule } from './rule.ts';

/** Resize: floor(size · scale) for scales of every axis, or the given sizes along `axes`. */
export const resize: ShapeRule = (node, inputs) => {
  const { dtype, shape } = need(node, inputs, 0);
  const axes = numbersAttribute(
    node,
    'axes',
    shape.map((_, axis) => axis),
  ).map((axis) => normalizeAxis(node, axis, shape.length));
  const bySize = inputs[3] !== undefined;
  if (!bySize && !inputs[2]) throw invalid(node, 'it has neither scales nor sizes');
  const factors = bySize ? integers(node, inputs, 3, 'sizes') : integers(node, inputs, 2, 'scales');
  if (factors.length !== axes.length || factors.some((factor) => !(factor > 0 && factor < 2 ** 31)))
    throw mismatch(node, `${bySize ? 'sizes' : 'scales'} ${formatShape(factors)} do not fit axes ${formatShape(axes)}`);
  const result = [...shape];
  axes.forEach((axis, index) => {
    const factor = dim(factors, index);
    result[axis] = bySize ? factor : Math.floor(Math.fround(dim(shape, axis) * factor));
  });
  if (result.some((size) => size < 1))
    throw mismatch(node, `${formatShape(shape)} would become ${formatShape(result)}`);
  return [{ dtype, shape: result }];
};
