import { beforeAll, describe, expect, it } from 'vitest';
import { randomFeeds } from '../../src/cli/bench/randomFeeds.ts';
import { readDigitsModel } from '../../src/cli/sample/digits.ts';
import { readModel, writeModel } from '../../src/onnx/index.ts';
import { loadOnnxruntime, openOnnxFile } from '../../src/onnxruntime/index.ts';
import { importModel } from '../../src/transform/index.ts';
import { node } from '../support/networks.ts';
import { checkFusedConvolutions } from './checkPeer.ts';
import { openOnnxruntimeNode } from './contestants/onnxruntimeNode.ts';
import { openOnnxruntimeWeb } from './contestants/onnxruntimeWeb.ts';
import { networks, type NetworkName } from './generators/networks.ts';
import { toOnnx } from './generators/toOnnx.ts';
import { quantizeForBench } from './quantizeForBench.ts';

const installed = (await loadOnnxruntime()) !== undefined;
if (!installed) console.warn('Tests of the bench peers are skipped: onnxruntime-node is not installed.');

describe.skipIf(!installed)('peers of the bench', () => {
  let quantized: Uint8Array;
  beforeAll(async () => {
    quantized = await quantizeForBench(await readDigitsModel());
  });

  it('run every quantized convolution of our file as QLinearConv', async () => {
    const peer = await openOnnxruntimeNode(quantized, { threads: 1, keepOptimized: true });
    await peer.close();
    expect(checkFusedConvolutions(quantized, peer.optimized ?? new Uint8Array())).toEqual({ convolutions: 19 });
  });

  it('are refused when a convolution of theirs is left in float', async () => {
    const model = readModel(quantized);
    const nodes = model.graph.nodes.filter(({ opType }) => opType !== 'QLinearConv');
    const without = writeModel({ ...model, graph: { ...model.graph, nodes } });
    expect(() => checkFusedConvolutions(quantized, without)).toThrow(/0 QLinearConv nodes for 19/);
  });

  it('are refused when convolutions of theirs with a Relu are left in float', async () => {
    const model = readModel(quantized);
    const producers = new Map(model.graph.nodes.flatMap((node) => node.outputs.map((name) => [name, node.opType])));
    const nodes = model.graph.nodes.flatMap((item) => {
      const [data = ''] = item.inputs;
      if (item.opType !== 'QuantizeLinear' || producers.get(data) !== 'Conv') return [item];
      const relu = node('Relu', [data], [`${data}.relu`]);
      return [relu, { ...item, inputs: [`${data}.relu`, ...item.inputs.slice(1)] }];
    });
    const withRelu = writeModel({ ...model, graph: { ...model.graph, nodes } });
    expect(() => checkFusedConvolutions(withRelu, withRelu)).toThrow(/0 QLinearConv nodes for 19/);
  });

  it('agree with each other', async () => {
    const feeds = randomFeeds(importModel(readModel(quantized)), { batch: 2 });
    const outputs = await Promise.all(
      [openOnnxruntimeNode, openOnnxruntimeWeb].map(async (open) => {
        const peer = await open(quantized, { threads: 1 });
        const { logits } = (await peer.run(feeds)) as { logits: { data: Float32Array } };
        await peer.close();
        return logits.data;
      }),
    );
    const [node = [], web = []] = outputs;
    expect(node.length).toBe(20);
    for (const [index, value] of node.entries()) expect(web[index]).toBeCloseTo(value, 3);
  });

  it.each<NetworkName>(['mobilenet_v3_small', 'squeezenet_1_1'])('%s stays in range on normal input', async (name) => {
    const bytes = toOnnx(networks[name](1));
    const session = await openOnnxFile(bytes);
    const results = await session.run(randomFeeds(importModel(readModel(bytes)), { batch: 1 }));
    await session.close();
    const logits = results.get('logits')?.data as Float32Array;
    const power = logits.reduce((sum, value) => sum + value * value, 0) / logits.length;
    expect(power).toBeGreaterThan(1e-3);
    expect(power).toBeLessThan(1e3);
  });
});
