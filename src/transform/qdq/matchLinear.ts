import { numberAttribute, numbersAttribute, type Clamp, type Node, type QuantizedWeights } from '../../graph/index.ts';
import { shapesEqual } from '../../tensor/index.ts';
import { capBytes, clampOf, type Bounds } from './clamp.ts';
import { groupOf, transposedWindowOf, windowOf, type Pair } from './geometry.ts';
import type { Lowering, Match, QuantizedForm, Target } from './lowering.ts';
import { inputName } from './parameters.ts';
import { fileWeights, layerBias, layerWeights, type FileWeights, type LayerBias } from './weights.ts';

interface Layer {
  readonly input: QuantizedForm;
  readonly weights: FileWeights;
  readonly bias: LayerBias | undefined;
}

/** Input, weights and bias of a layer, where all three can be integers. */
function layerOf(
  lowering: Lowering,
  node: Node,
  form: (value: string) => QuantizedForm | undefined,
  biasName: string,
  biasGain: number,
): Layer | undefined {
  const input = form(inputName(node, 0));
  const weights = fileWeights(lowering, inputName(node, 1));
  if (!input || input.bytes || !weights) return undefined;
  const bias = biasName === '' ? undefined : layerBias(lowering, biasName, biasGain);
  return biasName !== '' && !bias ? undefined : { input, weights, bias };
}

/** Conv and ConvTranspose over two dimensions. */
export function matchConv(
  lowering: Lowering,
  node: Node,
  bounds: Bounds,
  target: Target,
  form: (value: string) => QuantizedForm | undefined,
): Match | undefined {
  const transposed = node.opType === 'ConvTranspose';
  if (!transposed && node.opType !== 'Conv') return undefined;
  const layer = layerOf(lowering, node, form, inputName(node, 2), 1);
  if (layer?.weights.shape.length !== 4) return undefined;
  const { input, weights: file } = layer;
  if (file.axis !== undefined && file.axis !== (transposed ? 1 : 0)) return undefined;
  const group = groupOf(node);
  const [outer = 1, inner = 1, kernelH = 1, kernelW = 1] = file.shape;
  const taps = kernelH * kernelW;
  const perGroup = outer / group;
  const channels = transposed ? inner * group : outer;
  const channelOf = transposed
    ? (index: number) =>
        Math.floor(Math.floor(index / (inner * taps)) / perGroup) * inner + (Math.floor(index / taps) % inner)
    : (index: number) => Math.floor(index / (inner * taps));
  const scaleOf = (channel: number): number => (transposed ? channel % inner : channel);
  const kernel: Pair = [kernelH, kernelW];
  const output = lowering.shapeOf(node.outputs[0] ?? '');
  const window = (transposed ? transposedWindowOf : windowOf)(node, kernel, input.shape, output);
  return {
    uses: [input],
    emit: () => {
      const context = { node, input: input.params, output: target.params, channels, channelOf, scaleOf, gain: 1 };
      lowering.operations.push({
        kind: transposed ? 'convTranspose' : 'conv',
        name: node.name,
        input: input.emit(),
        output: target.output,
        weights: layerWeights(file, { ...context, bias: layer.bias }),
        strides: window.strides,
        pads: window.pads,
        dilations: window.dilations,
        group,
        clamp: clampOf(bounds, target.params),
        ...(bounds.caps && { caps: capBytes(bounds.caps, target.params) }),
      });
    },
  };
}

/** Gemm without transA, and MatMul by a constant matrix, also with a constant added to it. */
export function matchFullyConnected(
  lowering: Lowering,
  node: Node,
  bounds: Bounds,
  target: Target,
  form: (value: string) => QuantizedForm | undefined,
): Match | undefined {
  if (node.opType === 'Gemm') {
    if (numberAttribute(node, 'transA', 0) !== 0) return undefined;
    const layer = layerOf(lowering, node, form, inputName(node, 2), numberAttribute(node, 'beta', 1));
    const rows = numberAttribute(node, 'transB', 0) !== 0 ? 'outputs' : 'inputs';
    return layer && fullyConnected(lowering, node, layer, rows, numberAttribute(node, 'alpha', 1), bounds, target);
  }
  if (node.opType === 'MatMul') {
    const layer = layerOf(lowering, node, form, '', 1);
    return layer && fullyConnected(lowering, node, layer, 'inputs', 1, bounds, target);
  }
  return matchBiasedMatMul(lowering, node, bounds, target, form);
}

/** A 1x1 Conv of a single pixel, without padding that a stride could land on: what some exporters write for a last layer. */
export function matchPixelConv(
  lowering: Lowering,
  node: Node,
  bounds: Bounds,
  target: Target,
  form: (value: string) => QuantizedForm | undefined,
): Match | undefined {
  if (node.opType !== 'Conv' || groupOf(node) !== 1) return undefined;
  if (numbersAttribute(node, 'pads', []).some((pad) => pad !== 0)) return undefined;
  const layer = layerOf(lowering, node, form, inputName(node, 2), 1);
  if (!layer) return undefined;
  const [channels = 1, depth = 1, ...kernel] = layer.weights.shape;
  const pixel = [1, depth, ...kernel.map(() => 1)];
  if (kernel.some((size) => size !== 1) || !shapesEqual(layer.input.shape, pixel)) return undefined;
  if (!shapesEqual(lowering.shapeOf(node.outputs[0] ?? ''), [1, channels, ...kernel])) return undefined;
  const weights = { ...layer.weights, shape: [channels, depth] };
  const input = { ...layer.input, shape: [1, depth] };
  return fullyConnected(lowering, node, { ...layer, weights, input }, 'outputs', 1, bounds, target);
}

function matchBiasedMatMul(
  lowering: Lowering,
  node: Node,
  bounds: Bounds,
  target: Target,
  form: (value: string) => QuantizedForm | undefined,
): Match | undefined {
  if (node.opType !== 'Add' || node.domain !== '') return undefined;
  for (const [product, addend] of [node.inputs, [...node.inputs].reverse()] as [string, string][]) {
    const matMul = lowering.origin(product)?.node;
    if (matMul?.opType !== 'MatMul' || lowering.consumers(product).length !== 1) continue;
    if (lowering.graph.outputs.includes(product)) continue;
    const bias = layerBias(lowering, addend, 1);
    const layer = layerOf(lowering, matMul, form, '', 1);
    const channels = lowering.shapeOf(product).at(-1) ?? 1;
    if (!bias || !layer || lowering.shapeOf(addend).at(-1) !== channels || bias.reals.length !== channels) continue;
    const match = fullyConnected(lowering, matMul, { ...layer, bias }, 'inputs', 1, bounds, target);
    if (match) return match;
  }
  return undefined;
}

function fullyConnected(
  lowering: Lowering,
  node: Node,
  { input, weights: stored, bias }: Layer,
  rows: 'outputs' | 'inputs',
  gain: number,
  bounds: Bounds,
  target: Target,
): Match | undefined {
  const outputAxis = rows === 'outputs' ? 0 : 1;
  if (stored.shape.length !== 2 || (stored.axis !== undefined && stored.axis !== outputAxis)) return undefined;
  if (input.shape.length < 2 || !(gain > 0)) return undefined;
  const file = rows === 'outputs' ? stored : transposed(stored);
  const [channels = 1, depth = 1] = file.shape;
  if (input.shape.at(-1) !== depth) return undefined;
  const wide = bias && spreadBias(bias, channels);
  if (bias && !wide) return undefined;
  const context = {
    ...{ node, input: input.params, output: target.params, channels, gain, bias: wide },
    channelOf: (index: number) => Math.floor(index / depth),
    scaleOf: (channel: number) => channel,
  };
  return {
    uses: [input],
    emit: () => {
      const weights: QuantizedWeights = layerWeights(file, context);
      const clamp: Clamp = clampOf(bounds, target.params);
      const { output } = target;
      lowering.operations.push({
        ...{ kind: 'fullyConnected', name: node.name, input: input.emit(), output, weights, clamp },
      });
    },
  };
}

/** Gemm's C of one element serves all channels; one of another length is not a bias per channel. */
function spreadBias(bias: LayerBias, channels: number): LayerBias | undefined {
  if (bias.reals.length === channels) return bias;
  return bias.reals.length === 1 ? { reals: new Float64Array(channels).fill(bias.reals[0] ?? 0) } : undefined;
}

function transposed(file: FileWeights): FileWeights {
  const [depth = 1, channels = 1] = file.shape;
  const data = new Int8Array(file.data.length);
  for (let k = 0; k < depth; k++)
    for (let n = 0; n < channels; n++) data[n * depth + k] = file.data[k * channels + n] ?? 0;
  return { ...file, shape: [channels, depth], data, axis: file.axis === undefined ? undefined : 0 };
}

/** Add, Sub and Mul of two quantized values; Sum of two is Add. */
export function matchBinary(
  lowering: Lowering,
  node: Node,
  bounds: Bounds,
  target: Target,
  form: (value: string) => QuantizedForm | undefined,
): Match | undefined {
  const kind = binaryKinds.get(node.opType);
  if (!kind || node.domain !== '' || node.inputs.length !== 2) return undefined;
  const a = form(inputName(node, 0));
  const b = form(inputName(node, 1));
  if (!a || !b || (a.bytes && b.bytes)) return undefined;
  const shape = lowering.shapeOf(node.outputs[0] ?? '');
  if (!shapesEqual(a.shape, shape) && !shapesEqual(b.shape, shape)) return undefined;
  return {
    uses: [a, b],
    emit: () => {
      const inputs = [a.emit(), b.emit()] as const;
      const clamp = clampOf(bounds, target.params);
      lowering.operations.push({ kind, name: node.name, inputs, output: target.output, clamp });
    },
  };
}

const binaryKinds = new Map<string, 'add' | 'sub' | 'mul'>([
  ['Add', 'add'],
  ['Sum', 'add'],
  ['Sub', 'sub'],
  ['Mul', 'mul'],
]);
