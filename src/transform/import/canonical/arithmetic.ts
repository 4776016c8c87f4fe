import { numberAttribute, tensorAttribute, type Node } from '../../../graph/index.ts';
import { dtypeOfDataType } from '../../../onnx/index.ts';
import { tensor, type Shape, type Tensor } from '../../../tensor/index.ts';
import { invalid, normalizeAxis, unsupported } from '../../shapes/index.ts';
import {
  hasInput,
  hasOutput,
  identity,
  onlyAttributes,
  rankOf,
  shapesOf,
  withAttributes,
  withInputs,
  type Canonicalizer,
  type Context,
} from './context.ts';
import { axesOf, reshapeTo } from './layout.ts';

/** Bounds become inputs; a bound that is the end of float32 is none. */
export const clip: Canonicalizer = (node, context) => {
  const inputs = [node.inputs[0] ?? '', node.inputs[1] ?? '', node.inputs[2] ?? ''];
  (['min', 'max'] as const).forEach((name, index) => {
    if (node.attributes.has(name))
      inputs[index + 1] = context.makeConstant(
        node,
        name,
        tensor('float32', [], Float32Array.of(numberAttribute(node, name))),
      );
  });
  return onlyAttributes(withInputs(node, inputs), {});
};

/** Statistics in inference form; files of training (saved statistics as outputs, batch statistics) are refused. */
export const batchNormalization: Canonicalizer = (node) => {
  if (numberAttribute(node, 'spatial', 1) === 0)
    throw unsupported(node, 'statistics for every pixel (spatial 0) are not supported');
  if (numberAttribute(node, 'training_mode', 0) !== 0) throw unsupported(node, 'training mode is not supported');
  const epsilon = numberAttribute(node, 'epsilon', 1e-5);
  // Before operator set 14 inference files may name the training outputs, which nothing can read.
  return onlyAttributes({ ...node, outputs: node.outputs.slice(0, 1) }, { epsilon });
};

/** Before operator set 13 softmax ran over all dimensions from axis on, taken as one. */
export const softmax: Canonicalizer = (node, context) => {
  const shapes = shapesOf(node, 0, context);
  const rank = rankOf(node, 0, context);
  const axis = normalizeAxis(node, numberAttribute(node, 'axis', context.opset < 13 ? 1 : -1), rank);
  if (axis === 0 && context.batchIsFree && new Set(shapes.map((shape) => shape[0])).size > 1)
    throw invalid(node, 'it mixes the samples of a batch');
  const trailing = shapes.every((shape) => shape.slice(axis + 1).every((size) => size === 1));
  if (context.opset >= 13 || trailing) return onlyAttributes(node, { axis });
  const flat = shapes.map((shape): Shape => [...shape.slice(0, axis), shape.slice(axis).reduce((a, b) => a * b, 1)]);
  const [before, after] = [context.uniqueName(`${node.name}.flat`), context.uniqueName(`${node.name}.soft`)];
  const [first, last] = [`${node.name}.flatten`, `${node.name}.restore`];
  return [
    reshapeTo({ ...node, name: context.uniqueName(first), outputs: [before] }, context, shapes, flat),
    onlyAttributes({ ...node, inputs: [before], outputs: [after] }, { axis }),
    reshapeTo({ ...node, name: context.uniqueName(last), inputs: [after] }, context, flat, shapes),
  ];
};

/** Axes always given, as an input. */
export const reduce: Canonicalizer = (node, context) => {
  const rank = rankOf(node, 0, context);
  const given = axesOf(node, 1, context);
  const none = !given || given.length === 0;
  if (none && numberAttribute(node, 'noop_with_empty_axes', 0) !== 0) return identity(node);
  const axes = none
    ? Array.from({ length: rank }, (_, axis) => axis)
    : given.map((axis) => normalizeAxis(node, axis, rank));
  const inputs = [node.inputs[0] ?? '', context.makeIntegers(node, 'axes', axes)];
  return onlyAttributes(withInputs(node, inputs), { keepdims: numberAttribute(node, 'keepdims', 1) });
};

/** Casts that change nothing are dissolved; float16 is float32 here. */
export const cast: Canonicalizer = (node, context) => {
  const code = numberAttribute(node, 'to');
  const to = code === 10 ? 1 : code;
  const from = context.value(node.inputs[0] ?? '')?.dtype;
  return from !== undefined && dtypeOfDataType(to) === from ? identity(node) : onlyAttributes(node, { to });
};

/** Sum, Max, Min and Mean of one value are that value; a Sum of two is an Add. */
export const variadic: Canonicalizer = (node) => {
  if (node.inputs.length === 1) return identity(node);
  const opType = node.opType === 'Sum' && node.inputs.length === 2 ? 'Add' : node.opType;
  return onlyAttributes({ ...node, opType }, {});
};

export const gemm: Canonicalizer = (node) =>
  onlyAttributes(withInputs(node, node.inputs), {
    alpha: numberAttribute(node, 'alpha', 1),
    beta: numberAttribute(node, 'beta', 1),
    transA: numberAttribute(node, 'transA', 0),
    transB: numberAttribute(node, 'transB', 0),
  });

export const identityNode: Canonicalizer = (node) => identity(node);

/** A zero point of the scale's shape is always present; the axis is written where there is one scale a channel. */
export const quantizeLinear: Canonicalizer = (source, context) => {
  const node = { ...source, domain: '' };
  const scale = shapesOf(node, 1, context)[0] ?? [];
  const rank = rankOf(node, 0, context);
  const perChannel = scale.length === 1 && scale[0] !== 1;
  const axis = perChannel ? { axis: normalizeAxis(node, numberAttribute(node, 'axis', 1), rank) } : {};
  const block = numberAttribute(node, 'block_size', 0) === 0 ? {} : { block_size: numberAttribute(node, 'block_size') };
  const inputs = [node.inputs[0] ?? '', node.inputs[1] ?? '', node.inputs[2] ?? ''];
  if (!hasInput(node, 2)) inputs[2] = context.makeConstant(node, 'zeroPoint', zeroPoint(node, context, scale));
  return onlyAttributes(withInputs(node, inputs), { ...axis, ...block });
};

function zeroPoint(node: Node, context: Context, shape: Shape): Tensor {
  if (node.opType === 'DequantizeLinear') return zeros(node, context.value(node.inputs[0] ?? '')?.dtype, shape);
  const requested = numberAttribute(node, 'output_dtype', 0);
  return zeros(node, requested === 0 ? 'uint8' : dtypeOfDataType(requested), shape);
}

function zeros(node: Node, dtype: string | undefined, shape: Shape): Tensor {
  switch (dtype) {
    case 'uint8':
    case 'int8':
    case 'uint16':
    case 'int16':
    case 'int32':
      return tensor(dtype, shape) as Tensor;
    default:
      throw unsupported(node, `element type ${dtype ?? 'unknown'} is not supported`);
  }
}

export const layerNormalization: Canonicalizer = (node) => {
  if (hasOutput(node, 1) || hasOutput(node, 2)) throw unsupported(node, 'only its first output is supported');
  return withAttributes({ ...node, outputs: node.outputs.slice(0, 1) }, { stash_type: undefined });
};

/** The tensor that a Constant node holds. */
export function constantTensor(node: Node): Tensor {
  const value = tensorAttribute(node, 'value');
  if (value) return value;
  const floats = node.attributes.get('value_float') ?? node.attributes.get('value_floats');
  const integers = node.attributes.get('value_int') ?? node.attributes.get('value_ints');
  const list = floats ?? integers;
  if (typeof list !== 'number' && !Array.isArray(list)) throw unsupported(node, 'its value is not a tensor of numbers');
  const numbers = (typeof list === 'number' ? [list] : list) as readonly number[];
  const shape = typeof list === 'number' ? [] : [numbers.length];
  return floats !== undefined
    ? tensor('float32', shape, Float32Array.from(numbers))
    : tensor('int64', shape, BigInt64Array.from(numbers, BigInt));
}
