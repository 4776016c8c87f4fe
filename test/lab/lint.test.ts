import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { present } from '../../src/base/index.ts';
import { digitsPreprocessing, readDigits, readDigitsModel, zipDigits } from '../../src/cli/sample/digits.ts';
import { openDataset, preprocessingSchema, type Dataset } from '../../src/data/index.ts';
import type { FloatExecutor } from '../../src/graph/index.ts';
import { quantizeModel, type Report } from '../../src/lab/index.ts';
import { convergenceFinding, convergenceOf } from '../../src/lab/lint/convergence.ts';
import { loadOnnxruntime } from '../../src/onnxruntime/index.ts';
import { recipeSchema } from '../../src/quant/index.ts';
import { referenceExecutor } from '../../src/reference/index.ts';
import { zip } from '../support/images.ts';

const folder = mkdtempSync(join(tmpdir(), 'octet-lint-'));
const opened: Dataset[] = [];
let executor: FloatExecutor;
let digits: Uint8Array;

beforeAll(async () => {
  executor = (await loadOnnxruntime({ threads: 1 })) ?? referenceExecutor;
  digits = await readDigitsModel();
});
afterAll(async () => {
  for (const dataset of opened) await dataset.close();
  rmSync(folder, { recursive: true, force: true });
});

async function open(bytes: Uint8Array): Promise<Dataset> {
  const path = join(folder, `${opened.length}.zip`);
  writeFileSync(path, bytes);
  const dataset = await openDataset(path);
  opened.push(dataset);
  return dataset;
}

const someDigits = async (count: number): Promise<Dataset> =>
  open(zipDigits(await readDigits('training', { first: 0, count })));

async function lint(
  calibration: Dataset,
  changes: { preprocessing?: object; modelBytes?: Uint8Array; evaluation?: Dataset } = {},
): Promise<NonNullable<Report['calibration']>> {
  const { report } = await quantizeModel({
    modelBytes: changes.modelBytes ?? digits,
    calibration,
    evaluation: changes.evaluation,
    preprocessing: preprocessingSchema.parse(changes.preprocessing ?? digitsPreprocessing),
    recipe: recipeSchema.parse({ biasCorrection: 'none' }),
    executor,
  });
  return present(report.calibration, 'what the linter says');
}

const codesOf = ({ findings }: NonNullable<Report['calibration']>): string[] => findings.map(({ code }) => code);

/** A set without labels, of the same images. */
const withoutLabels = (dataset: Dataset): Dataset => ({
  kind: dataset.kind,
  samples: dataset.samples.map(({ name, contentHash }) => ({ name, contentHash })),
  read: (index) => dataset.read(index),
  close: () => dataset.close(),
});

describe('the calibration linter', () => {
  it('is silent on a good set read as it should be', async () => {
    const { findings, convergence, preprocessing } = await lint(await someDigits(300));
    expect(findings).toEqual([]);
    expect(convergence.at(-1)).toMatchObject({ moved: 0 });
    expect(convergence.length).toBeGreaterThan(3);
    expect(preprocessing?.[0]?.title).toBe('as declared');
  });

  it.each([
    ['labelled', (dataset: Dataset) => dataset],
    ['unlabelled', withoutLabels],
  ])('names the preprocessing that %s images were meant to have', async (_, of) => {
    const { findings } = await lint(of(await someDigits(100)), { preprocessing: { color: 'gray', scale: 1 } });
    const found = findings.find(({ code }) => code === 'PREPROCESSING_DOUBTFUL');
    expect(found?.text).toContain('MNIST mean and std');
    expect(found?.text).toContain('"mean":0.1307,"std":0.3081');
  });

  it('lets no verdict pass on images that the network does not recognize', async () => {
    const digit = await someDigits(300);
    const { report, verdict } = await quantizeModel({
      modelBytes: digits,
      calibration: digit,
      preprocessing: preprocessingSchema.parse({ color: 'gray', scale: 1 }),
      recipe: recipeSchema.parse({ biasCorrection: 'none', accuracyBudget: 100 }),
      executor,
    });
    expect(verdict).toBe('notEnoughData');
    expect(report.verdict.headline).toMatch(/do not look as the network expects/);
  });

  it('counts duplicates and finds sets too small', async () => {
    const images = await readDigits('training', { first: 0, count: 12 });
    const set = await open(zipDigits([...images, ...images.slice(0, 3)]));
    const { findings } = await lint(set);
    expect(findings.map(({ code }) => code)).toEqual(expect.arrayContaining(['FEW_SAMPLES', 'DUPLICATES']));
    expect(findings.find(({ code }) => code === 'DUPLICATES')?.text).toMatch(/^\d of \d+ calibration samples/);
  });

  it('names classes that are missing, and one that is most of the set', async () => {
    const images = await readDigits('training', { first: 0, count: 600 });
    const ones = images.filter(({ label }) => label === 1);
    const few = images.filter(({ label }) => label !== 1 && label !== 7).slice(0, 40);
    const { findings } = await lint(await open(zipDigits([...ones, ...few])));
    expect(findings.find(({ code }) => code === 'CLASSES_MISSING')?.text).toMatch(/^1 of 10 classes .*'7'/);
    expect(findings.find(({ code }) => code === 'CLASSES_UNEVEN')?.text).toMatch(/class '1'/);
  });

  it('finds images without content, and images that had to be enlarged', async () => {
    const plain = (shade: number) =>
      sharp({ create: { width: 9, height: 8, channels: 3, background: { r: shade, g: shade, b: 99 } } });
    const entries = await Promise.all(
      Array.from({ length: 40 }, async (_, i) => ({
        name: `${i}.png`,
        data: await plain(i * 6)
          .png()
          .toBuffer(),
      })),
    );
    expect(codesOf(await lint(await open(zip(entries))))).toEqual(
      expect.arrayContaining(['BLANK_IMAGES', 'SMALL_IMAGES']),
    );
  });
});

describe('a doubt that few images leave open', () => {
  const preprocessing = { ...digitsPreprocessing, std: 0.1 };
  const others = async (count: number) => open(zipDigits(await readDigits('test', { first: 0, count })));

  it('is decided by others', async () => {
    const few = await someDigits(20);
    expect(codesOf(await lint(few, { preprocessing, evaluation: await others(16) }))).not.toContain(
      'PREPROCESSING_DOUBTFUL',
    );
    const { findings } = await lint(few, { preprocessing, evaluation: await others(200) });
    const text = findings.find(({ code }) => code === 'PREPROCESSING_DOUBTFUL')?.text;
    expect(text).toContain('with MNIST mean and std');
    expect(text).toContain('of 200 images');
  });
});

describe('convergence of ranges', () => {
  const ranges = (max: number) => new Map([['x', { min: -1, max }]]);

  it('is the distance to where they ended, in their width', () => {
    const earlier = [1, 2, 4].map((samples) => ({ samples, ranges: ranges(3 - 1 / samples) }));
    expect(convergenceOf({ earlier, ranges: ranges(3), samples: 8, observers: new Map() })).toEqual([
      { samples: 1, moved: 0.25 },
      { samples: 2, moved: 0.125 },
      { samples: 4, moved: 0.0625 },
      { samples: 8, moved: 0 },
    ]);
  });

  it('is a finding where the second half still moved them', () => {
    const steps = [
      { samples: 32, moved: 0.3 },
      { samples: 64, moved: 0.1 },
      { samples: 100, moved: 0 },
    ];
    expect(convergenceFinding(steps)?.text).toMatch(/after 32 of 100 samples they were still 30 %.*Send 200/);
    expect(convergenceFinding([{ samples: 50, moved: 0.08 }, ...steps.slice(2)])).toBeUndefined();
    expect(convergenceFinding([])).toBeUndefined();
  });
});

const { OCTET_TEST_MODELS: models, OCTET_TEST_DATA: data } = process.env;
if (models === undefined || data === undefined)
  console.warn('Preprocessing of real networks is not tried: OCTET_TEST_MODELS or OCTET_TEST_DATA is not set.');

describe.skipIf(models === undefined || data === undefined)('on CIFAR-10', () => {
  it.each([
    ['mlperf_tiny_resnet8_cifar10_bn', { scale: 1 }, { color: 'bgr', scale: 1 }, 'RGB, 0..255'],
    [
      'mobilenet_v2_small_cifar10_folded',
      { mean: [0.4914, 0.4822, 0.4465], std: [0.247, 0.2435, 0.2616] },
      {},
      'RGB, ',
    ],
  ])('%s is told from its wrong form', async (name, right, wrong, title) => {
    const modelBytes = await readFile(join(models ?? '', `${name}.onnx`));
    const calibration = await openDataset(join(data ?? '', 'cifar10', 'calibration.zip'));
    opened.push(calibration);
    expect(codesOf(await lint(calibration, { modelBytes, preprocessing: right }))).not.toContain(
      'PREPROCESSING_DOUBTFUL',
    );
    const { findings } = await lint(calibration, { modelBytes, preprocessing: wrong });
    expect(findings.find(({ code }) => code === 'PREPROCESSING_DOUBTFUL')?.text).toContain(title);
  });
});
