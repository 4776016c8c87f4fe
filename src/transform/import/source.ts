import { AppError } from '../../base/index.ts';
import type { AttributeValue, Node } from '../../graph/index.ts';
import type { AttributeProto, GraphProto, ModelProto, NodeProto } from '../../onnx/index.ts';
import { tensor, type Tensor } from '../../tensor/index.ts';

/** Operator set versions that can be imported. */
export const opsetRange = { least: 7, most: 22 } as const;

/** A file's graph with unique node names, in topological order, without nodes that no output needs. */
export interface SourceGraph {
  /** Version of ai.onnx. */
  readonly opset: number;
  readonly nodes: readonly Node[];
  readonly initializers: ReadonlyMap<string, Tensor>;
  readonly outputs: readonly string[];
}

/** @throws AppError UNSUPPORTED_OPSET, MODEL_INVALID */
export function readSource(model: ModelProto): SourceGraph {
  const { graph } = model;
  const initializers = readInitializers(graph);
  const outputs = graph.outputs.map(({ name }) => name);
  if (outputs.length === 0) throw invalid('The graph has no outputs.');
  const repeated = outputs.find((name, index) => name === '' || outputs.indexOf(name) !== index);
  if (repeated !== undefined) throw invalid(`The graph has the output '${repeated}' more than once or without a name.`);
  const producers = readProducers(graph, initializers);
  const ordered = orderNodes(graph, initializers, producers);
  const live = liveNodes(ordered, outputs);
  checkOutputs(graph, initializers, producers);
  return { opset: opsetOf(model), nodes: nameNodes(live, outputs), initializers, outputs };
}

function invalid(detail: string, params: Record<string, unknown> = {}): AppError {
  return new AppError('MODEL_INVALID', detail, params);
}

function opsetOf(model: ModelProto): number {
  const version = model.opsetImports.findLast(({ domain }) => domain === '')?.version ?? 1;
  if (version < opsetRange.least || version > opsetRange.most)
    throw new AppError(
      'UNSUPPORTED_OPSET',
      `The model uses operator set ${version}; supported are ${opsetRange.least} to ${opsetRange.most}.`,
      { opset: version, ...opsetRange },
    );
  return version;
}

/** float16 constants are widened: the whole network is computed in float32. */
export function widen(value: Tensor): Tensor {
  return value.dtype === 'float16' ? tensor('float32', value.shape, Float32Array.from(value.data)) : value;
}

function readInitializers(graph: GraphProto): Map<string, Tensor> {
  const initializers = new Map<string, Tensor>();
  for (const { name, tensor: value } of graph.initializers) {
    if (name === '') throw invalid('The graph has an initializer without a name.');
    if (initializers.has(name)) throw invalid(`The graph has two initializers named '${name}'.`, { value: name });
    initializers.set(name, widen(value));
  }
  return initializers;
}

/** Index of the node that makes each value. */
function readProducers(graph: GraphProto, initializers: ReadonlyMap<string, Tensor>): Map<string, number> {
  const producers = new Map<string, number>();
  const inputs = new Set(graph.inputs.map(({ name }) => name));
  if (inputs.size !== graph.inputs.length) throw invalid('The graph has two inputs of one name.');
  graph.nodes.forEach((node, index) => {
    for (const output of node.outputs) {
      if (output === '') continue;
      if (producers.has(output) || initializers.has(output) || (inputs.has(output) && !isConstantSource(node)))
        throw invalid(`The value '${output}' is made more than once.`, { value: output });
      producers.set(output, index);
    }
  });
  return producers;
}

/** Files whose initializers were replaced by such nodes still list them as inputs, as files before IR version 4 must. */
export function isConstantSource({ opType, domain }: { opType: string; domain: string }): boolean {
  return domain === '' && (opType === 'Constant' || opType === 'ConstantOfShape');
}

/** Kahn's algorithm, stable: a file that is in order already keeps its order. */
function orderNodes(
  graph: GraphProto,
  initializers: ReadonlyMap<string, Tensor>,
  producers: ReadonlyMap<string, number>,
): readonly NodeProto[] {
  const inputs = new Set(graph.inputs.map(({ name }) => name));
  const waiting: number[] = [];
  const dependents: number[][] = graph.nodes.map(() => []);
  graph.nodes.forEach((node, index) => {
    let count = 0;
    for (const input of new Set(node.inputs)) {
      const producer = producers.get(input);
      if (producer !== undefined) {
        dependents[producer]?.push(index);
        count++;
      } else if (input !== '' && !initializers.has(input) && !inputs.has(input))
        throw invalid(`Node '${node.name}' (${node.opType}) reads '${input}', which nothing makes.`, { value: input });
    }
    waiting.push(count);
  });
  const ready = waiting.flatMap((count, index) => (count === 0 ? [index] : []));
  const heap = new IndexHeap(ready);
  const order: NodeProto[] = [];
  for (let index = heap.pop(); index !== undefined; index = heap.pop()) {
    const node = graph.nodes[index];
    if (node) order.push(node);
    for (const dependent of dependents[index] ?? []) {
      waiting[dependent] = (waiting[dependent] ?? 0) - 1;
      if (waiting[dependent] === 0) heap.push(dependent);
    }
  }
  if (order.length < graph.nodes.length) {
    const stuck = graph.nodes.find((_, index) => (waiting[index] ?? 0) > 0);
    throw invalid(`The graph has a cycle through node '${stuck?.name ?? ''}' (${stuck?.opType ?? ''}).`);
  }
  return order;
}

/** A binary heap that gives the least index first. */
class IndexHeap {
  readonly #items: number[] = [];

  constructor(items: readonly number[]) {
    for (const item of items) this.push(item);
  }

  push(item: number): void {
    const items = this.#items;
    let at = items.length;
    items.push(item);
    for (let parent = (at - 1) >> 1; at > 0 && (items[parent] ?? 0) > item; parent = (at - 1) >> 1) {
      items[at] = items[parent] ?? 0;
      items[parent] = item;
      at = parent;
    }
  }

  pop(): number | undefined {
    const items = this.#items;
    const least = items[0];
    const last = items.pop();
    if (last === undefined || items.length === 0) return least;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const child = (items[left + 1] ?? Infinity) < (items[left] ?? Infinity) ? left + 1 : left;
      const value = items[child];
      if (value === undefined || value >= last) break;
      items[at] = value;
      at = child;
    }
    items[at] = last;
    return least;
  }
}

function liveNodes(ordered: readonly NodeProto[], outputs: readonly string[]): readonly NodeProto[] {
  const needed = new Set(outputs);
  const live = ordered.toReversed().filter((node) => {
    if (!node.outputs.some((output) => needed.has(output))) return false;
    for (const input of node.inputs) needed.add(input);
    return true;
  });
  return live.reverse();
}

function checkOutputs(
  graph: GraphProto,
  initializers: ReadonlyMap<string, Tensor>,
  producers: ReadonlyMap<string, number>,
): void {
  const inputs = new Set(graph.inputs.map(({ name }) => name));
  for (const { name } of graph.outputs)
    if (!producers.has(name) && !initializers.has(name) && !inputs.has(name))
      throw invalid(`The graph output '${name}' is made by nothing.`, { value: name });
}

/** Gives every node a unique name: its own, with a number where it repeats, else that of its first output. */
function nameNodes(nodes: readonly NodeProto[], graphOutputs: readonly string[]): readonly Node[] {
  const read = new Set([...graphOutputs, ...nodes.flatMap(({ inputs }) => inputs)]);
  const own = new Set(nodes.map(({ name }) => name));
  const taken = new Set<string>();
  const counts = new Map<string, number>();
  return nodes.map((node) => {
    const base = node.name === '' ? `${node.opType}:${node.outputs.find((output) => output !== '') ?? ''}` : node.name;
    let name = base;
    for (let count = counts.get(base) ?? 2; taken.has(name) || (name !== node.name && own.has(name)); count++) {
      name = `${base}#${count}`;
      counts.set(base, count + 1);
    }
    taken.add(name);
    const { opType, domain, inputs } = node;
    // Optional outputs that nobody reads (masks, indices, statistics) are not asked for; Split needs all of its own.
    const outputs = node.outputs.map((output) => (opType === 'Split' || read.has(output) ? output : ''));
    return { name, opType, domain, inputs, outputs, attributes: readAttributes(node.attributes) };
  });
}

/** Attributes by name; sub-graphs and the like become the string '<graph>', which no reader accepts. */
function readAttributes(attributes: readonly AttributeProto[]): ReadonlyMap<string, AttributeValue> {
  return new Map(
    attributes.map((attribute): [string, AttributeValue] => {
      if (attribute.kind === 'tensor') return [attribute.name, widen(attribute.value)];
      return [attribute.name, 'value' in attribute ? attribute.value : `<${attribute.kind}>`];
    }),
  );
}
