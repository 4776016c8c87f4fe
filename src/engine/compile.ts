import { InvariantError } from '../base/index.ts';
import type { QuantizedGraph } from '../graph/index.ts';
import { tensor, type TensorMap } from '../tensor/index.ts';
import { dotOfTier, type DotStrategy } from './dot.ts';
import type { Executable } from './executable.ts';
import { instantiate } from './instantiate.ts';
import { planNetwork } from './plan/plan.ts';
import { ReferenceExecutable } from './referenceExecutable.ts';
import { tierReport } from './selfTest.ts';
import type { Tier } from './tier.ts';

export interface CompileOptions {
  /** No faster tier than this; absent: the best that passed its self-test. */
  readonly tier?: Tier | undefined;
  /** Substitutes the arithmetic of the tier, which is then taken as it is: for tests of strategies that this machine does not have. */
  readonly dot?: DotStrategy;
}

/**
 * Compiles a quantized graph for this machine.
 *
 * @throws AppError INFERENCE_INVALID from `run`
 */
export function compile(graph: QuantizedGraph, { tier: asked, dot }: CompileOptions = {}): Executable {
  if (asked !== undefined && asked !== 'reference' && dot) return instantiate(planNetwork(graph, dot), asked);
  const { tier, dotSemantics } = tierReport(asked);
  if (tier === 'reference') return new ReferenceExecutable(graph);
  return instantiate(planNetwork(graph, dot ?? dotOfTier(tier, dotSemantics)), tier);
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
