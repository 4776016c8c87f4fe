import { AppError, present } from '../base/index.ts';
import type { FloatExecutor, FloatSession, Graph } from '../graph/index.ts';
import type { Tensor, TensorMap } from '../tensor/index.ts';
import { runNode } from './runNode.ts';

/** Runs float graphs with the plain kernels: complete everywhere, and the oracle of whatever is faster. */
export const referenceExecutor: FloatExecutor = {
  name: 'reference',
  load: async (graph, outputs) => new ReferenceSession(graph, outputs),
};

class ReferenceSession implements FloatSession {
  readonly #graph: Graph;
  readonly #outputs: readonly string[];
  /** For each node, the values that no later node reads. */
  readonly #dead: readonly (readonly string[])[];

  constructor(graph: Graph, outputs: readonly string[]) {
    this.#graph = graph;
    this.#outputs = outputs;
    const last = new Map<string, number>();
    graph.nodes.forEach((node, at) => [...node.inputs, ...node.outputs].forEach((name) => last.set(name, at)));
    const kept = new Set(outputs);
    this.#dead = graph.nodes.map((node, at) =>
      [...node.inputs, ...node.outputs].filter((name) => last.get(name) === at && !kept.has(name)),
    );
  }

  async run(feeds: TensorMap): Promise<TensorMap> {
    const values = new Map<string, Tensor>();
    for (const name of this.#graph.inputs) {
      const feed = feeds.get(name);
      if (!feed) throw new AppError('INFERENCE_INVALID', `Input '${name}' is missing.`, { input: name });
      values.set(name, feed);
    }
    const read = (name: string): Tensor =>
      present(values.get(name) ?? this.#graph.constants.get(name), `value '${name}'`);
    for (const [at, node] of this.#graph.nodes.entries()) {
      const results = runNode(
        node,
        node.inputs.map((name) => (name === '' ? undefined : read(name))),
      );
      node.outputs.forEach((name, index) => {
        const result = results[index];
        if (name !== '' && result) values.set(name, result);
      });
      for (const name of this.#dead[at] ?? []) values.delete(name);
    }
    return new Map(this.#outputs.map((name) => [name, read(name)]));
  }

  async close(): Promise<void> {
    // Holds nothing but memory.
  }
}
