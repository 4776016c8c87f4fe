import { AppError, present } from '../../base/index.ts';
import type { Graph, Node, ValueType } from '../../graph/index.ts';
import type { Tensor } from '../../tensor/index.ts';

/** Bytes of constants that one pass may add. */
const addedBytesLimit = 256 * 2 ** 20;

/** A graph under change: passes replace and remove nodes and add constants; `finish` drops what is no longer used. */
export class GraphEditor {
  readonly #graph: Graph;
  readonly #nodes: Map<string, Node>;
  readonly #constants: Map<string, Tensor>;
  readonly #types: Map<string, ValueType>;
  readonly #producers = new Map<string, string>();
  /** Names of the nodes that read a value. */
  readonly #consumers = new Map<string, Set<string>>();
  readonly #outputs: ReadonlySet<string>;
  #addedBytes = 0;

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#nodes = new Map(graph.nodes.map((node) => [node.name, node]));
    this.#constants = new Map(graph.constants);
    this.#types = new Map(graph.types);
    this.#outputs = new Set(graph.outputs);
    for (const node of graph.nodes) this.#link(node);
  }

  /** The nodes as they were when asked, in topological order; skip those that `has` no longer knows. */
  nodes(): readonly Node[] {
    return [...this.#nodes.values()];
  }

  /** The node as it is now; undefined once removed. */
  current(node: Node): Node | undefined {
    return this.#nodes.get(node.name);
  }

  producer(value: string): Node | undefined {
    return this.#nodes.get(this.#producers.get(value) ?? '');
  }

  consumers(value: string): readonly Node[] {
    return [...(this.#consumers.get(value) ?? [])].map((name) => present(this.#nodes.get(name), name));
  }

  /** The one node that reads a value which is no graph output; undefined where there are others. */
  soleConsumer(value: string): Node | undefined {
    const readers = this.#consumers.get(value);
    if (readers?.size !== 1 || this.#outputs.has(value)) return undefined;
    const [name = ''] = readers;
    return this.#nodes.get(name);
  }

  isOutput(value: string): boolean {
    return this.#outputs.has(value);
  }

  constant(name: string | undefined): Tensor | undefined {
    return this.#constants.get(name ?? '');
  }

  type(name: string | undefined): ValueType | undefined {
    return this.#types.get(name ?? '');
  }

  replace(node: Node, next: Node): Node {
    this.#unlink(node);
    this.#nodes.set(node.name, next);
    this.#link(next);
    return next;
  }

  remove(node: Node): void {
    this.#unlink(node);
    this.#nodes.delete(node.name);
  }

  /** Drops `node`: its readers get its first input. Only where its output is no graph output. */
  bypass(node: Node): void {
    const [input = ''] = node.inputs;
    const [output = ''] = node.outputs;
    this.remove(node);
    for (const reader of this.consumers(output))
      this.replace(reader, { ...reader, inputs: reader.inputs.map((name) => (name === output ? input : name)) });
  }

  /** Writes new elements for a constant that `node` reads: in place where that is its only use. Returns the name. */
  writeConstant(node: Node, name: string, value: Tensor): string {
    const readers = this.#consumers.get(name);
    const readByOthers = readers !== undefined && (readers.size > 1 || !readers.has(node.name)) && readers.size > 0;
    const readTwice = node.inputs.indexOf(name) !== node.inputs.lastIndexOf(name);
    const shared = name === '' || this.#outputs.has(name) || readByOthers || readTwice;
    const target = shared || !this.#constants.has(name) ? this.#unique(name === '' ? `${node.name}.bias` : name) : name;
    if (target !== name) this.#spend(node, value.data.byteLength);
    this.#constants.set(target, value);
    this.#types.set(target, { dtype: value.dtype, shape: value.shape });
    return target;
  }

  finish(): Graph {
    const nodes = this.nodes();
    const needed = new Set(this.#graph.outputs);
    const live = nodes
      .toReversed()
      .filter((node) => {
        if (!node.outputs.some((output) => needed.has(output))) return false;
        for (const input of node.inputs) needed.add(input);
        return true;
      })
      .reverse();
    const constants = new Map([...this.#constants].filter(([name]) => needed.has(name)));
    const values = new Set([...this.#graph.inputs, ...constants.keys(), ...live.flatMap(({ outputs }) => outputs)]);
    const types = new Map([...this.#types].filter(([name]) => values.has(name)));
    return { ...this.#graph, nodes: live, constants, types };
  }

  /** Weights that many nodes share are copied for each: a small file could ask for any amount. */
  #spend(node: Node, bytes: number): void {
    this.#addedBytes += bytes;
    if (this.#addedBytes > addedBytesLimit)
      throw new AppError(
        'MODEL_TOO_COMPLEX',
        `Node '${node.name}' (${node.opType}) brings copies of shared weights to ${this.#addedBytes} bytes; allowed are ${addedBytesLimit}.`,
        { nodeName: node.name, limit: addedBytesLimit },
      );
  }

  #unique(base: string): string {
    let name = `${base}.folded`;
    for (let count = 2; this.#types.has(name); count++) name = `${base}.folded#${count}`;
    return name;
  }

  #link(node: Node): void {
    for (const output of node.outputs) this.#producers.set(output, node.name);
    for (const input of node.inputs) {
      const readers = this.#consumers.get(input);
      if (readers) readers.add(node.name);
      else this.#consumers.set(input, new Set([node.name]));
    }
  }

  #unlink(node: Node): void {
    for (const output of node.outputs) if (this.#producers.get(output) === node.name) this.#producers.delete(output);
    for (const input of node.inputs) this.#consumers.get(input)?.delete(node.name);
  }
}
