import { numberAttribute, stringAttribute, type Graph, type Node } from '../graph/index.ts';
import { elementwiseOperators } from '../transform/index.ts';
import { firstInput, firstOutput, GraphIndex } from './graphIndex.ts';
import type { Recipe } from './recipe.ts';
import { floatSelector } from './select.ts';

/** A node with weights that become int8. */
export interface PlannedLayer {
  readonly node: Node;
  /** Constant names. */
  readonly weights: string;
  readonly bias: string | undefined;
  /** The axis of the weights that counts output channels (of one group, for ConvTranspose). */
  readonly weightAxis: number;
  /** The activation that is multiplied with the weights. */
  readonly input: string;
  /** The result before a fused activation. */
  readonly output: string;
  /** The axis of `output` that counts channels. */
  readonly outputAxis: number;
  /** Products summed for one output element. */
  readonly taps: number;
}

/** Values that share one scale and zero point. */
export interface ActivationGroup {
  readonly values: readonly string[];
  /** Those whose numbers decide the range; the others are copies and parts of them. */
  readonly observed: readonly string[];
}

/** What becomes of each node and value. Depends on the graph and the recipe alone. */
export interface QuantizationPlan {
  readonly layers: readonly PlannedLayer[];
  /** Values that are quantized, in topological order of their first member. */
  readonly groups: readonly ActivationGroup[];
  /** Nodes that read quantized values, by name. */
  readonly integer: ReadonlySet<string>;
  /** Activation nodes that are part of their producer: between the two there is no quantization. */
  readonly fused: ReadonlyMap<string, Node>;
  /** Elementwise nodes that read the result of another one unquantized: all are one table. */
  readonly chained: ReadonlyMap<string, ReadonlySet<string>>;
}

type Role = 'layer' | 'binary' | 'average' | 'elementwise' | 'copy' | 'concat' | 'float';

const copies: ReadonlySet<string> = new Set([
  ...['MaxPool', 'GlobalMaxPool', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Transpose', 'Slice', 'Split', 'Pad'],
  ...['Gather', 'Resize', 'DepthToSpace', 'SpaceToDepth'],
]);
const binaries: ReadonlySet<string> = new Set(['Add', 'Sub', 'Mul', 'Sum']);

/**
 * Decides which nodes run in integers and which values are quantized.
 *
 * Ranges are chosen after the activation that is fused into a producer. Nodes after the last layer with weights stay
 * float (a final Softmax, the decoding of boxes), and so does the result of a last Gemm. Copies (Reshape, MaxPool, …)
 * and Concat share one range with their inputs. A function of one value (SiLU, HardSwish) is quantized at its ends.
 */
export function planQuantization(graph: Graph, recipe: Recipe): QuantizationPlan {
  return new Planner(graph, recipe).plan();
}

class Planner {
  readonly #index: GraphIndex;
  readonly #graph: Graph;
  readonly #excluded: (node: Node) => boolean;
  readonly #activations: boolean;
  readonly #weights: boolean;
  readonly #roles = new Map<Node, Role>();
  readonly #fused = new Map<string, Node>();
  /** Fused activation of a producer's output, by that output. */
  readonly #fusedResult = new Map<string, string>();
  /** Values that come out of integer nodes or of the caller: quantizing them pays. */
  readonly #available = new Set<string>();
  /** The value that an elementwise result is a function of. */
  readonly #sources = new Map<string, string>();
  readonly #quantized = new Set<string>();
  readonly #parents = new Map<string, string>();

  constructor(graph: Graph, recipe: Recipe) {
    this.#graph = graph;
    this.#index = new GraphIndex(graph);
    this.#excluded = floatSelector(recipe);
    this.#activations = recipe.activations !== 'none';
    this.#weights = recipe.weights !== 'none';
  }

  plan(): QuantizationPlan {
    this.#assignRoles();
    const integer = new Set<string>();
    const chained = new Map<string, ReadonlySet<string>>();
    if (this.#activations)
      for (const node of this.#graph.nodes) {
        const role = this.#roles.get(node);
        if (role === undefined || role === 'float') continue;
        integer.add(node.name);
        this.#quantizeAround(node, role, chained);
      }
    const layers = this.#graph.nodes.flatMap((node) => {
      const layer = this.#roles.get(node) === 'layer' ? this.#layer(node) : undefined;
      return layer && this.#weights ? [layer] : [];
    });
    return { layers, groups: this.#groups(), integer, fused: this.#fused, chained };
  }

  #assignRoles(): void {
    const below = this.#hasLayerBelow();
    for (const input of this.#graph.inputs) this.#available.add(input);
    for (const node of this.#graph.nodes) {
      if (this.#fused.has(node.name)) continue;
      const role = this.#excluded(node) ? 'float' : this.#roleOf(node, below.has(node));
      this.#roles.set(node, role);
      if (role === 'float') continue;
      const result = role === 'layer' || role === 'binary' || role === 'average' ? this.#fuse(node) : undefined;
      for (const output of node.outputs) if (output !== '') this.#available.add(result ?? output);
    }
  }

  /** Nodes from which some layer with weights can be reached. */
  #hasLayerBelow(): ReadonlySet<Node> {
    const above = new Set<Node>();
    for (const node of [...this.#graph.nodes].reverse()) {
      const readers = node.outputs.flatMap((output) => this.#index.consumers(output));
      if (readers.some((reader) => above.has(reader) || this.#layer(reader))) above.add(node);
    }
    return above;
  }

  #roleOf(node: Node, below: boolean): Role {
    if (node.domain !== '') return 'float';
    if (this.#layer(node)) return 'layer';
    if (!below || !node.outputs.every((output) => output === '' || this.#index.isActivation(output))) return 'float';
    const reals = node.inputs.filter((input) => this.#index.isActivation(input));
    if (!reals.some((input) => this.#available.has(input))) return 'float';
    if (this.#noteSource(node, reals)) return 'elementwise';
    if (binaries.has(node.opType) && node.inputs.length === 2) return this.#isBinary(node) ? 'binary' : 'float';
    if (node.opType === 'Concat') return reals.length === node.inputs.length ? 'concat' : 'float';
    if (copies.has(node.opType)) return this.#isCopy(node) ? 'copy' : 'float';
    return this.#isAverage(node) ? 'average' : 'float';
  }

  /** Records that a node's result is a function of one value, element by element. */
  #noteSource(node: Node, reals: readonly string[]): boolean {
    if (!elementwiseOperators.has(node.opType)) return false;
    const others = node.inputs.filter((input) => input !== '' && !reals.includes(input));
    if (!others.every((input) => this.#index.isScalarConstant(input))) return false;
    const sources = new Set(reals.map((input) => this.#sources.get(input) ?? input));
    const [source] = sources;
    if (source === undefined || sources.size > 1 || !this.#available.has(source)) return false;
    this.#sources.set(firstOutput(node), source);
    return true;
  }

  #isBinary(node: Node): boolean {
    const shape = this.#index.type(firstOutput(node)).shape;
    const likeOutput = node.inputs.some((input) => {
      const type = this.#graph.types.get(input);
      return (
        type?.dtype === 'float32' &&
        type.shape.length === shape.length &&
        type.shape.every((dim, i) => dim === shape[i])
      );
    });
    return likeOutput && node.inputs.every((input) => this.#graph.types.get(input)?.dtype === 'float32');
  }

  #isCopy(node: Node): boolean {
    const { opType, inputs } = node;
    if (!inputs.slice(1).every((input) => input === '' || this.#index.constant(input))) return false;
    if (opType === 'Resize')
      return (
        stringAttribute(node, 'mode', 'nearest') === 'nearest' &&
        stringAttribute(node, 'coordinate_transformation_mode', 'half_pixel') !== 'tf_crop_and_resize'
      );
    if (opType === 'MaxPool' || opType === 'GlobalMaxPool')
      return this.#rank(firstInput(node)) === 4 && node.outputs.filter((output) => output !== '').length === 1;
    return true;
  }

  #isAverage(node: Node): boolean {
    if (this.#rank(firstInput(node)) !== 4) return false;
    if (node.opType === 'GlobalAveragePool' || node.opType === 'AveragePool') return true;
    if (node.opType !== 'ReduceMean') return false;
    const axes = this.#index.constant(node.inputs[1] ?? '');
    const reduced = Array.from<number | bigint, number>(axes?.data ?? [], Number).map((axis) =>
      axis < 0 ? axis + 4 : axis,
    );
    return reduced.length === 2 && reduced.includes(2) && reduced.includes(3);
  }

  #rank(value: string): number {
    return this.#graph.types.get(value)?.shape.length ?? 0;
  }

  #layer(node: Node): PlannedLayer | undefined {
    if (node.domain !== '') return undefined;
    const [input = '', weights = '', biasName = ''] = node.inputs;
    const weightTensor = this.#index.constant(weights);
    if (weightTensor?.dtype !== 'float32' || !this.#index.isActivation(input)) return undefined;
    const biasTensor = this.#index.constant(biasName);
    if (biasName !== '' && biasTensor?.dtype !== 'float32') return undefined;
    const place = this.#layerPlace(node, weightTensor.shape);
    if (!place || (biasTensor && biasTensor.data.length !== place.channels)) return undefined;
    const { weightAxis, outputAxis, taps } = place;
    const bias = biasName === '' ? undefined : biasName;
    return { node, weights, bias, weightAxis, input, output: firstOutput(node), outputAxis, taps };
  }

  #layerPlace(
    node: Node,
    shape: readonly number[],
  ): { weightAxis: number; outputAxis: number; taps: number; channels: number } | undefined {
    const [first = 1, second = 1, kernelH = 1, kernelW = 1] = shape;
    if (node.opType === 'Conv' && shape.length === 4)
      return { weightAxis: 0, outputAxis: 1, taps: second * kernelH * kernelW, channels: first };
    if (node.opType === 'ConvTranspose' && shape.length === 4) {
      const group = numberAttribute(node, 'group', 1);
      return { weightAxis: 1, outputAxis: 1, taps: (first / group) * kernelH * kernelW, channels: second * group };
    }
    if (shape.length !== 2) return undefined;
    if (node.opType === 'MatMul')
      return { weightAxis: 1, outputAxis: this.#rank(firstOutput(node)) - 1, taps: first, channels: second };
    if (node.opType !== 'Gemm' || numberAttribute(node, 'transA', 0) !== 0) return undefined;
    if (numberAttribute(node, 'alpha', 1) !== 1 || numberAttribute(node, 'beta', 1) !== 1) return undefined;
    return numberAttribute(node, 'transB', 0) !== 0
      ? { weightAxis: 0, outputAxis: 1, taps: second, channels: first }
      : { weightAxis: 1, outputAxis: 1, taps: first, channels: second };
  }

  /** Fuses the activations that are the only readers of a node's result; returns the last one's result. */
  #fuse(node: Node): string {
    let result = firstOutput(node);
    for (;;) {
      const reader = this.#index.onlyConsumer(result);
      if (!reader || !this.#isActivation(reader, result) || this.#excluded(reader)) break;
      this.#fused.set(reader.name, node);
      result = firstOutput(reader);
    }
    this.#fusedResult.set(firstOutput(node), result);
    return result;
  }

  #isActivation(node: Node, input: string): boolean {
    if (node.domain !== '' || firstInput(node) !== input) return false;
    if (node.opType === 'Relu') return true;
    if (node.opType === 'Min')
      return node.inputs.length === 2 && this.#index.constant(node.inputs[1] ?? '') !== undefined;
    return node.opType === 'Clip' && node.inputs.slice(1).every((name) => name === '' || this.#index.constant(name));
  }

  #quantizeAround(node: Node, role: Role, chained: Map<string, ReadonlySet<string>>): void {
    const reals = node.inputs.filter((input) => this.#index.isActivation(input));
    const results = node.outputs
      .filter((output) => output !== '')
      .map((output) => this.#fusedResult.get(output) ?? output);
    if (role === 'elementwise') {
      const [result = ''] = results;
      const source = this.#sources.get(result) ?? result;
      this.#quantized.add(source);
      chained.set(node.name, new Set(reals.filter((input) => input !== source)));
      if (!this.#isInterior(result, source)) this.#quantized.add(result);
      return;
    }
    for (const input of reals) this.#quantized.add(input);
    if (role === 'layer' && this.#isSmall(node) && this.#isLast(results)) return;
    for (const result of results) this.#quantized.add(result);
    if (role !== 'copy' && role !== 'concat') return;
    const [anchor = '', ...rest] = [...(role === 'copy' ? [firstInput(node)] : reals), ...results];
    for (const value of rest) this.#unite(anchor, value);
  }

  /** Whether only elementwise nodes of the same source read a value. */
  #isInterior(value: string, source: string): boolean {
    if (this.#index.isOutput(value)) return false;
    return this.#index
      .consumers(value)
      .every(
        (reader) => this.#roles.get(reader) === 'elementwise' && this.#sources.get(firstOutput(reader)) === source,
      );
  }

  /** Whether a layer computes one element a channel: it costs little in float. */
  #isSmall(node: Node): boolean {
    const { shape } = this.#index.type(firstOutput(node));
    return shape.length < 3 || shape.slice(2).every((dim) => dim === 1);
  }

  /** Whether only float nodes and the caller read these values. */
  #isLast(values: readonly string[]): boolean {
    return values.every((value) =>
      this.#index.consumers(value).every((reader) => (this.#roles.get(reader) ?? 'float') === 'float'),
    );
  }

  #root(value: string): string {
    let root = value;
    for (let parent = this.#parents.get(root); parent !== undefined; parent = this.#parents.get(root)) root = parent;
    return root;
  }

  #unite(a: string, b: string): void {
    const [rootA, rootB] = [this.#root(a), this.#root(b)];
    if (rootA !== rootB) this.#parents.set(rootB, rootA);
  }

  #groups(): readonly ActivationGroup[] {
    const members = new Map<string, string[]>();
    const order = [...this.#graph.inputs, ...this.#graph.nodes.flatMap((node) => node.outputs)];
    for (const value of order) {
      if (!this.#quantized.has(value)) continue;
      const root = this.#root(value);
      const known = members.get(root);
      if (known) known.push(value);
      else members.set(root, [value]);
    }
    return [...members.values()].map((values) => {
      const observed = values.filter((value) => {
        const producer = this.#index.producer(value);
        const role = producer && this.#roles.get(producer);
        return role !== 'copy' && role !== 'concat';
      });
      return { values, observed };
    });
  }
}
