import type { AttributeValue, Graph, Node, ValueType } from '../graph/index.ts';
import type { Tensor } from '../tensor/index.ts';

/** Collects the nodes, constants and types of a new graph, and keeps names apart. */
export class GraphBuilder {
  readonly nodes: Node[] = [];
  readonly constants = new Map<string, Tensor>();
  readonly types: Map<string, ValueType>;
  readonly #base: Graph;
  readonly #names: Set<string>;

  constructor(base: Graph) {
    this.#base = base;
    this.types = new Map(base.types);
    this.#names = new Set([...base.types.keys(), ...base.constants.keys(), ...base.nodes.map(({ name }) => name)]);
  }

  /** `wish`, or `wish:2`, `wish:3` … where that is taken. */
  fresh(wish: string): string {
    let name = wish;
    for (let n = 2; this.#names.has(name); n++) name = `${wish}:${n}`;
    this.#names.add(name);
    return name;
  }

  addConstant(name: string, value: Tensor): string {
    this.constants.set(name, value);
    this.types.set(name, { dtype: value.dtype, shape: value.shape });
    return name;
  }

  addNode(
    opType: string,
    node: {
      name: string;
      inputs: readonly string[];
      output: string;
      type: ValueType;
      attributes?: [string, AttributeValue][];
    },
  ): void {
    const { name, inputs, output, type, attributes = [] } = node;
    this.types.set(output, type);
    this.nodes.push({ name, opType, domain: '', inputs, outputs: [output], attributes: new Map(attributes) });
  }

  /** The new graph: constants that no node reads, and types of values that are gone, are left out. */
  build(): Graph {
    const used = new Set(this.nodes.flatMap(({ inputs }) => inputs));
    for (const output of this.#base.outputs) used.add(output);
    const constants = new Map<string, Tensor>();
    for (const [name, value] of [...this.#base.constants, ...this.constants])
      if (used.has(name)) constants.set(name, value);
    const alive = new Set([...this.#base.inputs, ...constants.keys(), ...this.nodes.flatMap(({ outputs }) => outputs)]);
    const types = new Map([...this.types].filter(([name]) => alive.has(name)));
    return { ...this.#base, nodes: this.nodes, constants, types };
  }
}
