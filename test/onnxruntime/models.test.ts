import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inputSpecOf, openDataset, preprocessingSchema } from '../../src/data/index.ts';
import { classOutputOf, evaluate, floatRunner } from '../../src/lab/index.ts';
import { loadOnnxruntime } from '../../src/onnxruntime/index.ts';
import { readModel } from '../../src/onnx/index.ts';
import { importModel } from '../../src/transform/index.ts';

const models = process.env['OCTET_TEST_MODELS'];
const data = process.env['OCTET_TEST_DATA'];
const available = models !== undefined && data !== undefined && existsSync(models) && existsSync(data);
if (!available) console.log('Skipped: accuracy of known networks needs OCTET_TEST_MODELS and OCTET_TEST_DATA.');

const cifar = { mean: [0.4914, 0.4822, 0.4465], std: [0.247, 0.2435, 0.2616] };
const imagenet = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

/** Known networks, their preprocessing and how many of the evaluation samples they get right. */
const networks = [
  { model: 'mobilenet_v2_small_cifar10_folded', set: 'cifar10', preprocessing: cifar, correct: 1_749, samples: 2_000 },
  { model: 'resnet20_cifar10_bn', set: 'cifar10', preprocessing: imagenet, correct: 1_826, samples: 2_000 },
  {
    model: 'mlperf_tiny_resnet8_cifar10_bn',
    set: 'cifar10',
    preprocessing: { scale: 1 },
    correct: 1_738,
    samples: 2_000,
  },
  {
    model: 'mobilenet_v1_0.25_224_bn',
    set: 'imagenet',
    preprocessing: { scale: 1 / 127.5, mean: 1, crop: { width: 224, height: 224 } },
    correct: 245,
    samples: 400,
  },
];

describe.runIf(available)('known networks through data sets, import and export', () => {
  it.each(networks)(
    '$model gets $correct of $samples right',
    async ({ model, set, preprocessing, correct, samples }) => {
      const graph = importModel(readModel(readFileSync(join(models ?? '', `${model}.onnx`))));
      const executor = await loadOnnxruntime();
      if (executor === undefined) throw new Error('This test needs onnxruntime-node, which npm ci installs.');
      const dataset = await openDataset(join(data ?? '', set, 'evaluation.zip'));
      const runner = await floatRunner(graph, executor);
      const evaluation = await evaluate(runner, dataset, {
        inputs: graph.inputs.map((name) => inputSpecOf({ name, ...graph.types.get(name)! })),
        preprocessing: preprocessingSchema.parse(preprocessing),
        classOutput: classOutputOf(graph.outputs, graph.types),
      });
      expect([evaluation.top1?.count, evaluation.samples]).toEqual([correct, samples]);
      await runner.close();
      await dataset.close();
    },
  );
});
