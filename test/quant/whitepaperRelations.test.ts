import { beforeAll, describe, expect, it } from 'vitest';
import type { Graph } from '../../src/graph/index.ts';
import { calibrate, prepareGraph, quantizeGraph, recipeSchema, sqnr } from '../../src/quant/index.ts';
import { referenceExecutor } from '../../src/reference/index.ts';
import { tensor } from '../../src/tensor/index.ts';
import { importModel, simplify } from '../../src/transform/index.ts';
import { modelOf, normal, op } from '../transform/support/build.ts';
import { image, layer, samples } from './networks.ts';

type RecipeInput = Parameters<typeof recipeSchema.parse>[0];

/** A depthwise layer whose BatchNormalization multiplies channel c by up to 2^spread, and a depthwise layer that divides it out. */
function depthwise(spread: number, oneSided = false): Graph {
  const factors = Float32Array.from({ length: 8 }, (_, channel) => 2 ** ((channel * spread) / 7));
  const each = (value: number) => tensor('float32', [8], new Float32Array(8).fill(value));
  const weights = (shape: readonly number[], seed: number) =>
    tensor(
      'float32',
      shape,
      (layer(shape, seed).data as Float32Array).map((w) => (oneSided ? Math.abs(w) : w)),
    );
  const initializers = {
    w0: weights([8, 3, 3, 3], 1),
    w1: weights([8, 1, 3, 3], 2),
    ...{ g: tensor('float32', [8], factors), b: each(0), m: each(0), v: each(1) },
    w2: tensor(
      'float32',
      [8, 1, 1, 1],
      factors.map((factor) => 1 / factor),
    ),
    w3: weights([6, 8, 1, 1], 3),
    b3: normal([6], 4),
  };
  const pad = { pads: [1, 1, 1, 1] };
  const nodes = [
    op('Conv', 'image w0', 'stem', pad),
    op('Relu', 'stem', 'first'),
    op('Conv', 'first w1', 'conv', { ...pad, group: 8 }),
    op('BatchNormalization', 'conv g b m v', 'norm', { epsilon: 0 }),
    op('Relu', 'norm', 'rectified'),
    op('Conv', 'rectified w2', 'undone', { group: 8 }),
    op('Conv', 'undone w3 b3', 'result'),
  ];
  const inputs = { image: ['N', 3, 8, 8] };
  return simplify(importModel(modelOf({ opset: 18, inputs, outputs: ['result'], nodes, initializers })));
}

/** SQNR of the whole network in dB. */
async function quality(graph: Graph, input: RecipeInput): Promise<number> {
  const recipe = recipeSchema.parse({ ...(input as object), biasCorrection: 'none' });
  const prepared = prepareGraph(graph, recipe);
  const ranges =
    recipe.activations === 'none'
      ? new Map()
      : (await calibrate({ graph: prepared, recipe, executor: referenceExecutor, batches: samples(16) })).ranges;
  const run = async (of: Graph): Promise<Float32Array> =>
    (await (await referenceExecutor.load(of, ['result'])).run(image(50, 8))).get('result')?.data as Float32Array;
  return sqnr(await run(graph), await run(quantizeGraph(prepared, ranges, recipe)));
}

const weightOnly = (granularity: 'perTensor' | 'perChannel', symmetric = true): RecipeInput => ({
  weights: { granularity, symmetric },
  activations: 'none',
});

describe('the relations of the whitepaper that need no images', () => {
  const even = depthwise(0);
  const spread = depthwise(10);
  let perLayer = 0;
  let perChannel = 0;

  beforeAll(async () => {
    perLayer = await quality(spread, weightOnly('perTensor', false));
    perChannel = await quality(spread, weightOnly('perChannel'));
  });

  it('(a) a folded depthwise layer keeps far more with a scale a channel than with one a layer', () => {
    expect(perChannel).toBeGreaterThan(perLayer + 20);
  });

  it('(b) one scale a layer collapses when gamma is spread, a scale a channel does not see it, equalization undoes it', async () => {
    const [evenPerLayer, evenPerChannel] = [
      await quality(even, weightOnly('perTensor', false)),
      await quality(even, weightOnly('perChannel')),
    ];
    expect(evenPerLayer).toBeGreaterThan(perLayer + 20);
    expect(Math.abs(evenPerChannel - perChannel)).toBeLessThan(3);
    const equalized = await quality(spread, { ...(weightOnly('perTensor', false) as object), equalization: true });
    expect(equalized).toBeGreaterThan(evenPerLayer - 3);
  });

  it('(d) kernels on one side of 0 lose less with a zero point a channel', async () => {
    const oneSided = depthwise(4, true);
    const symmetric = await quality(oneSided, weightOnly('perChannel'));
    expect(await quality(oneSided, weightOnly('perChannel', false))).toBeGreaterThan(symmetric + 3);
  });
});
