import { present } from '../base/index.ts';
import type { FloatExecutor, Graph, ValueType } from '../graph/index.ts';
import { tensor, type Tensor, type TensorMap } from '../tensor/index.ts';
import { GraphBuilder } from './graphBuilder.ts';
import { elementsOfSample } from './graphIndex.ts';
import type { Extremes } from './observers/extremes.ts';
import { sparseStride, type Observer } from './observers/observer.ts';

/** Runs samples and hands the values inside the network to observers. */
export interface Probe {
  observe(feeds: TensorMap): Promise<void>;
  close(): Promise<void>;
}

/** Where the statistics of one value come from: names of graph outputs. */
interface Taps {
  /** Smallest and largest element of each sample, [N] each; absent: from the elements. */
  readonly extremes?: readonly [lowest: string, highest: string];
  /** Elements; absent where the observer needs none. */
  readonly elements?: string;
}

/**
 * Opens a network for observation. A native runtime computes extremes itself, many elements at a time, and thins out
 * large values for histograms: whole ones would cost more to hand over than to compute. The plain executor's values are
 * at hand anyway.
 */
export async function openProbe(
  graph: Graph,
  executor: FloatExecutor,
  observers: ReadonlyMap<string, Observer>,
): Promise<Probe> {
  const { graph: extended, taps } =
    executor.name === 'reference' ? plainTaps(graph, observers) : nativeTaps(graph, observers);
  const outputs = [...taps.values()].flatMap(({ extremes = [], elements = [] }) => [extremes, elements].flat());
  const session = await executor.load(extended, [...new Set(outputs)]);
  return {
    observe: async (feeds) => {
      const results = await session.run(feeds);
      const read = (name: string): Tensor => present(results.get(name), name);
      for (const [value, { extremes, elements }] of taps)
        observeSamples(present(observers.get(value), value), {
          elements: elements === undefined ? undefined : read(elements),
          extremes: extremes && extremesOfSamples(read(extremes[0]), read(extremes[1])),
        });
    },
    close: () => session.close(),
  };
}

function observeSamples(
  observer: Observer,
  { elements, extremes }: { elements: Tensor | undefined; extremes: readonly Extremes[] | undefined },
): void {
  const data = elements ? floatsOf(elements) : new Float32Array();
  const samples = extremes?.length ?? elements?.shape[0] ?? 1;
  const length = data.length / samples;
  for (let sample = 0; sample < samples; sample++)
    observer.observe(data.subarray(sample * length, (sample + 1) * length), extremes?.[sample]);
}

function floatsOf(value: Tensor): Float32Array {
  if (value.dtype === 'float32') return value.data;
  return Float32Array.from<number | bigint>(value.data, Number);
}

function extremesOfSamples(lowest: Tensor, highest: Tensor): Extremes[] {
  const highs = floatsOf(highest);
  return Array.from(floatsOf(lowest), (low, sample) => {
    const high = highs[sample] ?? NaN;
    return { min: Math.min(low, 0), max: Math.max(high, 0), finite: Number.isFinite(high - low) };
  });
}

interface TappedGraph {
  readonly graph: Graph;
  readonly taps: ReadonlyMap<string, Taps>;
}

function plainTaps(graph: Graph, observers: ReadonlyMap<string, Observer>): TappedGraph {
  return { graph, taps: new Map([...observers.keys()].map((value) => [value, { elements: value }])) };
}

function nativeTaps(graph: Graph, observers: ReadonlyMap<string, Observer>): TappedGraph {
  const writer = new TapWriter(graph);
  const taps = new Map<string, Taps>();
  const computed = new Set(graph.nodes.flatMap(({ outputs }) => outputs));
  for (const [value, { needs }] of observers) {
    const { shape } = present(graph.types.get(value), `type of '${value}'`);
    if (!computed.has(value) || shape.length < 2) taps.set(value, { elements: value });
    else if (needs === 'extremes') taps.set(value, { extremes: writer.extremes(value, shape) });
    else taps.set(value, { extremes: writer.extremes(value, shape), elements: writer.elements(value, shape) });
  }
  return { graph: writer.build(), taps };
}

/** Adds the nodes that compute statistics to a graph. */
class TapWriter {
  readonly #builder: GraphBuilder;

  constructor(graph: Graph) {
    this.#builder = new GraphBuilder(graph);
    this.#builder.nodes.push(...graph.nodes);
  }

  build(): Graph {
    return this.#builder.build();
  }

  /** The smallest and largest element of each sample: [N] each. */
  extremes(value: string, shape: readonly number[]): readonly [string, string] {
    const axes = this.#integers(
      `octet/axes/${shape.length}`,
      Array.from({ length: shape.length - 1 }, (_, i) => i + 1),
    );
    const type: ValueType = { dtype: 'float32', shape: shape.slice(0, 1) };
    const reduce = (opType: string, stem: string): string => {
      const output = this.#builder.fresh(`${value}/${stem}`);
      this.#builder.addNode(opType, {
        name: output,
        inputs: [value, axes],
        output,
        type,
        attributes: [['keepdims', 0]],
      });
      return output;
    };
    return [reduce('ReduceMin', 'lowest'), reduce('ReduceMax', 'highest')];
  }

  /** As many elements of each sample as a histogram counts: [N, count], or the value itself where it has no more. */
  elements(value: string, shape: readonly number[]): string {
    const count = elementsOfSample({ dtype: 'float32', shape: [1, ...shape.slice(1)] });
    const stride = sparseStride(count);
    if (stride === 1) return value;
    const builder = this.#builder;
    const batch = shape[0] ?? 1;
    const flat = builder.fresh(`${value}/flat`);
    const rows = this.#integers('octet/rows', [0, -1]);
    builder.addNode('Reshape', {
      name: flat,
      inputs: [value, rows],
      output: flat,
      type: { dtype: 'float32', shape: [batch, count] },
    });
    const output = builder.fresh(`${value}/sparse`);
    const [start, axis] = [this.#integers('octet/start', [0]), this.#integers('octet/axis', [1])];
    const [end, step] = [
      this.#integers(`octet/end/${count}`, [count]),
      this.#integers(`octet/step/${stride}`, [stride]),
    ];
    const type: ValueType = { dtype: 'float32', shape: [batch, Math.ceil(count / stride)] };
    builder.addNode('Slice', { name: output, inputs: [flat, start, end, axis, step], output, type });
    return output;
  }

  #integers(name: string, values: readonly number[]): string {
    return this.#builder.addConstant(name, tensor('int64', [values.length], BigInt64Array.from(values, BigInt)));
  }
}
