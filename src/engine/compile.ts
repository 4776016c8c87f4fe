import { InvariantError } from '../base/index.ts';
import type { QuantizedGraph } from '../graph/index.ts';
import { runQuantized } from '../reference/index.ts';
import { tensor, tensorsOf, type FeedMap, type TensorMap } from '../tensor/index.ts';
import { dotOfTier, type DotStrategy } from './dot.ts';
import type { Executable } from './executable.ts';
import { instantiate } from './instantiate.ts';
import { planNetwork } from './plan/plan.ts';
import { tierReport } from './selfTest.ts';
import type { Tier } from './tier.ts';

export interface CompileOptions {
  /** Forces a tier; absent: the best that passed its self-test. */
  readonly tier?: Tier | undefined;
  /** Ignored: every build can be timed node by node. */
  readonly profile?: boolean;
  /** Substitutes the arithmetic of the tier, for tests of strategies that this machine does not have. */
  readonly dot?: DotStrategy;
}

/**
 * Compiles a quantized graph for this machine.
 *
 * @throws AppError INFERENCE_INVALID from `run`; InvariantError where a forced tier is not available here
 */
export function compile(graph: QuantizedGraph, options: CompileOptions = {}): Executable {
  const tier = options.tier ?? tierReport().tier;
  if (tier === 'reference') return new ReferenceExecutable(graph);
  return instantiate(planNetwork(graph, options.dot ?? dotOfTier(tier, tierReport().dotSemantics)), tier);
}

/** The plain kernels as an executable: the tier that needs nothing. */
class ReferenceExecutable implements Executable {
  readonly tier = 'reference';
  readonly kernels: ReadonlyMap<string, string>;
  readonly memoryBytes = 0;
  readonly arena = 0;
  readonly #graph: QuantizedGraph;

  constructor(graph: QuantizedGraph) {
    this.#graph = graph;
    this.kernels = new Map(graph.operations.map(({ name, kind }) => [name, `reference.${kind}`]));
  }

  run(feeds: FeedMap): TensorMap {
    return runQuantized(this.#graph, tensorsOf(feeds));
  }

  join(): never {
    throw new InvariantError('the reference tier runs in one thread');
  }

  profile(): never {
    throw new InvariantError('the reference tier has no profile');
  }

  share(): undefined {
    return undefined;
  }

  close(): void {
    // holds nothing
  }
}

/** Zero feeds of one sample, to warm an executable. */
export function zeroFeeds(graph: QuantizedGraph): TensorMap {
  return new Map(
    graph.inputs.map((name) => {
      const value = graph.values.get(name);
      if (!value) throw new InvariantError(`input '${name}' has no type`);
      return [name, tensor(value.kind === 'quantized' ? value.storedAs : value.dtype, value.shape)] as never;
    }),
  );
}
