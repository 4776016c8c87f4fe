import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/base/index.ts';
import { pairs } from '../../src/engine/dot.ts';
import { planNetwork } from '../../src/engine/plan/plan.ts';
import { attach, compile, tierReport, tiers, zeroFeeds } from '../../src/engine/index.ts';
import { runQuantized } from '../../src/reference/index.ts';
import { tensor, type TensorMap } from '../../src/tensor/index.ts';
import { networkProblem } from '../suites/network.ts';
import { problemOf } from '../suites/problem.ts';
import { differenceOf } from './support/compare.ts';

const block = { expand: 24, channels: 16, kernel: 3, stride: 1, gate: true, branch: false, pool: false } as const;
const { graph } = networkProblem({ size: 12, stem: 16, blocks: [block], classes: 5, seed: 3 }, 1);
const feedsOf = (seed: number, batch = 1): TensorMap =>
  problemOf({ graph, kernels: {}, random: seededRandom(seed), batch }).feeds;

const PAGE_BYTES = 65_536;

describe('an executable', () => {
  it('names the kernel of every operation, and its tier', () => {
    const executable = compile(graph);
    expect(executable.tier).toBe(tierReport().tier);
    expect([...executable.kernels.keys()]).toEqual(graph.operations.map(({ name }) => name));
    expect(compile(graph, { tier: 'reference' }).kernels.get('quantize')).toBe('reference.quantize');
  });

  it('runs samples of a batch as it runs them alone', () => {
    const executable = compile(graph);
    const whole = executable.run(feedsOf(1, 3)).get('scores')!;
    expect(whole.shape).toEqual([3, 5]);
    const image = feedsOf(1, 3).get('image')!;
    const size = image.data.length / 3;
    const last = tensor('float32', [1, ...image.shape.slice(1)], (image.data as Float32Array).slice(2 * size));
    expect([...executable.run(new Map([['image', last]])).get('scores')!.data]).toEqual([...whole.data].slice(10));
  });

  it('forgets what it ran before', () => {
    const executable = compile(graph);
    const first = executable.run(feedsOf(1));
    executable.run(feedsOf(2, 2));
    expect(differenceOf(executable.run(feedsOf(1)), first)).toBeUndefined();
  });

  it('makes no garbage: 10,000 runs into the same outputs without a scavenge', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [
      join(import.meta.dirname, 'fixtures/steadyRuns.ts'),
    ]);
    const { during, after } = JSON.parse(stdout) as { during: number; after: number };
    expect(after).toBeGreaterThan(0);
    expect(during).toBe(0);
  });

  it.each(tiers)('times every operation, the samples untouched (%s asked for)', (tier) => {
    const executable = compile(graph, { tier });
    const timings = executable.profile(feedsOf(1));
    expect(timings.map(({ name, kernel }) => [name, kernel])).toEqual([...executable.kernels]);
    expect(timings.every(({ ms }) => ms >= 0)).toBe(true);
    const [, conv] = timings;
    expect(conv?.macs).toBe(6 * 6 * 16 * 3 * 9);
  });

  it.each(['reference', 'simd'] as const)('refuses feeds that do not fit (%s)', (tier) => {
    const executable = compile(graph, { tier });
    const refused = (feeds: TensorMap) =>
      expect(() => executable.run(feeds)).toThrow(/Input 'image' is .* it must be float32 \[N, 3, 12, 12\]/);
    refused(new Map());
    refused(new Map([['image', tensor('float32', [1, 3, 12, 11])]]));
    refused(new Map([['image', tensor('uint8', [1, 3, 12, 12])]]));
    refused(new Map([['image', tensor('float32', [0, 3, 12, 12])]]));
  });

  it('runs on zeros, to be warm', () => {
    const feeds = zeroFeeds(graph);
    expect(differenceOf(compile(graph).run(feeds), runQuantized(graph, feeds))).toBeUndefined();
  });
});

describe('a network that threads share', () => {
  it('gives each instance an arena of its own on the same weights', () => {
    const executable = compile(graph);
    const before = executable.memoryBytes;
    const shared = executable.share()!;
    const others = [1, 2].map((arena) => attach(shared, arena));
    expect(shared.memory.buffer.byteLength).toBe(before + 2 * shared.wiring.arenaBytes);
    const all = [executable, ...others];
    const expected = [1, 2, 3].map((seed) => runQuantized(graph, feedsOf(seed)));
    for (let round = 0; round < 2; round++)
      all.forEach((instance, index) => {
        expect(differenceOf(instance.run(feedsOf(index + 1)), expected[index]!)).toBeUndefined();
      });
  });

  it('runs in two threads at one time', async () => {
    const executable = compile(graph);
    const runs = 20;
    const data = { shared: executable.share()!, arena: 1, feeds: feedsOf(8), runs };
    const worker = new Worker(join(import.meta.dirname, 'fixtures', 'attachedThread.ts'), { workerData: data });
    const results: TensorMap[] = [];
    worker.on('message', (outputs: TensorMap) => results.push(outputs));
    const ended = new Promise<number>((resolve, reject) => worker.once('exit', resolve).once('error', reject));
    const mine = runQuantized(graph, feedsOf(9));
    let exitCode: number | undefined;
    void ended.then((code) => (exitCode = code));
    while (exitCode === undefined && results.length < runs) {
      expect(differenceOf(executable.run(feedsOf(9)), mine)).toBeUndefined();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await ended).toBe(0);
    const theirs = runQuantized(graph, feedsOf(8));
    expect(results.map((outputs) => differenceOf(outputs, theirs))).toEqual(new Array(runs).fill(undefined));
  });

  it('carries no weights twice: they are in the image alone', () => {
    const { wiring } = compile(graph).share()!;
    for (const operation of wiring.graph.operations)
      if ('weights' in operation) expect(operation.weights.data.length).toBe(0);
  });

  it('is not there on the reference tier', () => {
    expect(compile(graph, { tier: 'reference' }).share()).toBeUndefined();
  });
});

describe('a plan', () => {
  it('places constants and arena in whole pages, and emits a valid module', () => {
    const plan = planNetwork(graph, pairs);
    expect(WebAssembly.validate(plan.moduleBytes)).toBe(true);
    expect(plan.arenaStart % PAGE_BYTES).toBe(0);
    expect(plan.arenaBytes % PAGE_BYTES).toBe(0);
    expect(plan.pages.initial * PAGE_BYTES).toBe(plan.arenaStart + plan.arenaBytes);
    expect(plan.image.length).toBeLessThanOrEqual(plan.arenaStart);
  });

  it('is the same for the same graph', () => {
    const [one, other] = [planNetwork(graph, pairs), planNetwork(graph, pairs)];
    expect(Buffer.from(one.moduleBytes).equals(other.moduleBytes)).toBe(true);
    expect(Buffer.from(one.image).equals(other.image)).toBe(true);
  });
});

describe('the tier report', () => {
  const report = tierReport();

  it('names the fastest tier that passed, and is made once', () => {
    expect(tierReport()).toBe(report);
    expect(report.selfTest[report.tier]).toBe('passed');
    const faster = tiers.slice(tiers.indexOf(report.tier) + 1);
    expect(faster.filter((tier) => !['failed', 'unavailable'].includes(report.selfTest[tier]))).toEqual([]);
  });

  it.each(tiers)('never takes a faster tier than is asked for: %s', (asked) => {
    const { tier, reason, selfTest } = tierReport(asked);
    expect(tiers.indexOf(tier)).toBeLessThanOrEqual(tiers.indexOf(asked));
    expect(selfTest[tier]).toBe('passed');
    expect(compile(graph, { tier: asked }).tier).toBe(tier);
    expect(reason.startsWith(`The ${asked} tier was asked for${tier === asked ? '.' : ', but cannot run here.'}`)).toBe(
      true,
    );
    const faster = tiers.slice(tiers.indexOf(asked) + 1).filter((other) => selfTest[other] === 'passed');
    expect(faster).toEqual([]);
  });

  it('says why in a sentence', () => {
    expect(report.reason).toMatch(/^The .*\.$/);
    expect(report.reason).toContain(report.dotSemantics);
  });
});
