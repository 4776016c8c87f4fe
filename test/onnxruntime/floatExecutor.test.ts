import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/base/index.ts';
import type { FloatExecutor, Graph } from '../../src/graph/index.ts';
import { loadOnnxruntime, openOnnxFile, profileNodes } from '../../src/onnxruntime/index.ts';
import { readModel, writeModel } from '../../src/onnx/index.ts';
import { referenceExecutor } from '../../src/reference/index.ts';
import { tensor, type TensorMap } from '../../src/tensor/index.ts';
import { importModel } from '../../src/transform/index.ts';
import { colorNetwork, colorParts, modelOf } from '../support/networks.ts';

function feedsOf(batch: number): TensorMap {
  const random = seededRandom(batch);
  return new Map([['image', tensor('float32', [batch, 3, 8, 8], Float32Array.from({ length: batch * 192 }, random))]]);
}

function expectClose(actual: TensorMap, expected: TensorMap): void {
  expect([...actual.keys()].sort()).toEqual([...expected.keys()].sort());
  for (const [name, { dtype, shape, data }] of expected) {
    const found = actual.get(name);
    expect(found).toMatchObject({ dtype, shape: [...shape] });
    for (const [i, value] of Array.from<number | bigint, number>(data, Number).entries())
      expect(Math.abs(Number(found?.data[i]) - value)).toBeLessThan(1e-4);
  }
}

let executor: FloatExecutor;
const graph: Graph = importModel(readModel(colorNetwork()));

beforeAll(async () => {
  const found = await loadOnnxruntime({ threads: 1 });
  if (found === undefined) throw new Error('These tests need onnxruntime-node, which npm ci installs.');
  executor = found;
});

describe('the float executor', () => {
  it.each([1, 3])('agrees with the reference on a batch of %i, intermediate values too', async (batch) => {
    const names = ['relu', 'image', 'w', ...graph.outputs];
    const results = await Promise.all(
      [executor, referenceExecutor].map(async (each) => {
        const session = await each.load(graph, names);
        const result = await session.run(feedsOf(batch));
        await session.close();
        return result;
      }),
    );
    expectClose(results[0]!, results[1]!);
    expect(results[0]?.get('relu')?.shape).toEqual([batch, 8, 8, 8]);
  });

  it('returns what no node computes without a session', async () => {
    const session = await executor.load(graph, ['image']);
    const feeds = feedsOf(2);
    expect((await session.run(feeds)).get('image')).toEqual(feeds.get('image'));
    await session.close();
  });

  it('runs a batch through a network whose batch is fixed', async () => {
    const parts = colorParts();
    const fixed = importModel(
      readModel(
        writeModel(
          modelOf({
            ...parts,
            input: { name: 'image', shape: [1, 3, 8, 8] },
            output: { name: 'scores', shape: [1, 4] },
          }),
        ),
      ),
    );
    const [free, single] = await Promise.all([graph, fixed].map((each) => executor.load(each, each.outputs)));
    const feeds = feedsOf(3);
    expectClose(await single!.run(feeds), await free!.run(feeds));
    for (const session of [free!, single!]) await session.close();
  });

  it('does not touch what it is fed', async () => {
    const session = await executor.load(graph, graph.outputs);
    const feeds = feedsOf(2);
    const before = Array.from<number | bigint, number>(feeds.get('image')?.data ?? [], Number);
    const [first, second] = [await session.run(feeds), await session.run(feeds)];
    expect(Array.from<number | bigint, number>(feeds.get('image')?.data ?? [], Number)).toEqual(before);
    expect(first).toEqual(second);
    await session.close();
  });
});

describe('a file as it is', () => {
  it('tells its inputs and outputs', async () => {
    const file = await openOnnxFile(colorNetwork());
    expect(file.inputs).toEqual([{ name: 'image', dtype: 'float32', shape: [-1, 3, 8, 8] }]);
    expect(file.outputs).toEqual([{ name: 'scores', dtype: 'float32', shape: [-1, 4] }]);
    await file.close();
  });

  it.each(['none', 'basic', 'extended', 'all'] as const)('runs with optimization %s', async (optimization) => {
    const file = await openOnnxFile(colorNetwork(), { optimization, threads: 1 });
    const reference = await referenceExecutor.load(graph, graph.outputs);
    expectClose(await file.run(feedsOf(2)), await reference.run(feedsOf(2)));
    await file.close();
  });

  it('refuses, in words, bytes and feeds that do not fit', async () => {
    await expect(openOnnxFile(Uint8Array.of(1, 2, 3))).rejects.toMatchObject({ code: 'MODEL_INVALID' });
    const file = await openOnnxFile(colorNetwork());
    const wrong = new Map([['image', tensor('float32', [1, 3, 4, 4])]]);
    const error: unknown = await file.run(wrong).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'INFERENCE_INVALID' });
    expect((error as Error).message).not.toMatch(/\.(?:cc|h):\d+/);
    await file.close();
  });
});

describe('times of nodes', () => {
  it('come for as many inferences as were asked for, and leave no file behind', async () => {
    const before = profileFolders();
    const times = await profileNodes(graph, feedsOf(1), { threads: 1, budgetMs: 10_000, maxRuns: 4 });
    expect(profileFolders()).toEqual(before);
    const known = new Set(graph.nodes.flatMap(({ name, outputs }) => [name, ...outputs]));
    const found = times.filter(({ name }) => known.has(name));
    expect(found.length).toBeGreaterThan(0);
    for (const { runs } of found) {
      expect(runs).toHaveLength(4);
      for (const ms of runs) expect(ms).toBeGreaterThanOrEqual(0);
    }
  });
});

function profileFolders(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith('octet-profile-'));
}
