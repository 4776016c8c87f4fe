import { numberAttribute, type FloatOperation } from '../../../../graph/index.ts';
import type { PlanContext } from '../../../plan/step.ts';
import { planDepthwise } from './depthwise.ts';
import { asBytes, imageOf } from '../image.ts';
import type { FloatPlanner } from '../planner.ts';
import { integersOf } from '../product/integers.ts';
import type { WeightAt } from '../product/pack.ts';
import { productStep } from '../product/step.ts';
import { geometryOf, type FloatConv } from './geometry.ts';
import { floatWindow } from './window.ts';

/** Convolution in float32, dense, grouped or depthwise: y starts at the bias; taps in order, channels of a tap in theirs. */
export const planConv: FloatPlanner = (operation, context) => {
  const conv = convOf(operation, context);
  if (!conv) return undefined;
  const { group, perGroup, output } = conv;
  if (perGroup === 1 && group === output.channels && group > 1) return planDepthwise(operation, conv, context);
  const from = operation.node.inputs[0] ?? '';
  const parts = {
    shape: { ...geometryOf(conv), bias: conv.bias ? 'first' : 'none' } as const,
    input: { name: from, image: asBytes(conv.input), border: conv.border },
    kernel: group > 1 ? 'float.conv.grouped' : 'float.conv',
    weightAt: elementsOf(conv, conv.weights),
    integers: integersOf(operation.node.inputs[1] ?? '', 0, context, (data) => elementsOf(conv, data)),
    biasAt: (column: number) => conv.bias?.[column] ?? 0,
  };
  return productStep(operation, parts, context);
};

/** A Conv node over an image with constant weights; undefined for any other. */
export function convOf(operation: FloatOperation, context: PlanContext): FloatConv | undefined {
  const { node, output: to } = operation;
  if (node.domain !== '' || node.opType !== 'Conv') return undefined;
  const [from = '', weightName = '', biasName = ''] = node.inputs;
  const weights = context.graph.constants.get(weightName);
  const bias = biasName === '' ? undefined : context.graph.constants.get(biasName);
  const [input, output] = [imageOf(from, context), imageOf(to, context)];
  if (weights?.dtype !== 'float32' || weights.shape.length !== 4 || !input || !output) return undefined;
  if (biasName !== '' && bias?.dtype !== 'float32') return undefined;
  const [, perGroup = 1, kernelH = 1, kernelW = 1] = weights.shape;
  const window = floatWindow(node, [kernelH, kernelW], { input, output });
  if (!window) return undefined;
  const group = numberAttribute(node, 'group', 1);
  return {
    ...{ window, input, output, group, perGroup, weights: weights.data, border: { pads: window.pads } },
    bias: bias?.data as Float32Array | undefined,
  };
}

/** Row k of the product is channel k mod perGroup of tap k / perGroup. */
function elementsOf({ perGroup, window, output, group }: FloatConv, data: ArrayLike<number>): WeightAt {
  const taps = window.kernel[0] * window.kernel[1];
  const columns = output.channels / group;
  return (g, k, n) => data[((g * columns + n) * perGroup + (k % perGroup)) * taps + Math.floor(k / perGroup)]!;
}
