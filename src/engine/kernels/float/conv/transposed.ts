import { numberAttribute, numbersAttribute, stringAttribute, type FloatOperation } from '../../../../graph/index.ts';
import type { PlanContext } from '../../../plan/step.ts';
import { asBytes, imageOf } from '../image.ts';
import type { FloatPlanner } from '../planner.ts';
import { integersOf } from '../product/integers.ts';
import type { WeightAt } from '../product/pack.ts';
import { productStep } from '../product/step.ts';
import { geometryOf, type FloatConv } from './geometry.ts';

/** Transposed convolution, as one of stride 1 with the kernel turned round over the input spread by the strides. */
export const planConvTranspose: FloatPlanner = (operation, context) => {
  const conv = convTransposeOf(operation, context);
  if (!conv) return undefined;
  const [from = '', weights = ''] = operation.node.inputs;
  const elements = (data: ArrayLike<number>): WeightAt => elementsOf(conv, data);
  const parts = {
    shape: { ...geometryOf(conv), bias: conv.bias ? 'first' : 'none' } as const,
    input: { name: from, image: asBytes(conv.input), border: conv.border },
    kernel: 'float.convtranspose',
    weightAt: elements(conv.weights),
    integers: conv.group === 1 ? integersOf(weights, 1, context, elements) : undefined,
    biasAt: (column: number) => conv.bias?.[column] ?? 0,
  };
  return productStep(operation, parts, context);
};

/**
 * A ConvTranspose node over an image with constant weights [C, M / group, kernelH, kernelW]; undefined for any other, and where
 * the padding cuts off whole taps.
 */
export function convTransposeOf(operation: FloatOperation, context: PlanContext): FloatConv | undefined {
  const { node } = operation;
  if (node.domain !== '' || node.opType !== 'ConvTranspose' || node.attributes.has('output_shape')) return undefined;
  const [from = '', weightName = '', biasName = ''] = node.inputs;
  const weights = context.graph.constants.get(weightName);
  const bias = biasName === '' ? undefined : context.graph.constants.get(biasName);
  const [input, output] = [imageOf(from, context), imageOf(operation.output, context)];
  if (weights?.dtype !== 'float32' || weights.shape.length !== 4 || !input || !output) return undefined;
  if (biasName !== '' && bias?.dtype !== 'float32') return undefined;
  if (stringAttribute(node, 'auto_pad', 'NOTSET') !== 'NOTSET') return undefined;
  const [, , kernelH = 1, kernelW = 1] = weights.shape;
  const [strideH = 1, strideW = 1] = numbersAttribute(node, 'strides', [1, 1]);
  const [dilationH = 1, dilationW = 1] = numbersAttribute(node, 'dilations', [1, 1]);
  const [padTop = 0, padLeft = 0] = numbersAttribute(node, 'pads', [0, 0, 0, 0]);
  const around = (reach: number, pad: number, spread: number, size: number): [number, number] => [
    reach - pad,
    size + pad - spread,
  ];
  const [top, bottom] = around((kernelH - 1) * dilationH, padTop, (input.height - 1) * strideH + 1, output.height);
  const [left, right] = around((kernelW - 1) * dilationW, padLeft, (input.width - 1) * strideW + 1, output.width);
  const pads = [top, left, bottom, right] as const;
  if (pads.some((pad) => pad < 0)) return undefined;
  const group = numberAttribute(node, 'group', 1);
  return {
    window: { kernel: [kernelH, kernelW], strides: [1, 1], dilations: [dilationH, dilationW], pads },
    border: { pads, spread: [strideH, strideW] },
    ...{ input, output, group, perGroup: input.channels / group, weights: weights.data },
    bias: bias?.data as Float32Array | undefined,
  };
}

/** Row k of the product is channel k mod perGroup of tap k / perGroup, counted from the last. */
function elementsOf({ perGroup, window, output, group }: FloatConv, data: ArrayLike<number>): WeightAt {
  const taps = window.kernel[0] * window.kernel[1];
  const columns = output.channels / group;
  return (g, k, n) => {
    const channel = g * perGroup + (k % perGroup);
    return data[(channel * columns + n) * taps + taps - 1 - Math.floor(k / perGroup)]!;
  };
}
