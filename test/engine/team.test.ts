import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/base/index.ts';
import { Gate } from '../../src/engine/gate.ts';
import { instantiate } from '../../src/engine/instantiate.ts';
import { CONTROL, doneOf, nextOf } from '../../src/engine/plan/control.ts';
import { planNetwork } from '../../src/engine/plan/plan.ts';
import { arenaAddress } from '../../src/engine/shared.ts';
import type { SharedNetwork } from '../../src/engine/index.ts';
import { runQuantized } from '../../src/reference/index.ts';
import type { TensorMap } from '../../src/tensor/index.ts';
import { networkProblem, networkSuite } from '../suites/network.ts';
import { problemOf } from '../suites/problem.ts';
import type { TeamTask } from './fixtures/teamThread.ts';
import { differenceOf } from './support/compare.ts';
import { simd, wide } from './support/runners.ts';

const runner = wide ?? simd;
const instanceOf = (graph: Parameters<typeof planNetwork>[0]) =>
  instantiate(planNetwork(graph, runner.dot, { sharedMicroseconds: 0 }), runner.tier);

const block = { expand: 24, channels: 16, kernel: 3, stride: 1, gate: true, branch: true, pool: false } as const;
const { graph } = networkProblem({ size: 12, stem: 16, blocks: [block], classes: 5, seed: 3 }, 1);
const feedsOf = (seed: number, batch = 1): TensorMap =>
  problemOf({ graph, kernels: {}, random: seededRandom(seed), batch }).feeds;

const workers: Worker[] = [];
afterAll(() => Promise.all(workers.map((worker) => worker.terminate())));

/** A thread with an arena of its own; `ask` tells it a task and waits for the answer. */
async function startThread(shared: SharedNetwork, arena: number) {
  const worker = new Worker(join(import.meta.dirname, 'fixtures', 'teamThread.ts'), { workerData: { shared, arena } });
  workers.push(worker);
  await once(worker, 'message');
  return {
    ask: async (task: TeamTask): Promise<unknown> => {
      const answer = once(worker, 'message');
      worker.postMessage(task);
      return (await answer)[0];
    },
    end: () => worker.terminate(),
  };
}

describe('an inference that threads share', () => {
  it('has the bits of the reference, whoever runs which part', async () => {
    await fc.assert(
      fc.asyncProperty(networkSuite.problems, async (problem) => {
        const instance = instanceOf(problem.graph);
        const helpers = [await startThread(instance.share(), 1), await startThread(instance.share(), 2)];
        const expected = runQuantized(problem.graph, problem.feeds);
        const samples = [...problem.feeds.values()][0]?.shape[0] ?? 1;
        for (let round = 0; round < 5; round++) {
          const team = { inference: 1 + round * samples, threads: 3 };
          const left = helpers.map((helper) => helper.ask({ kind: 'join', team, samples }));
          expect(differenceOf(instance.run(problem.feeds, { team }), expected)).toBeUndefined();
          expect(await Promise.all(left)).toEqual(['left', 'left']);
        }
        await Promise.all(helpers.map((helper) => helper.end()));
      }),
      { numRuns: 3 },
    );
  });

  it('has them where a pool runs within the product that makes its input', async () => {
    const pooled = networkProblem(
      { size: 12, stem: 16, blocks: [{ ...block, branch: false, channels: 120 }], classes: 5, seed: 4 },
      1,
    );
    const instance = instanceOf(pooled.graph);
    expect([...instance.kernels.values()].filter((kernel) => kernel.endsWith('.averagePool'))).toHaveLength(1);
    const helpers = [await startThread(instance.share(), 1), await startThread(instance.share(), 2)];
    const expected = runQuantized(pooled.graph, pooled.feeds);
    for (let inference = 1; inference <= 50; inference++) {
      const team = { inference, threads: 3 };
      const left = helpers.map((helper) => helper.ask({ kind: 'join', team, samples: 1 }));
      expect(differenceOf(instance.run(pooled.feeds, { team }), expected)).toBeUndefined();
      expect(await Promise.all(left)).toEqual(['left', 'left']);
    }
  });

  it('ends without those who never come, and lets in those who come for a later one', async () => {
    const instance = instanceOf(graph);
    const helper = await startThread(instance.share(), 1);
    const early = helper.ask({ kind: 'join', team: { inference: 3, threads: 4 }, samples: 1 });
    for (const inference of [1, 2, 3]) {
      const feeds = feedsOf(inference);
      const outputs = instance.run(feeds, { team: { inference, threads: 4 } });
      expect(differenceOf(outputs, runQuantized(graph, feeds))).toBeUndefined();
    }
    expect(await early).toBe('left');
    expect(await helper.ask({ kind: 'join', team: { inference: 2, threads: 4 }, samples: 2 })).toBe('left');
  });

  it('is led in any arena, while another runs alone', async () => {
    const instance = instanceOf(graph);
    const leader = await startThread(instance.share(), 1);
    const led = leader.ask({ kind: 'lead', team: { inference: 1, threads: 2 }, feeds: feedsOf(5) });
    instance.join(1, { inference: 1, threads: 2 });
    expect(differenceOf(instance.run(feedsOf(6)), runQuantized(graph, feedsOf(6)))).toBeUndefined();
    expect(differenceOf((await led) as TensorMap, runQuantized(graph, feedsOf(5)))).toBeUndefined();
  });
});

describe('a team that loses a thread', () => {
  const wordsOf = ({ memory, wiring }: SharedNetwork, arena: number) =>
    new Int32Array(memory.buffer, arenaAddress(wiring, arena), wiring.scratchStart / 4);

  it('gives up when it is aborted, and works again after a reset', async () => {
    const instance = instanceOf(graph);
    const shared = instance.share();
    const leader = await startThread(shared, 1);
    const gate = new Gate(shared, 1);
    // a thread that died inside: it will never leave
    Atomics.add(wordsOf(shared, 1), CONTROL.gate / 4, 1);
    const led = leader.ask({ kind: 'lead', team: { inference: 1, threads: 2 }, feeds: feedsOf(1) });
    gate.abort();
    expect(await led).toMatch(/Another thread of this inference has ended/);
    gate.reset();
    const again = await leader.ask({ kind: 'lead', team: { inference: 1, threads: 2 }, feeds: feedsOf(1) });
    expect(differenceOf(again as TensorMap, runQuantized(graph, feedsOf(1)))).toBeUndefined();
  });

  it('does not leave a helper waiting for a leader that never begins', async () => {
    const shared = instanceOf(graph).share();
    const helper = await startThread(shared, 1);
    const joined = helper.ask({ kind: 'join', team: { inference: 1, threads: 2 }, samples: 1 });
    new Gate(shared, 0).abort();
    expect(await joined).toMatch(/Another thread of this inference has ended/);
  });

  it('traps where a part was taken and is never finished', () => {
    const shared = instanceOf(graph).share();
    const { module, memory, wiring } = shared;
    const { exports } = new WebAssembly.Instance(module, { env: { memory } });
    const together = exports['together0'] as (arena: number, scratch: number, threads: number) => void;
    const words = wordsOf(shared, 0);
    words[nextOf(0) / 4] = 1_000_000;
    words[CONTROL.abort / 4] = 1;
    const address = arenaAddress(wiring, 0);
    expect(() => together(address, address + wiring.scratchStart, 2)).toThrow('unreachable');
    expect(words[doneOf(0) / 4]).toBe(0);
  });
});
