import type { DotStrategy } from '../../../src/engine/dot.ts';
import { Instance } from '../../../src/engine/instance.ts';
import { planNetwork, type Plan } from '../../../src/engine/plan/plan.ts';
import type { Tier } from '../../../src/engine/index.ts';
import { runQuantized } from '../../../src/reference/index.ts';
import type { Tensor, TensorMap } from '../../../src/tensor/index.ts';
import type { Problem } from '../../suites/problem.ts';

/** How plans become code that runs. */
export interface Runner {
  readonly tier: Exclude<Tier, 'reference'>;
  readonly dot: DotStrategy;
  compile(plan: Plan): WebAssembly.Module;
}

const PAGE_BYTES = 65_536;

/** Of each step; the last is smaller where they do not divide it. */
const PARTS = 3;

/** Left in every byte that the plan does not fill: kernels may not count on zeros. */
const JUNK = 0xa5;

/**
 * Runs a problem on a runner, in a memory full of junk with one page more than the plan asked for, whole and in parts as
 * threads share it, from tensors and from pixels, and compares with the reference bit for bit. Also: the expected kernels ran, constants kept their bytes, nothing wrote beyond the arena.
 *
 * @returns what is wrong, or undefined
 */
export function faultOf(problem: Problem, runner: Runner): string | undefined {
  const plan = planNetwork(problem.graph, runner.dot, { sharedMicroseconds: 0 });
  const kernels = new Map(plan.steps.map((step) => [step.name, step.kernel]));
  const { name: arithmetic } = runner.dot.forSmallWeights ?? runner.dot;
  for (const [name, expected] of problem.kernels) {
    const [kernel = 'nothing', wanted] = [kernels.get(name), expected(arithmetic)];
    if (!wanted.test(kernel)) return `'${name}' ran on ${kernel}, not on ${String(wanted)}: ${problem.description}`;
  }
  const initial = plan.pages.initial + 1;
  const memory = new WebAssembly.Memory({ initial, maximum: plan.pages.maximum, shared: true });
  const bytes = new Uint8Array(memory.buffer).fill(JUNK);
  bytes.set(plan.image);
  const shared = { wiring: plan, module: runner.compile(plan), memory, tier: runner.tier };
  const expected = runQuantized(problem.graph, problem.feeds);
  for (const feeds of [problem.feeds, ...(problem.pixels ? [problem.pixels] : [])])
    for (const options of [{}, { team: { inference: 1, threads: PARTS } }]) {
      bytes.fill(JUNK, plan.arenaStart, plan.pages.initial * PAGE_BYTES);
      const difference = differenceOf(new Instance(shared, 0).run(feeds, options), expected);
      if (difference) return `${JSON.stringify(options)}: ${difference} ${problem.description}`;
    }
  if (!Buffer.from(bytes.subarray(0, plan.image.length)).equals(plan.image))
    return `constants were overwritten: ${problem.description}`;
  const written = bytes.subarray(plan.pages.initial * PAGE_BYTES).findIndex((byte) => byte !== JUNK);
  return written < 0 ? undefined : `byte ${written} beyond the arena was written: ${problem.description}`;
}

/** The first element in which two sets of outputs differ, told with its coordinate; NaN equals NaN, 0 is not −0. */
export function differenceOf(actual: TensorMap, expected: TensorMap): string | undefined {
  for (const [name, wanted] of expected) {
    const got = actual.get(name);
    const form = ({ dtype, shape }: Tensor): string => `${dtype}[${shape.join(', ')}]`;
    if (!got || form(got) !== form(wanted)) return `'${name}' is ${got ? form(got) : 'missing'}, not ${form(wanted)}.`;
    const differing = Array.from({ length: wanted.data.length }, (_, index) => index).filter(
      (index) => !Object.is(got.data[index], wanted.data[index]),
    );
    const [at] = differing;
    if (at === undefined) continue;
    return (
      `'${name}' differs at [${coordinateOf(at, wanted.shape).join(', ')}]: expected ${String(wanted.data[at])}, ` +
      `got ${String(got.data[at])}; ${differing.length} of ${wanted.data.length} elements differ.`
    );
  }
  return actual.size === expected.size ? undefined : `${actual.size} outputs, not ${expected.size}.`;
}

function coordinateOf(index: number, shape: readonly number[]): number[] {
  const coordinate: number[] = [];
  let rest = index;
  for (const size of shape.toReversed()) {
    coordinate.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return coordinate;
}
