import { numberAttribute, type Node } from '../../graph/index.ts';
import { dtypeOfDataType } from '../../onnx/index.ts';
import { pool } from './convolution.ts';
import { concat } from './layout.ts';
import { gemmShape } from './matrix.ts';
import { broadcast, dim, mismatch, need, normalizeAxis, unsupported, type Known, type ShapeRule } from './rule.ts';

/** Scale and zero point are one number, or one a channel along `axis`. */
function checkParameters(node: Node, x: Known, scale: Known): void {
  const { shape } = scale;
  if (shape.length === 0 || (shape.length === 1 && shape[0] === 1)) return;
  if (numberAttribute(node, 'block_size', 0) !== 0 || shape.length > 1)
    throw unsupported(node, 'blocked quantization is not supported');
  const axis = normalizeAxis(node, numberAttribute(node, 'axis', 1), x.shape.length);
  if (shape[0] !== dim(x.shape, axis))
    throw mismatch(node, `${dim(shape, 0)} scales do not fit axis ${axis} of size ${dim(x.shape, axis)}`);
}

export const quantizeLinear: ShapeRule = (node, inputs) => {
  const x = need(node, inputs, 0);
  if (!x.dtype.startsWith('float')) throw mismatch(node, `what it quantizes is of ${x.dtype}; it takes floats`);
  checkParameters(node, x, need(node, inputs, 1));
  const requested = numberAttribute(node, 'output_dtype', 0);
  const dtype = inputs[2]?.dtype ?? (requested === 0 ? 'uint8' : dtypeOfDataType(requested));
  if (!dtype) throw unsupported(node, `element type ${requested} is not supported`);
  return [{ dtype, shape: x.shape }];
};

export const dequantizeLinear: ShapeRule = (node, inputs) => {
  const x = need(node, inputs, 0);
  checkParameters(node, x, need(node, inputs, 1));
  return [{ dtype: 'float32', shape: x.shape }];
};

/** com.microsoft QLinearAdd, QLinearMul: a, aScale, aZero, b, bScale, bZero, yScale, yZero. */
export const qLinearBinary: ShapeRule = (node, inputs) => {
  const a = need(node, inputs, 0);
  return [{ dtype: a.dtype, shape: broadcast(node, [a.shape, need(node, inputs, 3).shape]) }];
};

/** com.microsoft QLinearGlobalAveragePool: x, xScale, xZero, yScale, yZero; NCHW. */
export const qLinearGlobalAveragePool: ShapeRule = (node, inputs) => {
  if (numberAttribute(node, 'channels_last', 0) !== 0) throw unsupported(node, 'channels_last is not supported');
  const { dtype, shape } = need(node, inputs, 0);
  return [{ dtype, shape: shape.map((size, axis) => (axis < 2 ? size : 1)) }];
};

/** com.microsoft QLinearAveragePool: x, xScale, xZero, yScale, yZero; NCHW. */
export const qLinearAveragePool: ShapeRule = (node, inputs) => {
  if (numberAttribute(node, 'channels_last', 0) !== 0) throw unsupported(node, 'channels_last is not supported');
  return pool(node, inputs);
};

/** com.microsoft QLinearConcat: yScale, yZero, then value, scale, zero point of each operand. */
export const qLinearConcat: ShapeRule = (node, inputs) => {
  const values = (list: readonly unknown[]): unknown[] => list.filter((_, index) => index >= 2 && index % 3 === 2);
  const names = values(node.inputs) as string[];
  return concat({ ...node, inputs: names }, values(inputs) as (Known | undefined)[]);
};

/** com.microsoft QGemm: a, aScale, aZero, b, bScale, bZero, [bias], [yScale, yZero]; without the last two it is float. */
export const qGemm: ShapeRule = (node, inputs) => {
  const shape = gemmShape(node, need(node, inputs, 0).shape, need(node, inputs, 3).shape);
  return [{ dtype: inputs[8]?.dtype ?? 'float32', shape }];
};
