import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { batches, inputSpecOf, openDataset, preprocessingSchema } from '../../src/data/index.ts';
import type { FloatExecutor, Graph } from '../../src/graph/index.ts';
import { readModel } from '../../src/onnx/index.ts';
import { loadOnnxruntime } from '../../src/onnxruntime/index.ts';
import { calibrate, correctBias, prepareGraph, quantizeGraph, recipeSchema } from '../../src/quant/index.ts';
import type { TensorMap } from '../../src/tensor/index.ts';
import { importModel, simplify } from '../../src/transform/index.ts';

const models = process.env['OCTET_TEST_MODELS'];
const data = process.env['OCTET_TEST_DATA'];
const onnxruntime = await loadOnnxruntime();
const available = models !== undefined && data !== undefined && onnxruntime !== undefined;
if (!available)
  console.log('Skipped: accuracy on real networks needs OCTET_TEST_MODELS, OCTET_TEST_DATA and onnxruntime-node.');

interface Labelled {
  readonly feeds: TensorMap;
  readonly labels: readonly number[];
}

async function load(path: string, graph: Graph, preprocessing: unknown, limit: number): Promise<Labelled[]> {
  const set = await openDataset(path);
  const specs = graph.inputs.map((name) => inputSpecOf({ name, ...graph.types.get(name)! }));
  const taken: Labelled[] = [];
  const step = Math.max(1, Math.floor(set.samples.length / limit));
  const indices = set.samples.map((_, i) => i).filter((i) => i % step === 0);
  for await (const batch of batches(set, specs, preprocessingSchema.parse(preprocessing), { batchSize: 10, indices }))
    taken.push({ feeds: batch.feeds, labels: batch.indices.map((i) => set.samples[i]?.label ?? -1) });
  await set.close();
  return taken;
}

async function classify(graph: Graph, samples: readonly Labelled[], executor: FloatExecutor): Promise<number[]> {
  const session = await executor.load(graph, graph.outputs);
  const classes: number[] = [];
  for (const { feeds, labels } of samples) {
    const scores = (await session.run(feeds)).get(graph.outputs[0]!)!.data as Float32Array;
    const width = scores.length / labels.length;
    labels.forEach((_, i) => {
      const row = scores.subarray(i * width, (i + 1) * width);
      classes.push(row.indexOf(Math.max(...row)));
    });
  }
  await session.close();
  return classes;
}

async function* stream(samples: readonly Labelled[]): AsyncGenerator<{ feeds: TensorMap }> {
  yield* samples;
}

const networks = [
  {
    file: 'resnet20_cifar10_bn.onnx',
    data: 'cifar10',
    preprocessing: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
    ...{ loss: 0.003, agreement: 0.97 },
  },
  {
    file: 'mobilenet_v2_small_cifar10_bn.onnx',
    data: 'cifar10',
    preprocessing: { mean: [0.4914, 0.4822, 0.4465], std: [0.247, 0.2435, 0.2616] },
    ...{ loss: 0.003, agreement: 0.97 },
  },
  {
    file: 'mobilenet_v1_0.25_224_bn.onnx',
    data: 'imagenet',
    preprocessing: { scale: 1 / 127.5, mean: 1, crop: { width: 224, height: 224 } },
    ...{ loss: 0.02, agreement: 0.92 },
  },
];

describe.skipIf(!available)('the default recipe on real networks', () => {
  it.each(networks)('keeps the accuracy of $file', async ({ file, data: set, preprocessing, loss, agreement }) => {
    const path = join(models ?? '', file);
    expect(existsSync(path)).toBe(true);
    const executor = onnxruntime!;
    const recipe = recipeSchema.parse({});
    const graph = prepareGraph(simplify(importModel(readModel(new Uint8Array(readFileSync(path))))), recipe);
    const calibration = await load(join(data ?? '', set, 'calibration.zip'), graph, preprocessing, 100);
    const evaluation = await load(join(data ?? '', set, 'evaluation.zip'), graph, preprocessing, 500);
    const { ranges } = await calibrate({ graph, recipe, executor, batches: stream(calibration) });
    const corrected = await correctBias({ graph, ranges, recipe, executor, batches: stream(calibration) });
    const fp32 = await classify(graph, evaluation, executor);
    const int8 = await classify(quantizeGraph(corrected, ranges, recipe), evaluation, executor);
    const labels = evaluation.flatMap((batch) => batch.labels);
    const right = (classes: readonly number[], i: number): boolean => classes[i] === labels[i];
    const losses = labels.filter((_, i) => right(fp32, i) && !right(int8, i)).length;
    const gains = labels.filter((_, i) => !right(fp32, i) && right(int8, i)).length;
    const same = fp32.filter((label, i) => label === int8[i]).length / labels.length;
    const bound = loss + (1.64 * Math.sqrt(losses + gains)) / labels.length;
    console.log(
      `${file}: n ${labels.length}, losses ${losses}, gains ${gains}, agreement ${(100 * same).toFixed(2)} %`,
    );
    expect((losses - gains) / labels.length).toBeLessThanOrEqual(bound);
    expect(same).toBeGreaterThanOrEqual(agreement);
  });
});
