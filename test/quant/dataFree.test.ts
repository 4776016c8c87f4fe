import { describe, expect, it } from 'vitest';
import { AppError, gaussian, seededRandom } from '../../src/base/index.ts';
import type { Graph } from '../../src/graph/index.ts';
import {
  batchNormStatistics,
  correctBiasAnalytically,
  dataFreeRanges,
  propagateStatistics,
  quantizeGraph,
  recipeSchema,
} from '../../src/quant/index.ts';
import { clippedNormal } from '../../src/quant/batchNormStatistics.ts';
import { referenceExecutor } from '../../src/reference/index.ts';
import { tensor, type Tensor } from '../../src/tensor/index.ts';
import { importModel, simplify } from '../../src/transform/index.ts';
import { float, modelOf, normal, op, positive } from '../transform/support/build.ts';
import { image, layer, spreadNetwork } from './networks.ts';

describe('moments of a clipped normal', () => {
  it.each([
    [0, 1, 0, Infinity],
    [1, 2, 0, 6],
    [-3, 1, 0, 6],
    [5, 3, 0, 6],
    [0.5, 0.2, -Infinity, 0.4],
    [2, 0, 0, 1],
  ])('are those of a sample: mean %d, deviation %d, clipped to [%d, %d]', (mu, sigma, a, b) => {
    const random = seededRandom(3);
    const draws = Array.from({ length: 200_000 }, () => Math.min(Math.max(mu + sigma * gaussian(random), a), b));
    const mean = draws.reduce((x, y) => x + y, 0) / draws.length;
    const variance = draws.reduce((x, y) => x + (y - mean) ** 2, 0) / draws.length;
    const found = clippedNormal(
      { mean: Float64Array.of(mu), variance: Float64Array.of(sigma * sigma), min: -Infinity, max: Infinity },
      a,
      b,
    );
    expect(found.mean[0]).toBeCloseTo(mean, 1.8);
    expect(Math.sqrt(found.variance[0]!)).toBeCloseTo(Math.sqrt(variance), 1.8);
    expect(found).toMatchObject({ min: a, max: b });
  });
});

/** Two convolutions with BatchNormalization and Relu6, joined by an Add, then SiLU and a layer without one. */
function imported(): Graph {
  const bn = (input: string, output: string): ReturnType<typeof op> =>
    op('BatchNormalization', `${input} g b m v`, output);
  const nodes = [
    ...[op('Conv', 'image w1', 'a', { pads: [1, 1, 1, 1] }), bn('a', 'n1'), op('Clip', 'n1 low high', 'r1')],
    ...[op('Conv', 'r1 w2', 'c', { pads: [1, 1, 1, 1] }), bn('c', 'n2'), op('Add', 'n2 r1', 'sum')],
    ...[op('Sigmoid', 'sum', 'gate'), op('Mul', 'sum gate', 'silu'), op('Conv', 'silu w3 b3', 'result')],
  ];
  const initializers: Record<string, Tensor> = {
    ...{ w1: layer([8, 3, 3, 3], 1), w2: layer([8, 8, 3, 3], 2), w3: layer([4, 8, 6, 6], 3), b3: normal([4], 4) },
    ...{
      g: positive([8], 5),
      b: normal([8], 6),
      m: normal([8], 7),
      v: positive([8], 8),
      low: float(0),
      high: float(6),
    },
  };
  return importModel(
    modelOf({ opset: 18, inputs: { image: ['N', 3, 6, 6] }, outputs: ['result'], nodes, initializers }),
  );
}

describe('without samples', () => {
  const recipe = recipeSchema.parse({});
  const network = imported();
  const graph = simplify(network);
  const statistics = batchNormStatistics(network);
  const inputs = new Map([['image', { min: -3, max: 3 }]]);

  it('ranges are six deviations of the widest channel, confined by the activation', () => {
    const ranges = dataFreeRanges(graph, recipe, statistics, inputs);
    const [gamma, beta] = ['g', 'b'].map((name) => network.constants.get(name)?.data as Float32Array);
    const widest = Math.max(...beta!.map((b, c) => b + 6 * Math.abs(gamma![c]!)));
    expect(ranges.get('r1')).toEqual({ min: 0, max: Math.min(6, widest) });
    expect(ranges.get('n2')?.max).toBeCloseTo(widest, 5);
    expect(ranges.get('silu')?.min).toBeCloseTo(-0.278, 2);
    expect(ranges.get('image')).toEqual({ min: -3, max: 3 });
  });

  it('statistics follow activations and sums', () => {
    const known = propagateStatistics(graph, statistics);
    const [r1, n2, sum] = ['r1', 'n2', 'sum'].map((value) => known.get(value)!);
    expect(sum!.mean[0]).toBeCloseTo(r1!.mean[0]! + n2!.mean[0]!, 12);
    expect(known.has('result')).toBe(false);
  });

  it('the network still quantizes to what it computes', async () => {
    const quantized = quantizeGraph(graph, dataFreeRanges(graph, recipe, statistics, inputs), recipe);
    const run = async (of: Graph): Promise<Float32Array> =>
      (await (await referenceExecutor.load(of, ['result'])).run(image(1, 2, [3, 6, 6]))).get('result')
        ?.data as Float32Array;
    const [exact, approximate] = [await run(graph), await run(quantized)];
    const largest = Math.max(...exact.map(Math.abs));
    expect(Math.max(...exact.map((y, i) => Math.abs(y - approximate[i]!)))).toBeLessThan(0.05 * largest);
  });

  it('biases take back what rounded weights add to the mean', () => {
    const coarse = recipeSchema.parse({ weights: { bits: 3, granularity: 'perTensor' } });
    const corrected = correctBiasAnalytically(graph, coarse, statistics);
    const conv = graph.nodes.find(({ outputs }) => outputs.includes('n2'))!;
    const bias = (of: Graph): Float32Array => of.constants.get(conv.inputs[2] ?? '')?.data as Float32Array;
    const { mean } = propagateStatistics(graph, statistics).get('r1')!;
    const weightsOnly = quantizeGraph(graph, new Map(), { ...coarse, activations: 'none' });
    const quantizedConv = weightsOnly.nodes.find(({ name }) => name === conv.name)!;
    const stored = weightsOnly.nodes.find(({ outputs }) => outputs[0] === quantizedConv.inputs[1])!;
    const scale = Number(weightsOnly.constants.get(stored.inputs[1]!)?.data[0]);
    const rounded = weightsOnly.constants.get(stored.inputs[0]!)?.data as Int8Array;
    const exact = graph.constants.get(conv.inputs[1]!)?.data as Float32Array;
    for (let o = 0; o < 8; o++) {
      let shift = 0;
      for (let i = 0; i < 8; i++)
        for (let k = 0; k < 9; k++) {
          const at = (o * 8 + i) * 9 + k;
          shift += (rounded[at]! * scale - exact[at]!) * mean[i]!;
        }
      expect(bias(corrected)[o]! - bias(graph)[o]!).toBeCloseTo(-shift, 4);
    }
  });

  it('a network without BatchNormalization is refused in words', () => {
    const bare = spreadNetwork(0);
    const act = (): unknown => dataFreeRanges(bare, recipe, batchNormStatistics(bare), inputs);
    expect(act).toThrow(AppError);
    expect(act).toThrow(/BatchNormalization/);
  });

  it('padding adds channels of zeros', () => {
    const network2 = importModel(
      modelOf({
        ...{ opset: 18, inputs: { image: ['N', 3, 6, 6] }, outputs: ['padded'] },
        nodes: [op('Conv', 'image w', 'a'), op('BatchNormalization', 'a g b m v', 'n'), op('Pad', 'n pads', 'padded')],
        initializers: {
          ...{
            w: layer([2, 3, 1, 1], 1),
            g: positive([2], 1),
            b: normal([2], 2),
            m: normal([2], 3),
            v: positive([2], 4),
          },
          pads: tensor('int64', [8], BigInt64Array.of(0n, 1n, 0n, 0n, 0n, 2n, 0n, 0n)),
        },
      }),
    );
    const { mean } = propagateStatistics(network2, batchNormStatistics(network2)).get('padded')!;
    expect(mean.length).toBe(5);
    expect([mean[0], mean[3], mean[4]]).toEqual([0, 0, 0]);
  });
});
