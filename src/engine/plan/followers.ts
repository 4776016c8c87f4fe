import { absorbedStep } from '../kernels/index.ts';
import type { Step, WasmStep } from './step.ts';

/** Steps that run within others, panel by panel: what is read was made just before, by the same thread. */
export interface Followers {
  /** Of all operations; those of followers leave nothing to do, but keep their constants. */
  readonly steps: readonly Step[];
  /** By the index of the step that makes what it reads: the follower, and its own index. */
  readonly followers: ReadonlyMap<number, { readonly step: WasmStep; readonly index: number }>;
}

/** Global pools follow the products that make their input. */
export function findFollowers(planned: readonly Step[]): Followers {
  const made = new Map(planned.map(({ operation }, index) => ['output' in operation ? operation.output : '', index]));
  const followers = new Map<number, { step: WasmStep; index: number }>();
  const steps = [...planned];
  planned.forEach((step, index) => {
    if (step.runs !== 'wasm' || step.reads !== 'panels' || step.scratchBytes > 0) return;
    if (!('input' in step.operation)) return;
    const at = made.get(step.operation.input) ?? -1;
    const maker = planned[at];
    if (maker?.runs !== 'wasm' || maker.makes !== 'panels' || maker.units !== step.units || followers.has(at)) return;
    followers.set(at, { step, index });
    steps[at] = { ...maker, kernel: `${maker.kernel}.${step.operation.kind}` };
    steps[index] = { ...absorbedStep(step.operation, maker.operation.name), constants: step.constants };
  });
  return { steps, followers };
}
