import { numberAttribute } from '../../graph/index.ts';
import { dtypeOfDataType } from '../../onnx/index.ts';
import { formatShape } from '../../tensor/index.ts';
import { broadcast, dim, mismatch, need, normalizeAxis, unsupported, type Known, type ShapeRule } from './rule.ts';

/** Output as the first input. */
export const same: ShapeRule = (node, inputs) => {
  const { dtype, shape } = need(node, inputs, 0);
  return [{ dtype, shape }];
};

/** As `same`, for operators that work along `axis`. */
export const alongAxis: ShapeRule = (node, inputs) => {
  const x = need(node, inputs, 0);
  normalizeAxis(node, numberAttribute(node, 'axis', -1), x.shape.length);
  return [{ dtype: x.dtype, shape: x.shape }];
};

function operands(node: Parameters<ShapeRule>[0], inputs: readonly (Known | undefined)[]): readonly Known[] {
  const known = node.inputs.map((_, index) => need(node, inputs, index));
  const other = known.find(({ dtype }) => dtype !== known[0]?.dtype);
  if (other)
    throw mismatch(node, `its inputs are of ${known[0]?.dtype ?? 'nothing'} and ${other.dtype}; they must agree`);
  return known;
}

/** NumPy broadcasting over all inputs, of one element type. */
export const broadcasting: ShapeRule = (node, inputs) => {
  const known = operands(node, inputs);
  const shape = broadcast(
    node,
    known.map(({ shape }) => shape),
  );
  return [{ dtype: need(node, inputs, 0).dtype, shape }];
};

export const comparing: ShapeRule = (node, inputs) => {
  const known = operands(node, inputs);
  return [
    {
      dtype: 'bool',
      shape: broadcast(
        node,
        known.map(({ shape }) => shape),
      ),
    },
  ];
};

/** Pow: the exponent may be of another type. */
export const power: ShapeRule = (node, inputs) => {
  const x = need(node, inputs, 0);
  return [{ dtype: x.dtype, shape: broadcast(node, [x.shape, need(node, inputs, 1).shape]) }];
};

export const where: ShapeRule = (node, inputs) => {
  const [condition, x, y] = [0, 1, 2].map((index) => need(node, inputs, index));
  const shapes = [condition, x, y].map((known) => known?.shape ?? []);
  return [{ dtype: x?.dtype ?? 'float32', shape: broadcast(node, shapes) }];
};

export const cast: ShapeRule = (node, inputs) => {
  const code = numberAttribute(node, 'to');
  const dtype = dtypeOfDataType(code);
  if (!dtype) throw unsupported(node, `casts to element type ${code} are not supported`);
  return [{ dtype, shape: need(node, inputs, 0).shape }];
};

/** The slope broadcasts to the input, never the other way. */
export const prelu: ShapeRule = (node, inputs) => {
  const x = need(node, inputs, 0);
  const slope = need(node, inputs, 1);
  const shape = broadcast(node, [x.shape, slope.shape]);
  if (shape.length !== x.shape.length || shape.some((size, axis) => size !== x.shape[axis]))
    throw mismatch(node, `slope ${formatShape(slope.shape)} does not broadcast to ${formatShape(x.shape)}`);
  return [{ dtype: x.dtype, shape }];
};

/** BatchNormalization, InstanceNormalization: one parameter a channel (axis 1). */
export const perChannel: ShapeRule = (node, inputs) => {
  const x = need(node, inputs, 0);
  if (x.shape.length < 2) throw mismatch(node, `its input ${formatShape(x.shape)} has no channels`);
  const channels = dim(x.shape, 1);
  for (let index = 1; index < node.inputs.length; index++) {
    const { shape } = need(node, inputs, index);
    if (shape.length !== 1 || shape[0] !== channels)
      throw mismatch(node, `input ${index} has shape ${formatShape(shape)}; ${channels} channels need [${channels}]`);
  }
  return [{ dtype: x.dtype, shape: x.shape }];
};
