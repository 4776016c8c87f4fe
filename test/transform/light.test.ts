import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/base/index.ts';
import { readModel, readTensorProto, writeModel, type ModelProto } from '../../src/onnx/index.ts';
import { elementCount, tensor } from '../../src/tensor/index.ts';
import { importModel, simplify } from '../../src/transform/index.ts';
import { randomFeeds, relativeError, runBytes, runGraph } from './support/oracle.ts';

const root = process.env.OCTET_TEST_MODELS;
if (root === undefined) console.log('skipped: light networks (OCTET_TEST_MODELS is not set)');

const light = root === undefined ? [] : globSync('light/*.onnx', { cwd: root });
const load = (file: string): Uint8Array => readFileSync(resolve(root ?? '', file));

describe.skipIf(root === undefined)('light networks', () => {
  it('are there', () => {
    expect(light.length).toBe(9);
  });

  // The light files have constant weights, to which outputs are not sensitive.
  const small = light.filter((file) => /squeezenet|shufflenet|densenet/.test(file));
  it.each(small)('%s computes the same with random weights', async (file) => {
    const model = withRandomWeights(readModel(load(file)));
    const graph = simplify(importModel(model));
    const feeds = randomFeeds(graph, { batch: 1, seed: 5 });
    const [expected, actual] = [await runBytes(writeModel(model), feeds), await runGraph(graph, feeds)];
    for (const [name, value] of expected) expect(relativeError(value, actual.get(name))).toBeLessThan(1e-4);
  });

  it.each(light)('%s gives the outputs that came with it', async (file) => {
    const graph = simplify(importModel(readModel(load(file))));
    const [input = ''] = graph.inputs;
    const shape = [1, ...(graph.types.get(input)?.shape ?? []).slice(1)];
    const ramp = Float32Array.from({ length: elementCount(shape) }, (_, index) => index / elementCount(shape));
    const outputs = await runGraph(graph, new Map([[input, tensor('float32', shape, ramp)]]), 'none');
    const expected = readTensorProto(load(file.replace('.onnx', '_output_0.pb')));
    expect(relativeError(expected, outputs.get(graph.outputs[0] ?? ''))).toBeLessThan(1e-4);
  });
});

/** Initializers in the place of ConstantOfShape: about unit gain for weights, positive variances, small vectors. */
function withRandomWeights(model: ModelProto): ModelProto {
  const { graph } = model;
  const shapes = new Map(graph.initializers.map(({ name, tensor: value }) => [name, [...value.data].map(Number)]));
  const random = seededRandom(9);
  const fills = graph.nodes.filter(({ opType }) => opType === 'ConstantOfShape');
  const weights = fills.map(({ inputs, outputs }) => {
    const shape = shapes.get(inputs[0] ?? '') ?? [];
    const name = outputs[0] ?? '';
    const isWeight = shape.length > 1;
    const gain = isWeight ? Math.sqrt(6 / elementCount(shape.slice(1))) : 0.5;
    const value = tensor('float32', shape);
    for (let at = 0; at < value.data.length; at++)
      value.data[at] = isWeight ? gain * (2 * random() - 1) : 0.8 + gain * random();
    return { name, tensor: value };
  });
  const made = new Set(weights.map(({ name }) => name));
  return {
    ...model,
    graph: {
      ...graph,
      nodes: graph.nodes.filter(({ opType }) => opType !== 'ConstantOfShape'),
      initializers: [...graph.initializers, ...weights],
      inputs: graph.inputs.filter(({ name }) => !made.has(name)),
    },
  };
}
