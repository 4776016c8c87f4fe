import { expect } from 'vitest';
import type { DotStrategy } from '../../../src/engine/dot.ts';
import { Instance } from '../../../src/engine/instance.ts';
import { compileModule } from '../../../src/engine/instantiate.ts';
import { planNetwork } from '../../../src/engine/plan/plan.ts';
import type { Tier } from '../../../src/engine/index.ts';
import { runQuantized } from '../../../src/reference/index.ts';
import type { Tensor, TensorMap } from '../../../src/tensor/index.ts';
import type { Problem } from '../../suites/problem.ts';

export interface Runner {
  readonly tier: Exclude<Tier, 'reference'>;
  readonly dot: DotStrategy;
}

const PAGE_BYTES = 65_536;

/** Left in every byte that the plan does not fill: kernels may not count on zeros. */
const JUNK = 0xa5;

/**
 * Runs a problem on a runner, in a memory full of junk with one page more than the plan asked for, and compares with the
 * reference bit for bit. Also: the expected kernels ran, constants kept their bytes, nothing wrote beyond the arena.
 */
export function expectSameBits(problem: Problem, runner: Runner): void {
  const plan = planNetwork(problem.graph, runner.dot);
  const kernels = new Map(plan.steps.map((step) => [step.name, step.kernel]));
  for (const [name, expected] of problem.kernels) expect(kernels.get(name)).toMatch(expected(runner.dot.name));
  const initial = plan.pages.initial + 1;
  const memory = new WebAssembly.Memory({ initial, maximum: plan.pages.maximum, shared: true });
  const bytes = new Uint8Array(memory.buffer).fill(JUNK);
  bytes.set(plan.image);
  const shared = { wiring: plan, module: compileModule(plan, runner.tier), memory, tier: runner.tier };
  const instance = new Instance(shared, plan.arenaStart);
  expectEqualTensors(instance.run(problem.feeds), runQuantized(problem.graph, problem.feeds), problem.description);
  const image = Buffer.from(bytes.subarray(0, plan.image.length));
  expect(image.equals(plan.image), `constants were overwritten: ${problem.description}`).toBe(true);
  const beyond = bytes.subarray(plan.pages.initial * PAGE_BYTES);
  const written = beyond.findIndex((byte) => byte !== JUNK);
  expect(written, `byte ${written} beyond the arena was written: ${problem.description}`).toBe(-1);
}

/** Every output, element by element; the first difference is told with its coordinate. */
export function expectEqualTensors(actual: TensorMap, expected: TensorMap, description = ''): void {
  expect([...actual.keys()]).toEqual([...expected.keys()]);
  for (const [name, wanted] of expected) {
    const got = actual.get(name)!;
    expect({ dtype: got.dtype, shape: got.shape }).toEqual({ dtype: wanted.dtype, shape: wanted.shape });
    const at = firstDifference(got, wanted);
    if (at < 0) continue;
    const differing = countDifferences(got, wanted);
    expect.fail(
      `'${name}' differs at [${coordinateOf(at, wanted.shape).join(', ')}]: expected ${String(wanted.data[at])}, ` +
        `got ${String(got.data[at])}; ${differing} of ${wanted.data.length} elements differ. ${description}`,
    );
  }
}

const same = (one: Tensor, other: Tensor, index: number): boolean => Object.is(one.data[index], other.data[index]);

function firstDifference(one: Tensor, other: Tensor): number {
  for (let index = 0; index < other.data.length; index++) if (!same(one, other, index)) return index;
  return -1;
}

function countDifferences(one: Tensor, other: Tensor): number {
  let count = 0;
  for (let index = 0; index < other.data.length; index++) if (!same(one, other, index)) count++;
  return count;
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
