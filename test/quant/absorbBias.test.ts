import { describe, expect, it } from 'vitest';
import type { Graph } from '../../src/graph/index.ts';
import {
  batchNormStatistics,
  calibrate,
  prepareGraph,
  quantizeGraph,
  recipeSchema,
  sqnr,
} from '../../src/quant/index.ts';
import { referenceExecutor } from '../../src/reference/index.ts';
import { tensor } from '../../src/tensor/index.ts';
import { importModel, simplify } from '../../src/transform/index.ts';
import { float, modelOf, normal, op, positive } from '../transform/support/build.ts';
import { image, layer, samples } from './networks.ts';

/** Conv, BatchNormalization, an activation, Conv: the first channels lie far above 0, where Relu does nothing. */
function highBiases({ activation, pads }: { activation: 'Relu' | 'Clip'; pads: readonly number[] }): Graph {
  const beta = Float32Array.of(40, 30, 25, 20, 1, 0, -1, -2);
  const nodes = [
    op('Conv', 'image w1', 'conv', { pads: [1, 1, 1, 1] }),
    op('BatchNormalization', 'conv g b m v', 'norm'),
    op(activation, activation === 'Clip' ? 'norm low high' : 'norm', 'rectified'),
    op('Conv', 'rectified w2 b2', 'result', { pads }),
  ];
  const initializers = {
    ...{ w1: layer([8, 3, 3, 3], 1), w2: layer([6, 8, pads[0] ? 3 : 1, pads[0] ? 3 : 1], 2), b2: normal([6], 3) },
    ...{ g: positive([8], 5), b: tensor('float32', [8], beta), low: float(0), high: float(41) },
    ...{ m: tensor('float32', [8], new Float32Array(8)), v: tensor('float32', [8], new Float32Array(8).fill(1)) },
  };
  return importModel(
    modelOf({ opset: 18, inputs: { image: ['N', 3, 8, 8] }, outputs: ['result'], nodes, initializers }),
  );
}

const run = async (graph: Graph): Promise<Float32Array> =>
  (await (await referenceExecutor.load(graph, ['result'])).run(image(50, 8))).get('result')?.data as Float32Array;

const plain = recipeSchema.parse({ equalization: true });
const absorbing = recipeSchema.parse({ equalization: { absorbHighBias: true } });

describe('high-bias absorption', () => {
  it.each(['Relu', 'Clip'] as const)('keeps what the network computes, behind %s', async (activation) => {
    const imported = highBiases({ activation, pads: [0, 0, 0, 0] });
    const graph = simplify(imported);
    const prepared = prepareGraph(graph, absorbing, batchNormStatistics(imported));
    expect(sqnr(await run(graph), await run(prepared))).toBeGreaterThan(60);
  });

  it('takes the constant part out of the ranges between the layers, so quantization loses less', async () => {
    const imported = highBiases({ activation: 'Relu', pads: [0, 0, 0, 0] });
    const graph = simplify(imported);
    const noise = async (recipe: typeof plain): Promise<{ width: number; db: number }> => {
      const prepared = prepareGraph(graph, recipe, batchNormStatistics(imported));
      const { ranges } = await calibrate({
        graph: prepared,
        recipe,
        executor: referenceExecutor,
        batches: samples(32),
      });
      const range = ranges.get('rectified') ?? { min: NaN, max: NaN };
      return {
        width: range.max - range.min,
        db: sqnr(await run(graph), await run(quantizeGraph(prepared, ranges, recipe))),
      };
    };
    const [without, with_] = [await noise(plain), await noise(absorbing)];
    expect(with_.width).toBeLessThan(without.width / 2);
    expect(with_.db).toBeGreaterThan(without.db + 3);
  });

  it('leaves layers alone whose reader pads, and networks that nothing is known of', async () => {
    const padded = highBiases({ activation: 'Relu', pads: [1, 1, 1, 1] });
    const known = batchNormStatistics(padded);
    expect(await run(prepareGraph(simplify(padded), absorbing, known))).toEqual(
      await run(prepareGraph(simplify(padded), plain, known)),
    );
    const bare = simplify(highBiases({ activation: 'Relu', pads: [0, 0, 0, 0] }));
    expect(await run(prepareGraph(bare, absorbing))).toEqual(await run(prepareGraph(bare, plain)));
  });
});

describe('Relu6 between equalized layers', () => {
  const graph = simplify(highBiases({ activation: 'Clip', pads: [0, 0, 0, 0] }));
  const operators = (relu6: 'caps' | 'relu' | 'auto'): string[] =>
    prepareGraph(graph, recipeSchema.parse({ equalization: { absorbHighBias: false, relu6 } })).nodes.map(
      ({ opType }) => opType,
    );

  it('becomes a cap a channel, or a plain Relu where the recipe says so', () => {
    expect(operators('caps')).toEqual(['Conv', 'Relu', 'Min', 'Conv']);
    expect(operators('relu')).toEqual(['Conv', 'Relu', 'Conv']);
  });
});

describe('an inclusion', () => {
  it('leaves every other layer float', async () => {
    const recipe = recipeSchema.parse({ include: { nodes: ['result*'] } });
    const named = { ...graphOf(), nodes: graphOf().nodes.map((node) => ({ ...node, name: node.outputs[0] ?? '' })) };
    const { ranges } = await calibrate({ graph: named, recipe, executor: referenceExecutor, batches: samples(4) });
    const quantized = quantizeGraph(named, ranges, recipe);
    const weights = [...quantized.constants.values()].filter(
      ({ dtype, shape }) => dtype === 'int8' && shape.length === 4,
    );
    expect(weights.map(({ shape }) => shape[0])).toEqual([6]);
  });
  const graphOf = (): Graph => simplify(highBiases({ activation: 'Relu', pads: [0, 0, 0, 0] }));
});
