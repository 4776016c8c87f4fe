import { present } from '../base/index.ts';
import { BATCH, type Graph, type Node, type ValueType } from '../graph/index.ts';
import type { Tensor } from '../tensor/index.ts';

/** Who makes and who reads each value of a graph. */
export class GraphIndex {
  readonly graph: Graph;
  readonly #producers = new Map<string, Node>();
  readonly #consumers = new Map<string, Node[]>();
  readonly #outputs: ReadonlySet<string>;

  constructor(graph: Graph) {
    this.graph = graph;
    this.#outputs = new Set(graph.outputs);
    for (const node of graph.nodes) {
      for (const output of node.outputs) if (output !== '') this.#producers.set(output, node);
      for (const input of new Set(node.inputs)) {
        if (input === '') continue;
        const known = this.#consumers.get(input);
        if (known) known.push(node);
        else this.#consumers.set(input, [node]);
      }
    }
  }

  producer(value: string): Node | undefined {
    return this.#producers.get(value);
  }

  consumers(value: string): readonly Node[] {
    return this.#consumers.get(value) ?? [];
  }

  isOutput(value: string): boolean {
    return this.#outputs.has(value);
  }

  constant(value: string): Tensor | undefined {
    return value === '' ? undefined : this.graph.constants.get(value);
  }

  type(value: string): ValueType {
    return present(this.graph.types.get(value), `type of '${value}'`);
  }

  /** The only node that reads a value that is not returned. */
  onlyConsumer(value: string): Node | undefined {
    const [first, second] = this.consumers(value);
    return second || this.isOutput(value) ? undefined : first;
  }

  /** A float32 value that is computed or fed, not constant. */
  isActivation(value: string): boolean {
    return value !== '' && !this.graph.constants.has(value) && this.graph.types.get(value)?.dtype === 'float32';
  }

  isScalarConstant(value: string): boolean {
    return this.constant(value)?.data.length === 1;
  }
}

export function firstInput(node: Node): string {
  return node.inputs[0] ?? '';
}

export function firstOutput(node: Node): string {
  return node.outputs[0] ?? '';
}

/** Elements of one sample of a value. */
export function elementsOfSample({ shape }: ValueType): number {
  return shape.reduce((product, dim) => product * (dim === BATCH ? 1 : dim), 1);
}

/** The nodes that `outputs` need when `inputs` are given, as a graph of its own. */
export function subgraph(graph: Graph, inputs: readonly string[], outputs: readonly string[]): Graph {
  const needed = new Set(outputs);
  const given = new Set(inputs);
  const nodes: Node[] = [];
  for (let i = graph.nodes.length - 1; i >= 0; i--) {
    const node = graph.nodes[i]!;
    if (!node.outputs.some((output) => needed.has(output) && !given.has(output))) continue;
    nodes.push(node);
    for (const input of node.inputs) if (input !== '') needed.add(input);
  }
  const constants = new Map([...graph.constants].filter(([name]) => needed.has(name)));
  return {
    ...graph,
    inputs: inputs.filter((name) => needed.has(name)),
    outputs,
    nodes: nodes.reverse(),
    constants,
  };
}
