import { AppError, present } from '../base/index.ts';
import { numberAttribute, type Graph, type Node } from '../graph/index.ts';
import { tensor } from '../tensor/index.ts';
import { elementwiseOperators } from '../transform/index.ts';
import { runNode } from '../reference/index.ts';
import { propagateStatistics, type ChannelStatistics, type Statistics } from './batchNormStatistics.ts';
import { GraphIndex } from './graphIndex.ts';
import { planQuantization, type PlannedLayer } from './plan.ts';
import type { Ranges } from './quantizeGraph.ts';
import { quantizeLayer } from './quantizeLayer.ts';
import { dequantizeWeights } from './quantizeWeights.ts';
import type { Range } from './quantizer.ts';
import type { Recipe } from './recipe.ts';

/** Deviations from the mean that a range holds (arXiv:1906.04721 section 5). */
const deviations = 6;

/**
 * Ranges without samples: of values behind BatchNormalization, mean ± 6 deviations of the widest channel, confined by
 * the activation; of functions of one value, what the function makes of its range.
 *
 * @param statistics  of the network as uploaded (`batchNormStatistics`)
 * @param inputs      ranges of the network's inputs
 * @throws RECIPE_INVALID where a value follows from no BatchNormalization
 */
export function dataFreeRanges(graph: Graph, recipe: Recipe, statistics: Statistics, inputs: Ranges): Ranges {
  const index = new GraphIndex(graph);
  const known = propagateStatistics(graph, statistics);
  const ranges = new Map<string, Range>(inputs);
  const curves = new Map<string, Curve>();
  for (const input of graph.inputs) {
    const range = ranges.get(input);
    if (range) curves.set(input, straight(input, range));
  }
  for (const node of graph.nodes)
    for (const output of node.outputs) {
      const found = known.get(output);
      const curve = found ? straight(output, statisticalRange(found)) : curveOf(index, node, curves);
      const range = curve ? hullOf(curve.data) : combinedRange(index, node, ranges);
      if (!range) continue;
      ranges.set(output, range);
      curves.set(output, curve ?? straight(output, range));
    }
  const missing = planQuantization(graph, recipe)
    .groups.flatMap(({ observed }) => observed)
    .filter((value) => !ranges.has(value));
  if (missing.length === 0) return ranges;
  const [first = ''] = missing;
  throw new AppError(
    'RECIPE_INVALID',
    `Ranges without samples come from BatchNormalization nodes; ${missing.length} values follow from none, the first is '${first}'. Give a calibration set, or exclude their nodes.`,
    { values: missing },
  );
}

function statisticalRange({ mean, variance, min, max }: ChannelStatistics): Range {
  let [low, high] = [0, 0];
  for (let c = 0; c < mean.length; c++) {
    const reach = deviations * Math.sqrt(variance[c]!);
    low = Math.min(low, mean[c]! - reach);
    high = Math.max(high, mean[c]! + reach);
  }
  return { min: Math.max(low, min), max: Math.min(high, max) };
}

/** Points at which a function of one value is looked at. */
const points = 256;

/** A value as a function of another one that runs over its range. */
interface Curve {
  readonly source: string;
  readonly data: Float32Array;
}

function straight(source: string, { min, max }: Range): Curve {
  const step = (max - min) / (points - 1);
  return { source, data: Float32Array.from({ length: points }, (_, i) => (i === points - 1 ? max : min + i * step)) };
}

function hullOf(values: Float32Array): Range {
  return { min: Math.min(0, ...values), max: Math.max(0, ...values) };
}

/** What an elementwise node makes of functions of one and the same value. */
function curveOf(index: GraphIndex, node: Node, curves: ReadonlyMap<string, Curve>): Curve | undefined {
  if (node.domain !== '' || !elementwiseOperators.has(node.opType)) return undefined;
  const operands = node.inputs.map((name) => (index.isActivation(name) ? curves.get(name) : undefined));
  const sources = new Set(operands.flatMap((curve) => (curve ? [curve.source] : [])));
  const [source] = sources;
  if (source === undefined || sources.size > 1) return undefined;
  if (node.inputs.some((name, at) => index.isActivation(name) && !operands[at])) return undefined;
  if (node.inputs.some((name) => (index.constant(name)?.data.length ?? 1) > 1)) return undefined;
  const [result] = runNode(
    node,
    node.inputs.map((name, at) => {
      const curve = operands[at];
      const constant = index.constant(name);
      if (curve) return tensor('float32', [points], new Float32Array(curve.data));
      return constant && { ...constant, shape: [] };
    }),
  );
  return result?.dtype === 'float32' && result.data.length === points ? { source, data: result.data } : undefined;
}

/** Operators whose results lie within the hull of their operands. */
const withinHull: ReadonlySet<string> = new Set([
  ...['AveragePool', 'GlobalAveragePool', 'ReduceMean', 'MaxPool', 'GlobalMaxPool', 'Concat', 'Reshape', 'Flatten'],
  ...['Squeeze', 'Unsqueeze', 'Transpose', 'Slice', 'Split', 'Gather', 'Resize', 'DepthToSpace', 'SpaceToDepth'],
]);

function combinedRange(index: GraphIndex, node: Node, ranges: Ranges): Range | undefined {
  const found = node.inputs.filter((name) => index.isActivation(name)).map((name) => ranges.get(name));
  const [first, second] = found;
  if (!first || node.domain !== '' || !found.every((range) => range !== undefined)) return undefined;
  if (withinHull.has(node.opType))
    return { min: Math.min(0, ...found.map(({ min }) => min)), max: Math.max(0, ...found.map(({ max }) => max)) };
  return second && found.length === 2 ? binaryRange(node, first, second) : undefined;
}

function binaryRange({ opType }: Node, a: Range, b: Range): Range | undefined {
  if (opType === 'Add') return { min: a.min + b.min, max: a.max + b.max };
  if (opType === 'Sub') return { min: a.min - b.max, max: a.max - b.min };
  if (opType !== 'Mul') return undefined;
  const products = [a.min * b.min, a.min * b.max, a.max * b.min, a.max * b.max];
  return { min: Math.min(0, ...products), max: Math.max(0, ...products) };
}

/**
 * Analytic bias correction (arXiv:1906.04721 section 4.2): what rounded weights add to a layer's mean is
 * E[(W_q − W) x] = (W_q − W) E[x], with E[x] of each input channel from BatchNormalization. Layers whose input follows
 * from none stay as they are. Zero padding is not accounted for.
 *
 * @returns the graph with other biases, everything else equal
 */
export function correctBiasAnalytically(graph: Graph, recipe: Recipe, statistics: Statistics): Graph {
  const known = propagateStatistics(graph, statistics);
  const constants = new Map(graph.constants);
  for (const layer of planQuantization(graph, recipe).layers) {
    const mean = known.get(layer.input)?.mean;
    const bias = layer.bias === undefined ? undefined : constants.get(layer.bias);
    if (!mean || layer.bias === undefined || bias?.dtype !== 'float32') continue;
    const shift = meanShift(graph, layer, recipe, mean);
    constants.set(
      layer.bias,
      tensor(
        'float32',
        bias.shape,
        bias.data.map((b, c) => b - (shift[c] ?? 0)),
      ),
    );
  }
  return { ...graph, constants };
}

/** (W_q − W) E[x] of each output channel. */
function meanShift(graph: Graph, layer: PlannedLayer, recipe: Recipe, mean: Float64Array): Float64Array {
  const { node, weightAxis } = layer;
  const weights = present(graph.constants.get(layer.weights), layer.weights);
  const exact = weights.data as Float32Array;
  const rounded = dequantizeWeights(quantizeLayer(graph, layer, recipe, undefined));
  const [outer = 1, inner = 1, ...kernel] = weights.shape;
  const taps = kernel.reduce((a, b) => a * b, 1);
  const group = node.opType.startsWith('Conv') ? numberAttribute(node, 'group', 1) : 1;
  const outputs = weightAxis === 0 ? outer : inner * group;
  const shift = new Float64Array(outputs);
  for (let at = 0; at < exact.length; at++) {
    const row = Math.floor(at / (taps * inner));
    const column = Math.floor(at / taps) % inner;
    // Rows count outputs and columns inputs of one group, or the other way round (ConvTranspose, Gemm without transB).
    const block = Math.floor(row / (outer / group));
    const [output, input] = weightAxis === 0 ? [row, block * inner + column] : [block * inner + column, row];
    shift[output]! += (rounded[at]! - exact[at]!) * (mean[input] ?? 0);
  }
  return shift;
}
