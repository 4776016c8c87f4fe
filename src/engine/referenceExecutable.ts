import { InvariantError, present } from '../base/index.ts';
import type { Operation, QuantizedGraph } from '../graph/index.ts';
import { runQuantized } from '../reference/index.ts';
import { tensorsOf, type FeedMap, type TensorMap } from '../tensor/index.ts';
import { pairs } from './dot.ts';
import type { Executable, NodeTiming } from './executable.ts';
import { outputsOf } from './plan/values.ts';
import { planNetwork } from './plan/plan.ts';

type NodeFacts = Omit<NodeTiming, 'ms'>;

/** The plain kernels as an executable: the tier that needs nothing. */
export class ReferenceExecutable implements Executable {
  readonly tier = 'reference';
  readonly kernels: ReadonlyMap<string, string>;
  /** Weights and constants; values live only while they are read. */
  readonly memoryBytes: number;
  readonly arena = 0;
  readonly #graph: QuantizedGraph;
  #nodes: readonly NodeFacts[] | undefined;

  constructor(graph: QuantizedGraph) {
    this.#graph = graph;
    this.kernels = new Map(graph.operations.map((operation) => [operation.name, kernelOf(operation)]));
    const constants = [...graph.constants.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
    this.memoryBytes = graph.operations.reduce((sum, operation) => sum + weightBytes(operation), constants);
  }

  run(feeds: FeedMap): TensorMap {
    return runQuantized(this.#graph, tensorsOf(feeds));
  }

  join(): never {
    throw new InvariantError('the reference tier runs in one thread');
  }

  profile(feeds: FeedMap): readonly NodeTiming[] {
    this.#nodes ??= factsOf(this.#graph);
    const madeAt = new Map<string, number>();
    let before = performance.now();
    const observe = (name: string): void => {
      const now = performance.now();
      madeAt.set(name, now - before);
      before = now;
    };
    runQuantized(this.#graph, tensorsOf(feeds), { observe });
    return this.#nodes.map((facts, index) => {
      const outputs = outputsOf(present(this.#graph.operations[index], facts.name));
      return { ...facts, ms: outputs.reduce((sum, name) => sum + (madeAt.get(name) ?? 0), 0) };
    });
  }

  share(): undefined {
    return undefined;
  }

  close(): void {
    // holds nothing
  }
}

function kernelOf({ kind }: Operation): string {
  return `reference.${kind}`;
}

function weightBytes(operation: Operation): number {
  return 'weights' in operation ? operation.weights.data.byteLength : 0;
}

/** Operators and multiply-accumulates, as a plan for any tier counts them. */
function factsOf(graph: QuantizedGraph): NodeFacts[] {
  return planNetwork(graph, pairs).steps.map(({ name, opType, macs, operation }) => {
    const kernel = kernelOf(present(graph.operations[operation], name));
    return { name, opType, macs, kernel };
  });
}
