import { setFlagsFromString } from 'node:v8';
import { InvariantError } from '../base/index.ts';
import type { QuantizedGraph } from '../graph/index.ts';
import { runQuantized } from '../reference/index.ts';
import { tensor, type TensorMap } from '../tensor/index.ts';
import { pairs, signedDot, unsignedDot, type DotStrategy } from './dot.ts';
import type { Executable } from './executable.ts';
import { checkFeeds, Instance } from './instance.ts';
import { planNetwork, type Plan } from './plan/plan.ts';
import { setWide } from './probe.ts';
import { tierReport } from './selfTest.ts';
import type { DotSemantics, Tier } from './tier.ts';

export interface CompileOptions {
  /** Forces a tier; absent: the best that passed its self-test. */
  readonly tier?: Tier | undefined;
  /** Ignored: every build can be timed node by node. */
  readonly profile?: boolean;
  /** Substitutes the arithmetic of the tier, for tests of strategies that this machine does not have. */
  readonly dot?: DotStrategy;
}

/** The dot products of a tier on a machine with these semantics. */
export function dotOfTier(tier: Tier, semantics: DotSemantics): DotStrategy {
  if (tier === 'simd') return pairs;
  if (semantics === 'unsigned') return unsignedDot();
  return semantics === 'signed' ? signedDot() : pairs;
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

/** One memory with the plan's image and one arena. */
export function instantiate(plan: Plan, tier: Tier): Instance {
  // the optimizing compiler from the first call on: the baseline is several times slower, and never re-vectorizes
  setFlagsFromString('--no-liftoff');
  setFlagsFromString('--no-wasm-lazy-compilation');
  setWide(tier === 'wide' ? 'on' : 'off');
  const module = new WebAssembly.Module(plan.moduleBytes);
  setWide('off');
  const memory = new WebAssembly.Memory({ ...plan.pages, shared: true });
  new Uint8Array(memory.buffer).set(plan.image);
  return new Instance(plan, module, memory, plan.arenaStart, tier);
}

/** The plain kernels as an executable: the tier that needs nothing. */
class ReferenceExecutable implements Executable {
  readonly tier = 'reference';
  readonly kernels: ReadonlyMap<string, string>;
  readonly memoryBytes = 0;
  readonly #graph: QuantizedGraph;

  constructor(graph: QuantizedGraph) {
    this.#graph = graph;
    this.kernels = new Map(graph.operations.map(({ name, kind }) => [name, `reference.${kind}`]));
  }

  run(feeds: TensorMap): TensorMap {
    checkFeeds(this.#graph, feeds);
    return runQuantized(this.#graph, feeds);
  }

  profile(): never {
    throw new InvariantError('the reference tier has no profile');
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
