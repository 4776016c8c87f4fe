import { describe, expect, it } from 'vitest';
import { AppError } from '../../src/base/index.ts';
import { loadOnnxruntime } from '../../src/onnxruntime/index.ts';
import {
  calibrate,
  correctBias,
  planQuantization,
  prepareGraph,
  quantizeGraph,
  recipeSchema,
  sqnr,
} from '../../src/quant/index.ts';
import { referenceExecutor, runQuantized } from '../../src/reference/index.ts';
import type { FloatExecutor, Graph } from '../../src/graph/index.ts';
import { tensor, type TensorMap } from '../../src/tensor/index.ts';
import { lowerQdq } from '../../src/transform/index.ts';
import { image, layer, networkOf, normal, op, samples, spreadNetwork, variedNetwork } from './networks.ts';

const onnxruntime = await loadOnnxruntime({ threads: 1 });
const executors: FloatExecutor[] = onnxruntime ? [referenceExecutor, onnxruntime] : [referenceExecutor];
const calibrators = ['minMax', 'movingMinMax', 'percentile', 'entropy', 'mse'] as const;

describe.each(calibrators)('calibration by %s', (calibrator) => {
  const recipe = recipeSchema.parse({ activations: { calibrator } });

  it('does not depend on the batch, and little on the executor', async () => {
    const graph = variedNetwork();
    const runs = [];
    for (const executor of executors)
      for (const batchSize of [1, 5])
        runs.push((await calibrate({ graph, recipe, executor, batches: samples(20, batchSize) })).ranges);
    const [first, ...others] = runs;
    for (const ranges of others) {
      expect([...ranges.keys()]).toEqual([...first!.keys()]);
      for (const [value, { min, max }] of ranges) {
        const width = first!.get(value)!.max - first!.get(value)!.min;
        expect(Math.abs(min - first!.get(value)!.min)).toBeLessThan(width * 0.02);
        expect(Math.abs(max - first!.get(value)!.max)).toBeLessThan(width * 0.02);
      }
    }
  });

  it('refuses samples that are not numbers', async () => {
    async function* broken(): AsyncGenerator<{ feeds: TensorMap }> {
      const data = new Float32Array(3 * 8 * 8).fill(1).fill(NaN, 5, 6);
      yield { feeds: new Map([['image', tensor('float32', [1, 3, 8, 8], data)]]) };
    }
    const act = calibrate({ graph: spreadNetwork(0), recipe, executor: referenceExecutor, batches: broken() });
    await expect(act).rejects.toThrow(/not finite/);
  });
});

describe('calibration', () => {
  const recipe = recipeSchema.parse({});
  const graph = spreadNetwork(0);

  it('says how far it is, and stops when told', async () => {
    const seen: number[] = [];
    const stop = new AbortController();
    const act = calibrate({
      ...{ graph, recipe, executor: referenceExecutor, batches: samples(100, 10), signal: stop.signal },
      onProgress: (done) => {
        seen.push(done);
        if (done === 30) stop.abort();
      },
    });
    await expect(act).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(seen).toEqual([10, 20, 30]);
  });

  it('needs a sample', async () => {
    const act = calibrate({ graph, recipe, executor: referenceExecutor, batches: samples(0) });
    await expect(act).rejects.toThrow(AppError);
    await expect(act).rejects.toMatchObject({ code: 'CALIBRATION_REQUIRED' });
  });

  it('observes after fused activations, and each range once', () => {
    const { groups } = planQuantization(variedNetwork(), recipe);
    const observed = groups.flatMap((group) => group.observed);
    expect(observed).toContain('stem6');
    expect(observed).not.toContain('stem');
    expect(observed).not.toContain('sum');
    expect(observed).not.toContain('gate');
    expect(observed).not.toContain('pooled');
    expect(observed).not.toContain('logits');
    expect(new Set(observed).size).toBe(observed.length);
  });
});

/** Channel means of a value over samples, from the graph itself. */
async function means(graph: Graph, value: string, count: number): Promise<number[]> {
  const session = await referenceExecutor.load(graph, [value]);
  const sums: number[] = [];
  for await (const { feeds } of samples(count)) {
    const result = (await session.run(feeds)).get(value)!;
    const inner = result.data.length / result.shape[1]!;
    (result.data as Float32Array).forEach((y, i) => {
      const channel = Math.floor(i / inner);
      sums[channel] = (sums[channel] ?? 0) + y / inner / count;
    });
  }
  return sums;
}

describe('empirical bias correction', () => {
  const recipe = recipeSchema.parse({ weights: { bits: 4, granularity: 'perTensor' } });
  const count = 24;

  it.each(executors.map((executor) => [executor.name, executor] as const))(
    'gives every layer the mean that it has in float, on %s',
    async (_, executor) => {
      const graph = variedNetwork();
      const { ranges } = await calibrate({ graph, recipe, executor, batches: samples(count) });
      const corrected = await correctBias({ graph, ranges, recipe, executor, batches: samples(count, 5) });
      const before = quantizeGraph(graph, ranges, recipe, { keepActivations: true });
      const after = quantizeGraph(corrected, ranges, recipe, { keepActivations: true });
      const { layers } = planQuantization(graph, recipe);
      expect(layers.length).toBe(7);
      for (const { node, output } of layers) {
        const wanted = await means(graph, output, count);
        const raw = after.nodes.find(({ name }) => name === node.name)!.outputs[0]!;
        const error = (found: number[]): number => Math.max(...found.map((mean, i) => Math.abs(mean - wanted[i]!)));
        const left = error(await means(after, raw, count));
        expect(left).toBeLessThan(0.01);
        expect(left).toBeLessThan(error(await means(before, raw, count)) + 0.002);
      }
    },
  );

  it('changes nothing but biases', async () => {
    const graph = variedNetwork();
    const { ranges } = await calibrate({ graph, recipe, executor: referenceExecutor, batches: samples(4) });
    const options = { graph, ranges, recipe, executor: referenceExecutor };
    const corrected = await correctBias({ ...options, batches: samples(4) });
    expect(corrected.outputs).toEqual(graph.outputs);
    expect(corrected.nodes.map(({ name, outputs }) => [name, ...outputs])).toEqual(
      graph.nodes.map(({ name, outputs }) => [name, ...outputs]),
    );
    for (const [name, constant] of graph.constants)
      if (constant.shape.length !== 1) expect(corrected.constants.get(name)).toBe(constant);
  });

  it('works for weight-only recipes, and stops when told', async () => {
    const graph = variedNetwork();
    const weightOnly = recipeSchema.parse({ activations: 'none', weights: { bits: 4 } });
    const options = { graph, ranges: new Map(), recipe: weightOnly, executor: referenceExecutor };
    const corrected = await correctBias({ ...options, batches: samples(8) });
    const run = async (of: Graph): Promise<Float32Array> =>
      (await (await referenceExecutor.load(of, ['logits'])).run(image(3, 8))).get('logits')?.data as Float32Array;
    const exact = await run(graph);
    const plain = sqnr(exact, await run(quantizeGraph(graph, new Map(), weightOnly)));
    expect(sqnr(exact, await run(quantizeGraph(corrected, new Map(), weightOnly)))).toBeGreaterThan(plain);
    const aborted = correctBias({ ...options, batches: samples(8), signal: AbortSignal.abort() });
    await expect(aborted).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});

describe('channels that lie far apart', () => {
  const quantizedSqnr = async (graph: Graph, input: Parameters<typeof recipeSchema.parse>[0]): Promise<number> => {
    const recipe = recipeSchema.parse(input);
    const prepared = prepareGraph(graph, recipe);
    const { ranges } = await calibrate({ graph: prepared, recipe, executor: referenceExecutor, batches: samples(16) });
    const run = async (of: Graph): Promise<Float32Array> =>
      (await (await referenceExecutor.load(of, ['result'])).run(image(50, 8))).get('result')?.data as Float32Array;
    return sqnr(await run(graph), await run(quantizeGraph(prepared, ranges, recipe)));
  };
  const weightsOnly = (granularity: string, equalization = false) =>
    ({
      activations: { calibrator: 'minMax' },
      weights: { granularity, symmetric: granularity === 'perChannel' },
      equalization,
    }) as const;

  it('make per-layer weights collapse; equalization restores them', async () => {
    const even = spreadNetwork(0);
    const spread = spreadNetwork(10);
    const exact = async (graph: Graph): Promise<Float32Array> =>
      (await (await referenceExecutor.load(graph, ['result'])).run(image(1))).get('result')?.data as Float32Array;
    expect(sqnr(await exact(even), await exact(spread))).toBeGreaterThan(100);
    const fine = await quantizedSqnr(even, weightsOnly('perTensor'));
    expect(fine).toBeGreaterThan(30);
    expect(await quantizedSqnr(spread, weightsOnly('perTensor'))).toBeLessThan(12);
    expect(await quantizedSqnr(spread, weightsOnly('perTensor', true))).toBeGreaterThan(fine - 3);
  });

  it('do not change per-channel weights at all', async () => {
    const only = { activations: 'none', biasCorrection: 'none' } as const;
    const recipe = recipeSchema.parse(only);
    const stored = (graph: Graph): number[][] =>
      [...quantizeGraph(graph, new Map(), recipe).constants.values()]
        .filter(({ dtype, shape }) => dtype === 'int8' && shape.length === 4)
        .map(({ data }) => Array.from(data as Int8Array));
    expect(stored(spreadNetwork(7))[0]).toEqual(stored(spreadNetwork(0))[0]);
  });
});

describe('equalization', () => {
  const recipe = recipeSchema.parse({ equalization: true });

  it('computes the same through Relu, Relu6 and depthwise layers, with one cap a channel', async () => {
    const pad = { pads: [1, 1, 1, 1] };
    const graph = networkOf(
      [
        ...[
          op('Conv', 'image w1 b1', 'a', pad),
          op('Relu', 'a', 'b'),
          op('Conv', 'b w2 b2', 'c', { ...pad, group: 8 }),
        ],
        ...[op('Clip', 'c low high', 'd'), op('Conv', 'd w3', 'e'), op('Conv', 'e w4', 'result', { group: 2 })],
      ],
      ['result'],
      {
        ...{ w1: layer([8, 3, 3, 3], 1), b1: normal([8], 2), w2: layer([8, 1, 3, 3], 3), b2: normal([8], 4) },
        ...{ low: tensor('float32', [], Float32Array.of(0)), high: tensor('float32', [], Float32Array.of(1)) },
        ...{ w3: layer([6, 8, 1, 1], 5), w4: layer([4, 3, 1, 1], 6) },
      },
    );
    const equalized = prepareGraph(graph, recipe);
    const run = async (of: Graph): Promise<Float32Array> =>
      (await (await referenceExecutor.load(of, ['result'])).run(image(1, 4))).get('result')?.data as Float32Array;
    expect(sqnr(await run(graph), await run(equalized))).toBeGreaterThan(100);
    expect(equalized.nodes.filter(({ opType }) => opType === 'Min')).toHaveLength(1);
    expect(equalized.nodes.filter(({ opType }) => opType === 'Clip')).toHaveLength(0);
  });

  it('leaves no float island: a cap a channel is part of the convolution', async () => {
    const nodes = [
      op('Conv', 'image w1 b1', 'a', { pads: [1, 1, 1, 1] }),
      op('Clip', 'a low high', 'b'),
      op('Conv', 'b w2', 'c', { pads: [1, 1, 1, 1], group: 8 }),
      op('Clip', 'c low high', 'd'),
      op('Conv', 'd w3 b3', 'result'),
    ];
    const graph = networkOf(nodes, ['result'], {
      ...{ w1: layer([8, 3, 3, 3], 1), b1: normal([8], 2), w2: layer([8, 1, 3, 3], 3), w3: layer([6, 8, 1, 1], 4) },
      ...{ b3: normal([6], 5), low: tensor('float32', [], Float32Array.of(0)) },
      high: tensor('float32', [], Float32Array.of(0.7)),
    });
    const prepared = prepareGraph(graph, recipe);
    const { ranges } = await calibrate({ graph: prepared, recipe, executor: referenceExecutor, batches: samples(32) });
    const lowered = lowerQdq(quantizeGraph(prepared, ranges, recipe));
    expect(lowered.operations.map(({ kind }) => kind)).toEqual(['quantize', 'conv', 'conv', 'conv', 'dequantize']);
    expect(lowered.operations.filter((operation) => 'caps' in operation)).toHaveLength(2);
    const feeds = image(50, 8);
    const exact = (await (await referenceExecutor.load(graph, ['result'])).run(feeds)).get('result');
    const actual = runQuantized(lowered, feeds).get('result');
    expect(sqnr(exact?.data as Float32Array, actual?.data as Float32Array)).toBeGreaterThan(28);
  });

  it('leaves a network alone unless the recipe asks', () => {
    const graph = spreadNetwork(4);
    expect(prepareGraph(graph, recipeSchema.parse({}))).toBe(graph);
  });
});
