import type { Graph, Node } from '../graph/index.ts';
import { tensor, type Tensor } from '../tensor/index.ts';
import { absorbBias } from './absorbBias.ts';
import type { Statistics } from './batchNormStatistics.ts';
import { GraphBuilder } from './graphBuilder.ts';
import { firstInput, firstOutput, GraphIndex } from './graphIndex.ts';
import type { Recipe } from './recipe.ts';
import { dataOf, forEachInputChannel, type Pair } from './convPair.ts';
import { floatSelector } from './select.ts';

/** Sweeps over all pairs; the ranges of a chain settle after a few. */
const sweeps = 20;
/** Scales that differ less from 1 no longer matter. */
const settled = 1e-3;
const largestScale = 2 ** 12;

/**
 * Cross-layer equalization (arXiv:1906.04721 section 4.1): the shared channels i of two convolutions are rescaled so
 * that both give them the same range,
 *
 *   s_i = sqrt(r1_i / r2_i),  W1_i / s_i,  b1_i / s_i,  W2_(·,i) · s_i,  r: largest |w| of the channel,
 *
 * which changes nothing that is computed, for Relu(s · x) = s · Relu(x). The bound u of a Clip becomes u / s_i, one a
 * channel: Relu and Min with a constant. Biases are absorbed after it, by the statistics of what the first layers compute.
 */
export function equalize(graph: Graph, recipe: Recipe, statistics: Statistics): Graph {
  const { absorbHighBias, relu6 } = settingsOf(recipe.equalization);
  const index = new GraphIndex(graph);
  const pairs = findPairs(index, floatSelector(recipe)).map((pair) =>
    relu6 === 'relu' ? { ...pair, cap: Infinity } : pair,
  );
  const constants = new Map(graph.constants);
  const scales = new Map(pairs.map((pair) => [pair, new Float64Array(pair.channels).fill(1)]));
  for (let sweep = 0; sweep < sweeps; sweep++) {
    let largestChange = 0;
    for (const pair of pairs) {
      const step = equalizingScales(constants, pair);
      applyScales(constants, pair, step);
      const total = scales.get(pair);
      for (const [channel, scale] of step.entries()) {
        largestChange = Math.max(largestChange, Math.abs(Math.log(scale)));
        if (total) total[channel]! *= scale;
      }
    }
    if (largestChange < settled) break;
  }
  const absorbed = new Map<Pair, Float64Array>();
  if (absorbHighBias)
    for (const [pair, total] of scales) {
      const known = statistics.get(firstOutput(pair.first));
      const shift = known && absorbBias(constants, pair, { scales: total, statistics: known });
      if (shift) absorbed.set(pair, shift);
    }
  return withBounds({ ...graph, constants }, scales, absorbed);
}

function settingsOf(equalization: Recipe['equalization']): Exclude<Recipe['equalization'], boolean> {
  return typeof equalization === 'boolean' ? { absorbHighBias: false, relu6: 'caps' } : equalization;
}

function findPairs(index: GraphIndex, excluded: (node: Node) => boolean): Pair[] {
  return index.graph.nodes.flatMap((first) => {
    if (!isConv(index, first) || excluded(first)) return [];
    let reader = index.onlyConsumer(firstOutput(first));
    let activation: Node | undefined;
    let cap = Infinity;
    if (reader && (reader.opType === 'Relu' || reader.opType === 'Clip')) {
      const upper = upperBound(index, reader);
      if (upper === undefined || excluded(reader)) return [];
      activation = reader;
      cap = upper;
      reader = index.onlyConsumer(firstOutput(reader));
    }
    const carried = activation ? firstOutput(activation) : firstOutput(first);
    if (!reader || !isConv(index, reader) || firstInput(reader) !== carried || excluded(reader)) return [];
    const channels = index.constant(first.inputs[1] ?? '')?.shape[0] ?? 0;
    return [{ first, second: reader, activation, cap, channels }];
  });
}

/** A Conv whose constants are its own. */
function isConv(index: GraphIndex, node: Node): boolean {
  return (
    node.opType === 'Conv' &&
    node.domain === '' &&
    index.isActivation(firstInput(node)) &&
    node.inputs.slice(1).every((name) => {
      const own = index.consumers(name).length === 1 && !index.isOutput(name);
      return name === '' || (own && index.constant(name)?.dtype === 'float32');
    })
  );
}

/** The bound u of Clip(0, u), Infinity for Relu; undefined where scaling does not commute with the activation. */
function upperBound(index: GraphIndex, node: Node): number | undefined {
  if (node.opType === 'Relu') return Infinity;
  const bound = (at: number): number | undefined => {
    const constant = index.constant(node.inputs[at] ?? '');
    return constant?.data.length === 1 ? Number(constant.data[0]) : undefined;
  };
  return bound(1) === 0 ? bound(2) : undefined;
}

function equalizingScales(constants: ReadonlyMap<string, Tensor>, { first, second, channels }: Pair): Float64Array {
  const ranges1 = new Float64Array(channels);
  const ranges2 = new Float64Array(channels);
  const w1 = dataOf(constants, first.inputs[1]);
  const w2 = dataOf(constants, second.inputs[1]);
  const perChannel = w1.length / channels;
  for (let at = 0; at < w1.length; at++) {
    const channel = Math.floor(at / perChannel);
    ranges1[channel] = Math.max(ranges1[channel]!, Math.abs(w1[at]!));
  }
  forEachInputChannel(second, constants.get(second.inputs[1] ?? '')?.shape ?? [], (at, channel) => {
    ranges2[channel] = Math.max(ranges2[channel]!, Math.abs(w2[at]!));
  });
  return ranges1.map((r1, channel) => {
    const scale = Math.sqrt(r1 / ranges2[channel]!);
    return scale > 0 && scale < Infinity ? Math.min(Math.max(scale, 1 / largestScale), largestScale) : 1;
  });
}

function applyScales(constants: Map<string, Tensor>, { first, second, channels }: Pair, scales: Float64Array): void {
  const divide = (name: string | undefined): void => {
    const constant = constants.get(name ?? '');
    if (name === undefined || constant?.dtype !== 'float32') return;
    const perChannel = constant.data.length / channels;
    const data = constant.data.map((w, at) => w / scales[Math.floor(at / perChannel)]!);
    constants.set(name, tensor('float32', constant.shape, data));
  };
  divide(first.inputs[1]);
  divide(first.inputs[2]);
  const name = second.inputs[1] ?? '';
  const weights = constants.get(name);
  if (weights?.dtype !== 'float32') return;
  const data = new Float32Array(weights.data);
  forEachInputChannel(second, weights.shape, (at, channel) => (data[at]! *= scales[channel]!));
  constants.set(name, tensor('float32', weights.shape, data));
}

/** Writes the bounds of rescaled Clip nodes down: u / s_i less what was absorbed of the channel; none for a plain Relu. */
function withBounds(
  graph: Graph,
  scales: ReadonlyMap<Pair, Float64Array>,
  absorbed: ReadonlyMap<Pair, Float64Array>,
): Graph {
  const pairs = new Map([...scales.keys()].flatMap((pair) => (pair.activation ? [[pair.activation, pair]] : [])));
  const builder = new GraphBuilder(graph);
  for (const node of graph.nodes) {
    const pair = pairs.get(node);
    if (!pair || node.opType === 'Relu') {
      builder.nodes.push(node);
      continue;
    }
    const output = firstOutput(node);
    const type = graph.types.get(output) ?? { dtype: 'float32', shape: [] };
    const relu = { name: node.name, inputs: [firstInput(node)], type };
    if (pair.cap === Infinity) {
      builder.addNode('Relu', { ...relu, output });
      continue;
    }
    const between = builder.fresh(`${output}/relu`);
    const caps = builder.fresh(`${output}/caps`);
    const bounds = Float32Array.from(
      scales.get(pair) ?? [],
      (scale, channel) => pair.cap / scale - (absorbed.get(pair)?.[channel] ?? 0),
    );
    builder.addConstant(caps, tensor('float32', [1, bounds.length, 1, 1], bounds));
    builder.addNode('Relu', { ...relu, output: between });
    builder.addNode('Min', { name: builder.fresh(`${node.name}/caps`), inputs: [between, caps], output, type });
  }
  return builder.build();
}
