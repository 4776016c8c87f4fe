import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digitsModelPath, digitsPreprocessing, readDigits, zipDigits } from '../../../src/cli/sample/digits.ts';

/** A network with its data and the loss that it may have. */
export interface FigureCase {
  readonly name: string;
  readonly model: string;
  readonly preprocessing: object;
  readonly calibration: string;
  readonly evaluation: string;
  /** Points of top-1, without the paired bound. */
  readonly allowedLoss: number;
  /** Share of equal answers, where one is asked for. */
  readonly leastAgreement?: number;
}

const rgb = { color: 'rgb' } as const;
const imageNetStatistics = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

/** Digits as zips in `folder`: 500 for calibration, the 10,000 test images for evaluation. */
async function writeDigits(folder: string): Promise<{ calibration: string; evaluation: string }> {
  const calibration = join(folder, 'digits-calibration.zip');
  const evaluation = join(folder, 'digits-evaluation.zip');
  await writeFile(calibration, zipDigits(await readDigits('training', { first: 0, count: 500 })));
  await writeFile(evaluation, zipDigits(await readDigits('test', { first: 0, count: 10_000 })));
  return { calibration, evaluation };
}

/**
 * The cases that can be run here. The sample always can; the others need the folders that OCTET_TEST_MODELS and
 * OCTET_TEST_DATA name.
 */
export async function figureCases(folder: string, environment: NodeJS.ProcessEnv): Promise<FigureCase[]> {
  const digits = await writeDigits(folder);
  const sample = { name: 'digits_mobilenet', model: digitsModelPath, preprocessing: digitsPreprocessing };
  const cases: FigureCase[] = [{ ...sample, ...digits, allowedLoss: 0.3 }];
  const { OCTET_TEST_MODELS: models, OCTET_TEST_DATA: data } = environment;
  if (models === undefined) return cases;
  const plainDigits = { color: 'gray', scale: 1 };
  cases.push({
    name: 'mnist_cntk',
    model: join(models, 'mnist_cntk.onnx'),
    preprocessing: plainDigits,
    ...digits,
    allowedLoss: 0.3,
  });
  if (data !== undefined) cases.push(...cifarCases(models, data), imageNetCase(models, data));
  return cases.filter(({ model, evaluation }) => existsSync(model) && existsSync(evaluation));
}

function cifarCases(models: string, data: string): FigureCase[] {
  const cifar = {
    calibration: join(data, 'cifar10', 'calibration.zip'),
    evaluation: join(data, 'cifar10', 'evaluation.zip'),
    allowedLoss: 0.3,
    leastAgreement: 0.97,
  };
  const own = { ...rgb, mean: [0.4914, 0.4822, 0.4465], std: [0.247, 0.2435, 0.2616] };
  const preprocessing: Readonly<Record<string, object>> = {
    resnet20_cifar10_bn: { ...rgb, ...imageNetStatistics },
    resnet20_cifar10_folded: { ...rgb, ...imageNetStatistics },
    mobilenet_v2_small_cifar10_bn: own,
    mobilenet_v2_small_cifar10_folded: own,
    mlperf_tiny_resnet8_cifar10_bn: { ...rgb, scale: 1 },
  };
  return Object.entries(preprocessing).map(([name, values]) => ({
    name,
    model: join(models, `${name}.onnx`),
    preprocessing: values,
    ...cifar,
  }));
}

function imageNetCase(models: string, data: string): FigureCase {
  return {
    name: 'mobilenet_v1_0.25_224_bn',
    model: join(models, 'mobilenet_v1_0.25_224_bn.onnx'),
    preprocessing: {
      ...rgb,
      resize: { shortSide: 256 },
      crop: { width: 224, height: 224 },
      scale: 1 / 127.5,
      mean: 1,
      std: 1,
    },
    calibration: join(data, 'imagenet', 'calibration.zip'),
    evaluation: join(data, 'imagenet', 'evaluation.zip'),
    allowedLoss: 2,
    leastAgreement: 0.92,
  };
}
