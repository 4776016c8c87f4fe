import { describe, expect, it } from 'vitest';
import { AppError } from '../../src/base/index.ts';
import type { Graph, Node } from '../../src/graph/index.ts';
import { calibrate, defaultRecipe, quantizeGraph, recipeSchema, sqnr, type Ranges } from '../../src/quant/index.ts';
import { referenceExecutor, runQuantized } from '../../src/reference/index.ts';
import { tensor, type Tensor } from '../../src/tensor/index.ts';
import { lowerQdq } from '../../src/transform/index.ts';
import { runGraph } from '../transform/support/oracle.ts';
import { float, image, layer, networkOf, normal, op, samples, spreadNetwork, variedNetwork } from './networks.ts';

type RecipeInput = Parameters<typeof recipeSchema.parse>[0];

async function quantized(graph: Graph, input: RecipeInput = {}): Promise<{ graph: Graph; ranges: Ranges }> {
  const recipe = recipeSchema.parse(input);
  const ranges: Ranges =
    recipe.activations === 'none'
      ? new Map()
      : (await calibrate({ graph, recipe, executor: referenceExecutor, batches: samples(64, 16) })).ranges;
  return { graph: quantizeGraph(graph, ranges, recipe), ranges };
}

function count(graph: Graph, opType: string): number {
  return graph.nodes.filter((node) => node.opType === opType).length;
}

function constantOf(graph: Graph, name: string | undefined): Tensor {
  const found = graph.constants.get(name ?? '');
  if (!found) throw new Error(`no constant '${name ?? ''}'`);
  return found;
}

/** The node that quantizes a value. */
function quantizer(graph: Graph, value: string): Node | undefined {
  return graph.nodes.find((node) => node.opType === 'QuantizeLinear' && node.inputs[0] === value);
}

async function output(graph: Graph, seed = 99): Promise<Float32Array> {
  const session = await referenceExecutor.load(graph, graph.outputs);
  const results = await session.run(image(seed, 4));
  return results.get(graph.outputs[0] ?? '')?.data as Float32Array;
}

describe('the QDQ graph', () => {
  it('becomes integer operations throughout, but for what shall stay float', async () => {
    const { graph } = await quantized(variedNetwork());
    const kinds = lowerQdq(graph).operations.map(({ kind, ...rest }) =>
      'node' in rest && kind === 'float' ? rest.node.opType : kind,
    );
    expect(kinds).toEqual([
      ...['quantize', 'conv', 'conv', 'table', 'conv', 'add', 'averagePool', 'conv', 'table', 'mul', 'maxPool', 'conv'],
      ...['concat', 'conv', 'averagePool', 'layout', 'fullyConnected', 'Softmax'],
    ]);
  });

  it('keeps inputs, outputs, metadata and what the network computes', async () => {
    const float32 = { ...variedNetwork(), metadata: new Map([['labels', 'a,b']]) };
    const { graph } = await quantized(float32);
    expect(graph.inputs).toEqual(float32.inputs);
    expect(graph.outputs).toEqual(float32.outputs);
    expect(graph.metadata).toEqual(float32.metadata);
    expect(sqnr(await output(float32), await output(graph))).toBeGreaterThan(25);
  });

  it('gives every scale a zero point of its shape, and per-channel weights their axis', async () => {
    const { graph } = await quantized(variedNetwork());
    const coded = graph.nodes.filter(({ opType }) => opType === 'QuantizeLinear' || opType === 'DequantizeLinear');
    for (const node of coded) {
      const [scale, zeroPoint] = [constantOf(graph, node.inputs[1]), constantOf(graph, node.inputs[2])];
      expect(zeroPoint.shape).toEqual(scale.shape);
      if (scale.shape.length === 1) expect(node.attributes.get('axis')).toBe(0);
      const stored = graph.constants.get(node.inputs[0] ?? '');
      if (stored?.dtype === 'int8') expect(zeroPoint.dtype).toBe('int8');
      if (stored?.dtype === 'int32') expect(zeroPoint.dtype).toBe('int32');
    }
    expect(coded.length).toBeGreaterThan(20);
  });

  it('agrees with onnxruntime, optimized and not', async () => {
    const { graph } = await quantized(variedNetwork());
    const feeds = image(7, 4);
    const ours = runQuantized(lowerQdq(graph), feeds).get('probabilities')?.data as Float32Array;
    for (const optimization of ['all', 'none'] as const) {
      const theirs = (await runGraph(graph, feeds, optimization)).get('probabilities')?.data as Float32Array;
      expect(Math.max(...theirs.map((p, i) => Math.abs(p - ours[i]!)))).toBeLessThan(0.02);
    }
  });

  it('with asymmetric weights a channel agrees with onnxruntime to one step of the output', async () => {
    const graph = networkOf(
      [op('Conv', 'image w1 b1', 'a', { pads: [1, 1, 1, 1] }), op('Relu', 'a', 'b'), op('Conv', 'b w2 b2', 'result')],
      ['result'],
      {
        w1: tensor(
          'float32',
          [8, 3, 3, 3],
          (layer([8, 3, 3, 3], 1).data as Float32Array).map((w) => Math.abs(w) - 0.05),
        ),
        ...{ b1: normal([8], 2), w2: layer([4, 8, 3, 3], 3), b2: normal([4], 4) },
      },
    );
    const { graph: written } = await quantized(graph, { weights: { symmetric: false } });
    const zeroPoints = [...written.constants].filter(([name]) => name.startsWith('w1/zero_point'));
    expect(zeroPoints.some(([, { data }]) => data.some((z) => z !== 0))).toBe(true);
    const feeds = image(7, 4);
    const ours = runQuantized(lowerQdq(written), feeds).get('result')?.data as Float32Array;
    const theirs = (await runGraph(written, feeds, 'none')).get('result')?.data as Float32Array;
    const step = Number(constantOf(written, 'result/scale').data[0]);
    expect(Math.max(...theirs.map((y, i) => Math.abs(y - ours[i]!)))).toBeLessThan(step * 1.01);
  });

  it('has no quantization between a layer and its activation, and drops what saturation does', async () => {
    const { graph } = await quantized(variedNetwork());
    expect(count(graph, 'Relu')).toBe(0);
    expect(count(graph, 'Clip')).toBe(0);
    const stem = graph.nodes.find(({ inputs }) => inputs.includes('image/dequantized'));
    expect(quantizer(graph, stem?.outputs[0] ?? '')).toBeDefined();
    const params = constantOf(graph, quantizer(graph, stem?.outputs[0] ?? '')?.inputs[2]);
    expect([...params.data]).toEqual([0]);
  });

  it('gives copies and Concat one scale', async () => {
    const { graph } = await quantized(variedNetwork());
    const concat = graph.nodes.find(({ opType }) => opType === 'Concat');
    const pool = graph.nodes.find(({ opType }) => opType === 'MaxPool');
    const values = [concat?.outputs[0], pool?.outputs[0], 'left', 'scaled'];
    expect(new Set(values.map((value) => quantizer(graph, value ?? '')?.inputs[1])).size).toBe(1);
  });

  it('quantizes int32 biases at the accumulator scale', async () => {
    const { graph } = await quantized(variedNetwork());
    const conv = graph.nodes.find(({ opType, inputs }) => opType === 'Conv' && inputs[0] === 'image/dequantized');
    const scaleOf = (name: string | undefined): Float32Array => {
      const node = graph.nodes.find(({ outputs }) => outputs[0] === name);
      return constantOf(graph, node?.inputs[1]).data as Float32Array;
    };
    const [input, weights, bias] = (conv?.inputs ?? []).map(scaleOf);
    expect([...bias!]).toEqual([...weights!].map((scale) => Math.fround(scale * input![0]!)));
  });
});

describe('recipes', () => {
  it('leave excluded nodes float, by name, glob and operator type', async () => {
    const network = variedNetwork();
    const conv = network.nodes.find(({ opType }) => opType === 'Conv')?.name ?? '';
    const convs = async (exclude: { nodes?: string[]; opTypes?: string[] }): Promise<number> =>
      lowerQdq((await quantized(network, { exclude })).graph).operations.filter(({ kind }) => kind === 'conv').length;
    const all = await convs({});
    expect(await convs({ nodes: [conv] })).toBe(all - 1);
    expect(await convs({ nodes: [`${conv.slice(0, -2)}*`] })).toBeLessThan(all);
    expect(await convs({ opTypes: ['Conv'] })).toBe(0);
  });

  it('keep excluded layers float in onnxruntime too', async () => {
    const network = variedNetwork();
    const { graph } = await quantized(network, { exclude: { opTypes: ['Conv'] } });
    const feeds = image(3, 4);
    const [optimized, plain] = await Promise.all(
      (['all', 'none'] as const).map((level) => runGraph(graph, feeds, level)),
    );
    const [a, b] = [optimized, plain].map((results) => results?.get('probabilities')?.data as Float32Array);
    expect(Math.max(...a!.map((p, i) => Math.abs(p - b![i]!)))).toBeLessThan(0.01);
  });

  it('with weights only need no ranges; with activations only keep float weights', async () => {
    const weightOnly = await quantized(variedNetwork(), { activations: 'none' });
    expect(count(weightOnly.graph, 'QuantizeLinear')).toBe(0);
    expect(count(weightOnly.graph, 'DequantizeLinear')).toBe(7);
    expect([...weightOnly.graph.constants.values()].some(({ dtype }) => dtype === 'int32')).toBe(false);
    const activationsOnly = await quantized(variedNetwork(), { weights: 'none' });
    expect([...activationsOnly.graph.constants.values()].some(({ dtype }) => dtype === 'int8')).toBe(false);
    const exact = await output(variedNetwork());
    for (const { graph } of [weightOnly, activationsOnly]) expect(sqnr(exact, await output(graph))).toBeGreaterThan(25);
  });

  it('with symmetric activations store int8 with zero point 0, and keep activations that it does not imply', async () => {
    const { graph } = await quantized(variedNetwork(), { activations: { symmetric: true } });
    for (const node of graph.nodes.filter(({ opType }) => opType === 'QuantizeLinear')) {
      const zeroPoint = constantOf(graph, node.inputs[2]);
      expect(zeroPoint.dtype).toBe('int8');
      expect([...zeroPoint.data]).toEqual([0]);
    }
    expect(count(graph, 'Relu') + count(graph, 'Clip')).toBe(3);
    expect(sqnr(await output(variedNetwork()), await output(graph))).toBeGreaterThan(20);
  });

  it('take ranges that are set by hand', async () => {
    const { graph } = await quantized(variedNetwork(), { overrides: { silu: { min: -1, max: 4 } } });
    const scale = constantOf(graph, quantizer(graph, 'silu')?.inputs[1]);
    expect([...scale.data]).toEqual([Math.fround(5 / 255)]);
  });

  it('with fewer bits lose more, and use no more values than they have', async () => {
    const network = variedNetwork();
    const exact = await output(network);
    const noise: number[] = [];
    for (const bits of [8, 6, 4]) {
      const { graph } = await quantized(network, { activations: { bits, calibrator: 'minMax' }, weights: { bits } });
      noise.push(sqnr(exact, await output(graph)));
      const stored = [...graph.constants.values()].filter(({ dtype, shape }) => dtype === 'int8' && shape.length === 4);
      for (const { data } of stored) expect(new Set(data as Int8Array).size).toBeLessThanOrEqual(2 ** bits - 1);
      const session = await referenceExecutor.load(graph, ['silu/quantized']);
      const seen = (await session.run(image(1, 4))).get('silu/quantized')?.data as Uint8Array;
      expect(new Set(seen).size).toBeLessThanOrEqual(2 ** bits);
    }
    expect(noise[0]).toBeGreaterThan(noise[1]! + 4);
    expect(noise[1]).toBeGreaterThan(noise[2]! + 4);
  });
});

describe('guards', () => {
  const convNetwork = (w: Tensor, b: Tensor): Graph =>
    networkOf([op('Conv', 'image w b', 'y'), op('Relu', 'y', 'z'), op('Conv', 'z w2', 'result')], ['result'], {
      ...{ w, b, w2: layer([2, 4, 3, 3], 3) },
    });

  it('raise the weight scale of a channel whose bias would not fit int32', async () => {
    const weights = layer([4, 3, 1, 1], 1);
    (weights.data as Float32Array).fill(1e-8, 3, 6);
    const { graph } = await quantized(convNetwork(weights, tensor('float32', [4], Float32Array.of(1, 3, -1, 0))));
    const bias = [...graph.constants.values()].find(
      ({ dtype, shape }) => dtype === 'int32' && shape.length === 1 && shape[0] === 4,
    );
    expect(Math.max(...Array.from(bias?.data as Int32Array, Math.abs))).toBeLessThan(2 ** 31 - 1);
    expect(() => lowerQdq(graph)).not.toThrow();
    expect(
      sqnr(
        await output(convNetwork(weights, tensor('float32', [4], Float32Array.of(1, 3, -1, 0)))),
        await output(graph),
      ),
    ).toBeGreaterThan(25);
  });

  it('survive dead channels and layers that are all zero', async () => {
    const weights = layer([4, 3, 1, 1], 1);
    (weights.data as Float32Array).fill(0);
    const dead = convNetwork(weights, tensor('float32', [4], Float32Array.of(0, 0, -1, -2)));
    const { graph } = await quantized(dead);
    expect((await output(graph)).every((y) => y === 0)).toBe(true);
    expect(() => lowerQdq(graph)).not.toThrow();
  });

  it('represent a constant tensor exactly', async () => {
    const weights = layer([4, 3, 1, 1], 1);
    (weights.data as Float32Array).fill(0);
    const constant = convNetwork(weights, tensor('float32', [4], new Float32Array(4).fill(0.7)));
    const { graph } = await quantized(constant);
    expect(sqnr(await output(constant), await output(graph))).toBeGreaterThan(35);
  });

  it('refuse a value without a range, by name', () => {
    expect(() => quantizeGraph(spreadNetwork(0), new Map(), defaultRecipe)).toThrow(/'image'/);
  });

  it('refuse weights that are not numbers', async () => {
    const network = variedNetwork();
    const { ranges } = await quantized(network);
    const [name, weights] = [...network.constants].find(([, { shape }]) => shape.length === 4)!;
    const broken = new Float32Array(weights.data as Float32Array).fill(NaN, 2, 3);
    const constants = new Map([...network.constants, [name, tensor('float32', weights.shape, broken)] as const]);
    const act = (): unknown => quantizeGraph({ ...network, constants }, ranges, defaultRecipe);
    expect(act).toThrow(AppError);
    expect(act).toThrow(name);
  });
});

describe('detached nodes', () => {
  it('stay float behind the last layer with weights', async () => {
    const network = networkOf(
      [op('Conv', 'image w', 'boxes'), op('Sigmoid', 'boxes', 'gate'), op('Mul', 'gate two', 'result')],
      ['result'],
      { w: layer([4, 3, 3, 3], 1), two: float(2) },
    );
    const { graph } = await quantized(network);
    expect(lowerQdq(graph).operations.map(({ kind }) => kind)).toEqual([
      'quantize',
      'conv',
      'dequantize',
      'float',
      'float',
    ]);
  });

  it('take constants that are added as bytes', async () => {
    const network = networkOf(
      [op('Conv', 'image w', 'y'), op('Add', 'y map', 'sum'), op('Conv', 'sum w2', 'result')],
      ['result'],
      { w: layer([4, 3, 1, 1], 1), map: normal([1, 4, 8, 8], 2), w2: layer([2, 4, 1, 1], 3) },
    );
    const { graph } = await quantized(network);
    expect(lowerQdq(graph).operations.map(({ kind }) => kind)).toEqual([
      'quantize',
      'conv',
      'add',
      'conv',
      'dequantize',
    ]);
    expect(sqnr(await output(network), await output(graph))).toBeGreaterThan(25);
  });
});
