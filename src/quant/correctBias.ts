import { AppError, invariant, present } from '../base/index.ts';
import type { FloatExecutor, Graph, Node } from '../graph/index.ts';
import { bytesPerElement, tensor, type Tensor, type TensorMap } from '../tensor/index.ts';
import { batchSize, throwIfAborted, type Batches } from './calibrate.ts';
import { GraphBuilder } from './graphBuilder.ts';
import { elementsOfSample, firstInput, GraphIndex, subgraph } from './graphIndex.ts';
import { planQuantization, type PlannedLayer } from './plan.ts';
import { biasSteps } from './quantizeLayer.ts';
import { quantizeGraph, type Ranges } from './quantizeGraph.ts';
import type { Recipe } from './recipe.ts';

export interface BiasCorrectionOptions {
  /** As `prepareGraph` returns it. */
  readonly graph: Graph;
  readonly ranges: Ranges;
  readonly recipe: Recipe;
  readonly executor: FloatExecutor;
  readonly batches: Batches;
  /** Layers corrected so far, of how many. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal | undefined;
  /** Most samples used; absent: what memory allows, and on the plain executor `plainSamples`. */
  readonly maxSamples?: number;
}

/** Means of 32 samples correct as well as those of 100; the plain executor takes seconds for each. */
const plainSamples = 32;

/** Bytes of intermediate values that are kept between layers. */
const keptBytesLimit = 256 * 2 ** 20;

/**
 * Empirical bias correction (arXiv:1906.04721 section 4.2): b ← b + E[y_float] − E[y_quantized] for each output channel
 * of each layer, before its activation, in order, with earlier layers already corrected. The quantized network is the
 * QDQ graph itself, activations included.
 *
 * Layer by layer over all samples would run the network once a layer. Instead the values that cross a cut of the
 * quantized graph are kept for all samples (bytes, mostly), and the cut advances past each corrected layer: two runs
 * of the network in all. Samples are taken until what must be kept reaches a limit.
 *
 * @returns the graph with other biases, everything else equal
 */
export async function correctBias(options: BiasCorrectionOptions): Promise<Graph> {
  const graph = withBiases(options.graph, options.recipe);
  const { layers } = planQuantization(graph, options.recipe);
  if (layers.length === 0) return graph;
  const samples = await takeSamples(graph, options);
  if (samples.length === 0)
    throw new AppError('CALIBRATION_REQUIRED', 'Bias correction needs at least one calibration sample.');
  const wanted = await floatMeans(graph, layers, samples, options);
  return correctInOrder(graph, layers, samples, wanted, options);
}

/** Gives each layer without a bias one of zeros, and shared biases a copy each. */
function withBiases(graph: Graph, recipe: Recipe): Graph {
  const { layers } = planQuantization(graph, recipe);
  const builder = new GraphBuilder(graph);
  const index = new GraphIndex(graph);
  const byNode = new Map(layers.map((layer) => [layer.node, layer]));
  for (const node of graph.nodes) {
    const layer = byNode.get(node);
    const shared = layer?.bias !== undefined && index.consumers(layer.bias).length > 1;
    if (!layer || (layer.bias !== undefined && !shared) || node.opType === 'MatMul') {
      builder.nodes.push(node);
      continue;
    }
    const channels = present(index.type(layer.output).shape[layer.outputAxis], 'channels');
    const old = layer.bias === undefined ? undefined : (index.constant(layer.bias)?.data as Float32Array);
    const name = builder.fresh(`${node.name}/bias`);
    builder.addConstant(name, tensor('float32', [channels], old ? Float32Array.from(old) : new Float32Array(channels)));
    builder.nodes.push({ ...node, inputs: [node.inputs[0] ?? '', node.inputs[1] ?? '', name] });
  }
  return builder.build();
}

async function takeSamples(graph: Graph, options: BiasCorrectionOptions): Promise<TensorMap[]> {
  const { batches, signal, executor } = options;
  const maxSamples = options.maxSamples ?? (executor.name === 'reference' ? plainSamples : Infinity);
  const bytesPerSample = bytesOf(graph, graph.inputs);
  const limit = Math.max(1, Math.min(maxSamples, Math.floor(keptBytesLimit / bytesPerSample)));
  const taken: TensorMap[] = [];
  let count = 0;
  for await (const { feeds } of batches) {
    throwIfAborted(signal);
    taken.push(feeds);
    count += batchSize(feeds);
    if (count >= limit) break;
  }
  return taken;
}

function bytesOf(graph: Graph, values: Iterable<string>): number {
  let bytes = 0;
  for (const value of values) {
    const type = present(graph.types.get(value), `type of '${value}'`);
    bytes += elementsOfSample(type) * bytesPerElement[type.dtype];
  }
  return bytes;
}

/** Adds E[value] over height and width to a graph: [N, C]; values without them are returned whole. */
function withMeans(graph: Graph, values: readonly string[]): { graph: Graph; means: ReadonlyMap<string, string> } {
  const builder = new GraphBuilder(graph);
  builder.nodes.push(...graph.nodes);
  const means = new Map<string, string>();
  const axes = builder.fresh('octet/spatial');
  builder.addConstant(axes, tensor('int64', [2], BigInt64Array.of(2n, 3n)));
  for (const value of values) {
    const { shape } = present(graph.types.get(value), `type of '${value}'`);
    if (shape.length !== 4) {
      means.set(value, value);
      continue;
    }
    const output = builder.fresh(`${value}/mean`);
    builder.addNode('ReduceMean', {
      name: output,
      inputs: [value, axes],
      output,
      type: { dtype: 'float32', shape: shape.slice(0, 2) },
      attributes: [['keepdims', 0]],
    });
    means.set(value, output);
  }
  return { graph: builder.build(), means };
}

/** Sums of rows of [..., C] tensors, in float64. */
class ChannelMean {
  readonly #sums: Float64Array;
  #rows = 0;

  constructor(channels: number) {
    this.#sums = new Float64Array(channels);
  }

  add(rows: Tensor): void {
    invariant(rows.dtype === 'float32', 'means are float32');
    const channels = this.#sums.length;
    for (let i = 0; i < rows.data.length; i++) this.#sums[i % channels]! += rows.data[i]!;
    this.#rows += rows.data.length / channels;
  }

  mean(): Float64Array {
    return this.#sums.map((sum) => sum / this.#rows);
  }
}

function channelsOf(graph: Graph, layer: PlannedLayer): number {
  return present(graph.types.get(layer.output)?.shape[layer.outputAxis], `channels of '${layer.output}'`);
}

async function floatMeans(
  graph: Graph,
  layers: readonly PlannedLayer[],
  samples: readonly TensorMap[],
  { executor, signal }: BiasCorrectionOptions,
): Promise<ReadonlyMap<string, Float64Array>> {
  const outputs = layers.map(({ output }) => output);
  const { graph: extended, means } = withMeans(graph, outputs);
  const totals = new Map(layers.map((layer) => [layer.output, new ChannelMean(channelsOf(graph, layer))]));
  const session = await executor.load(extended, [...means.values()]);
  try {
    for (const feeds of samples) {
      throwIfAborted(signal);
      const results = await session.run(feeds);
      for (const [value, total] of totals) total.add(present(results.get(means.get(value) ?? ''), value));
    }
  } finally {
    await session.close();
  }
  return new Map([...totals].map(([value, total]) => [value, total.mean()]));
}

async function correctInOrder(
  graph: Graph,
  layers: readonly PlannedLayer[],
  samples: readonly TensorMap[],
  wanted: ReadonlyMap<string, Float64Array>,
  options: BiasCorrectionOptions,
): Promise<Graph> {
  const { ranges, recipe, executor, signal, onProgress } = options;
  const constants = new Map(graph.constants);
  const sampleCount = samples.reduce((count, feeds) => count + batchSize(feeds), 0);
  let quantized = quantizeGraph(graph, ranges, recipe, { keepActivations: true });
  let kept: readonly TensorMap[] = samples;
  for (const [position, layer] of layers.entries()) {
    throwIfAborted(signal);
    onProgress?.(position, layers.length);
    const bias = layer.bias === undefined ? undefined : constants.get(layer.bias);
    if (layer.bias !== undefined && bias?.dtype === 'float32') {
      const mean = await quantizedMean(quantized, layer, kept, executor, channelsOf(graph, layer));
      const target = present(wanted.get(layer.output), layer.output);
      const reals = bias.data.map((value, channel) => value + (target[channel] ?? 0) - (mean[channel] ?? 0));
      constants.set(layer.bias, tensor('float32', bias.shape, reals));
      quantized = withBias(quantized, layer, reals);
    }
    const remaining = layers.slice(position + 1);
    if (remaining.length > 0) kept = await advance(quantized, remaining, kept, sampleCount, executor);
  }
  onProgress?.(layers.length, layers.length);
  return { ...graph, constants };
}

/** Replaces the bias of one layer of a quantized graph, in int32 where it is stored so. */
function withBias(quantized: Graph, layer: PlannedLayer, reals: Float32Array<ArrayBuffer>): Graph {
  const name = nodeOf(quantized, layer).inputs[2] ?? '';
  const constants = new Map(quantized.constants);
  const dequantize = quantized.nodes.find(({ outputs }) => outputs[0] === name);
  if (!dequantize) return { ...quantized, constants: constants.set(name, tensor('float32', [reals.length], reals)) };
  const [stored = '', scaleName = ''] = dequantize.inputs;
  const scales = present(constants.get(scaleName), scaleName).data as Float32Array;
  constants.set(stored, tensor('int32', [reals.length], biasSteps(reals, scales)));
  return { ...quantized, constants };
}

function nodeOf(graph: Graph, { node: { name } }: PlannedLayer): Node {
  return present(
    graph.nodes.find((node) => node.name === name),
    `node '${name}'`,
  );
}

async function quantizedMean(
  quantized: Graph,
  layer: PlannedLayer,
  kept: readonly TensorMap[],
  executor: FloatExecutor,
  channels: number,
): Promise<Float64Array> {
  const output = nodeOf(quantized, layer).outputs[0] ?? '';
  const part = subgraph(quantized, [...(kept[0]?.keys() ?? [])], [output]);
  const { graph, means } = withMeans(part, [output]);
  const fetched = present(means.get(output), output);
  const total = new ChannelMean(channels);
  const session = await executor.load({ ...graph, outputs: [fetched] }, [fetched]);
  try {
    for (const values of kept) {
      const results = await session.run(pick(values, part.inputs));
      total.add(present(results.get(fetched), fetched));
    }
  } finally {
    await session.close();
  }
  return total.mean();
}

function pick(values: TensorMap, names: readonly string[]): TensorMap {
  return new Map(names.map((name) => [name, present(values.get(name), `kept value '${name}'`)]));
}

/** Moves the cut past a corrected layer, unless more would have to be kept than allowed. */
async function advance(
  quantized: Graph,
  remaining: readonly PlannedLayer[],
  kept: readonly TensorMap[],
  sampleCount: number,
  executor: FloatExecutor,
): Promise<readonly TensorMap[]> {
  const inputs = [...(kept[0]?.keys() ?? [])];
  const outputs = crossing(quantized, inputs, remaining);
  const fresh = outputs.filter((name) => !inputs.includes(name));
  if (bytesOf(quantized, outputs) * sampleCount > keptBytesLimit) return kept;
  if (fresh.length === 0) return kept.map((values) => pick(values, outputs));
  const part = subgraph(quantized, inputs, fresh);
  const session = await executor.load(part, fresh);
  const next: TensorMap[] = [];
  try {
    for (const values of kept) {
      const results = await session.run(pick(values, part.inputs));
      next.push(
        new Map([
          ...pick(
            values,
            outputs.filter((name) => inputs.includes(name)),
          ),
          ...results,
        ]),
      );
    }
  } finally {
    await session.close();
  }
  return next;
}

/**
 * The values that the remaining layers need and that can be computed without any of them. A value that is quickly made
 * from bytes (DequantizeLinear) is not kept itself, its bytes are.
 */
function crossing(quantized: Graph, given: readonly string[], remaining: readonly PlannedLayer[]): string[] {
  const pending = new Set(remaining.map(({ node }) => node.name));
  const late = new Set<string>();
  const early = new Set<string>(given);
  for (const node of quantized.nodes) {
    const isLate = pending.has(node.name) || node.inputs.some((input) => late.has(input));
    for (const output of node.outputs) (isLate ? late : early).add(output);
  }
  const targets = quantized.nodes.filter(({ name }) => pending.has(name));
  const needed = subgraph(
    quantized,
    given,
    targets.map((node) => node.outputs[0] ?? ''),
  );
  const producers = new Map<string, Node>();
  for (const node of quantized.nodes) for (const output of node.outputs) producers.set(output, node);
  const isConstant = constantTest(quantized, producers);
  const cut = new Set<string>();
  for (const node of needed.nodes) {
    if (!node.outputs.some((output) => late.has(output))) continue;
    for (const input of node.inputs) {
      if (input === '' || late.has(input) || isConstant(input)) continue;
      const producer = producers.get(input);
      const bytes = producer?.opType === 'DequantizeLinear' ? firstInput(producer) : input;
      cut.add(early.has(bytes) ? bytes : input);
    }
  }
  return [...cut];
}

function constantTest(graph: Graph, producers: ReadonlyMap<string, Node>): (value: string) => boolean {
  const known = new Map<string, boolean>();
  const test = (value: string): boolean => {
    if (value === '' || graph.constants.has(value)) return true;
    const cached = known.get(value);
    if (cached !== undefined) return cached;
    const producer = producers.get(value);
    const result = producer?.inputs.every(test) ?? false;
    known.set(value, result);
    return result;
  };
  return test;
}
