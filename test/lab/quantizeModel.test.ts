import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDataset, preprocessingSchema, type Dataset } from '../../src/data/index.ts';
import { tiers } from '../../src/engine/index.ts';
import type { FloatExecutor } from '../../src/graph/index.ts';
import {
  engineRunner,
  goldenHash,
  quantizeModel,
  quantizeStages,
  readFileMetadata,
  renderReport,
  reportSchema,
  type QuantizedModel,
  type QuantizeModelOptions,
  type QuantizeProgress,
} from '../../src/lab/index.ts';
import { loadOnnxruntime } from '../../src/onnxruntime/index.ts';
import { readModel } from '../../src/onnx/index.ts';
import { recipeSchema } from '../../src/quant/index.ts';
import { referenceExecutor, runQuantized } from '../../src/reference/index.ts';
import { importModel, lowerQdq } from '../../src/transform/index.ts';
import { colorEntries, colorImage, npyFloat, zip } from '../support/images.ts';
import { colorNetwork, colorParts, float, modelOf, node } from '../support/networks.ts';
import { writeModel } from '../../src/onnx/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'octet-lab-'));
const opened: Dataset[] = [];
let count = 0;

async function datasetOf(bytes: Uint8Array): Promise<Dataset> {
  const path = join(folder, String(count++));
  writeFileSync(path, bytes);
  const dataset = await openDataset(path);
  opened.push(dataset);
  return dataset;
}

const preprocessing = preprocessingSchema.parse({ resample: 'cubic' });
const modelBytes = colorNetwork();
let executor: FloatExecutor;
let calibration: Dataset;
let evaluation: Dataset;

beforeAll(async () => {
  executor = (await loadOnnxruntime({ threads: 1 })) ?? referenceExecutor;
  calibration = await datasetOf(zip(await colorEntries(8, 1)));
  evaluation = await datasetOf(zip(await colorEntries(10, 50_000)));
});

afterAll(async () => {
  for (const dataset of opened) await dataset.close();
  rmSync(folder, { recursive: true, force: true });
});

function run(changes: Partial<QuantizeModelOptions> = {}): Promise<QuantizedModel> {
  const recipe = recipeSchema.parse({});
  return quantizeModel({ modelBytes, calibration, evaluation, preprocessing, recipe, executor, ...changes });
}

/** Without a search. */
const plainStages = quantizeStages.filter((stage) => stage !== 'search');

const labels = ['red', 'green', 'blue', 'gray'];

describe('the whole job', () => {
  it('makes a file that carries its own facts, and a report that keeps its schema', async () => {
    const { onnx, report, verdict, golden } = await run({ name: 'colors', labels });
    expect(reportSchema.parse(JSON.parse(JSON.stringify(report)))).toEqual(report);
    expect(report.accuracy?.fp32.top1?.share).toBe(1);
    expect(report.accuracy?.int8.top1?.share).toBe(1);
    expect(report.paired).toMatchObject({ samples: 40, agreement: 1, labelled: { losses: 0, gains: 0 } });
    // 40 samples without a loss prove nothing within 2 points.
    expect(verdict).toBe('notEnoughData');
    expect(report.data.evaluation).toMatchObject({ source: 'evaluationSet', samples: 40, labelled: true });
    expect(report.size.int8Bytes).toBe(onnx.length);
    // Images were decoded, so what decodes them is named.
    expect(Object.keys(report.versions)).toEqual(expect.arrayContaining(['octet', 'node', 'sharp']));
    const graph = importModel(readModel(onnx));
    expect(readFileMetadata(graph)).toEqual({ preprocessing, labels, recipe: report.recipe });
    const lowered = lowerQdq(graph);
    expect(goldenHash(lowered, (feeds) => runQuantized(lowered, feeds))).toBe(golden);
    const conv = report.layers.find(({ opType }) => opType === 'Conv');
    expect(conv).toMatchObject({ form: 'int8', weights: { scales: 8, bits: 8 } });
    expect(conv?.weights?.sqnrDb).toBeGreaterThan(35);
    expect(conv?.activation?.localSqnrDb).toBeGreaterThan(30);
    expect(conv?.accumulatedSqnrDb).toBeGreaterThan(25);
    expect(conv?.kernel).toBeDefined();
    for (const { runs, p50Ms, p99Ms } of [report.latency.fp32!, report.latency.int8!]) {
      expect(runs).toBeGreaterThan(0);
      expect(p99Ms).toBeGreaterThanOrEqual(p50Ms);
    }
  });

  it('finds at the last layer the error that the outputs have', async () => {
    const few = await datasetOf(zip(await colorEntries(2, 60_000)));
    const { report } = await run({ evaluation: few });
    expect(report.layers.at(-1)?.accumulatedSqnrDb).toBeCloseTo(report.outputs[0]?.sqnrDb ?? NaN, 1);
  });

  it('passes within a budget that the samples can prove', async () => {
    const recipe = recipeSchema.parse({ accuracyBudget: 10 });
    expect((await run({ recipe })).verdict).toBe('pass');
  });

  it('fails what is broken: two bits for weights and activations', async () => {
    const recipe = recipeSchema.parse({
      weights: { bits: 2, granularity: 'perTensor' },
      activations: { bits: 2 },
      biasCorrection: 'none',
      accuracyBudget: 0,
    });
    const harder = await datasetOf(zip(await hardEntries()));
    const { report } = await run({ recipe, evaluation: harder });
    expect(report.warnings.join(' ')).toContain('simulated');
    expect(report.paired?.agreement).toBeLessThan(1);

    // What they disagree on is shown, as the network saw it.
    const shown = report.disagreements ?? [];
    expect(shown).toHaveLength(Math.min(24, report.paired?.disagreements ?? 0));
    for (const { fp32, int8, label, thumbnail } of shown) {
      expect(fp32.class).not.toBe(int8.class);
      expect(label?.name).toBeDefined();
      expect(thumbnail).toMatch(/^data:image\/webp;base64,UklGR/);
    }
    const page = renderReport(JSON.parse(JSON.stringify(report)));
    for (const { thumbnail = '' } of shown) expect(page).toContain(thumbnail);
  });

  it('says what folding did to the weights, what each layer reads, and what it takes', async () => {
    const { report } = await run();
    const layers = new Map(report.layers.map((layer) => [layer.output, layer]));
    const inputs = report.layers.flatMap(({ reads = [] }) => reads.filter((name) => !layers.has(name)));
    expect(new Set(inputs).size).toBe(1);
    const conv = report.layers.find(({ opType }) => opType === 'Conv');
    expect(conv?.weights?.channels?.count).toBe(8);
    expect(conv?.weights?.channels?.folded.max).toHaveLength(8);
    const { shares, start, width } = conv!.activation!.histogram!;
    expect(shares.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 1);
    expect(start + width * shares.length).toBeGreaterThan(start);
    const names = report.latency.nodes?.map(({ name }) => name) ?? [];
    if (report.engine.tier !== 'reference') expect(names).toContain(conv?.name);
    for (const { int8 } of report.latency.nodes ?? []) expect(int8.p99Ms).toBeGreaterThanOrEqual(int8.p50Ms);
  });

  it('gives the same bytes for the same input', async () => {
    const [first, second] = [await run(), await run()];
    expect(Buffer.from(first.onnx).equals(Buffer.from(second.onnx))).toBe(true);
    expect(first.golden).toBe(second.golden);
  });

  it('works with the plain kernels alone, on every tier', async () => {
    const { report } = await run({ executor: referenceExecutor, tier: 'reference' });
    expect(report.executor).toBe('reference');
    expect(report.engine.tier).toBe('reference');
    expect(report.latency.fp32?.runner).toBe('reference');
    expect(report.accuracy?.int8.top1?.share).toBe(1);
    expect(tiers).toContain(report.engine.tier);
  });

  it('tells its stages in their order, each up to its total', async () => {
    const seen: QuantizeProgress[] = [];
    await run({ onProgress: (progress) => seen.push(progress) });
    const order = seen
      .map(({ stage }) => quantizeStages.indexOf(stage))
      .filter((at) => at !== quantizeStages.indexOf('quantize'));
    expect(order).toEqual([...order].sort((a, b) => a - b));
    expect(new Set(seen.map(({ stage }) => stage))).toEqual(new Set(plainStages));
    for (const { done, total } of seen) expect(done).toBeLessThanOrEqual(total);
    expect(seen.findLast(({ stage }) => stage === 'calibrate')).toMatchObject({ done: 32, total: 32 });
  });

  it.each(plainStages)('can be cancelled in %s', async (stage) => {
    const controller = new AbortController();
    const job = run({
      signal: controller.signal,
      onProgress: (progress) => {
        if (progress.stage === stage) controller.abort();
      },
    });
    await expect(job).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});

/** Images between the classes, where a coarse network decides otherwise. */
async function hardEntries() {
  const mixed = await Promise.all(Array.from({ length: 12 }, (_, i) => colorImage('gray', 900 + i)));
  const entries = await colorEntries(6, 70_000);
  return [...entries, ...mixed.map((data, i) => ({ name: `3-gray/m${i}.png`, data }))];
}

describe('calibration and evaluation', () => {
  it('never share a content: without an evaluation set a fifth is held out', async () => {
    const { report } = await run({ evaluation: undefined });
    expect(report.data.calibration?.samples).toBe(25);
    expect(report.data.evaluation).toMatchObject({ samples: 7, source: 'heldOut' });
    expect(report.warnings.join(' ')).toContain('held out');
    expect(report.data.calibration?.sha256).not.toBe(report.data.evaluation?.sha256);
  });

  it('leave out evaluation samples that calibration has seen', async () => {
    const both = await datasetOf(
      zip([
        ...(await colorEntries(8, 1)),
        ...(await colorEntries(2, 99_000)).map((entry) => ({
          ...entry,
          name: entry.name.toString().replace('/', '/x'),
        })),
      ]),
    );
    const { report } = await run({ evaluation: both });
    expect(report.data.evaluation).toMatchObject({ samples: 8, overlapRemoved: 32 });
    expect(report.warnings.join(' ')).toContain('32 of 40');
  });

  it('draw as many calibration samples as the recipe says, by its seed', async () => {
    const drawn = async (seed: number) =>
      (await run({ recipe: recipeSchema.parse({ calibrationSamples: 5, seed }) })).report.data.calibration;
    expect(await drawn(1)).toMatchObject({ samples: 5 });
    expect(await drawn(1)).toEqual(await drawn(1));
    expect((await drawn(1))?.sha256).not.toBe((await drawn(2))?.sha256);
  });

  it('are not needed for weights alone', async () => {
    const recipe = recipeSchema.parse({ activations: 'none', biasCorrection: 'none' });
    const alone = await run({ recipe, calibration: undefined, evaluation: undefined });
    expect(alone.verdict).toBe('notEnoughData');
    expect(alone.report.layers.some(({ form }) => form === 'weights')).toBe(true);
    expect(alone.report.data).toEqual({});
    const evaluated = await run({ recipe, calibration: undefined });
    expect(evaluated.report.accuracy?.int8.top1?.share).toBe(1);
  });

  it('are not needed where BatchNormalization tells the ranges', async () => {
    const recipe = recipeSchema.parse({ biasCorrection: 'analytic' });
    const { report } = await run({ recipe, calibration: undefined });
    expect(report.accuracy?.int8.top1?.share).toBe(1);
    expect(report.layers.some(({ form }) => form === 'int8')).toBe(true);
    expect(report.warnings.join(' ')).toContain('BatchNormalization');
  });
});

describe('what is refused before any compute', () => {
  it.each<[string, () => Promise<Partial<QuantizeModelOptions>> | Partial<QuantizeModelOptions>, string]>([
    ['activations without calibration', () => ({ calibration: undefined }), 'CALIBRATION_REQUIRED'],
    [
      'equalization without samples',
      () => ({ calibration: undefined, recipe: recipeSchema.parse({ biasCorrection: 'none', equalization: true }) }),
      'RECIPE_INVALID',
    ],
    [
      'nothing to quantize',
      () => ({ recipe: recipeSchema.parse({ weights: 'none', activations: 'none' }) }),
      'RECIPE_INVALID',
    ],
    [
      'an exclusion that names nothing',
      () => ({ recipe: recipeSchema.parse({ exclude: { nodes: ['con*x'] } }) }),
      'RECIPE_INVALID',
    ],
    [
      'a range for a value that is not there',
      () => ({ recipe: recipeSchema.parse({ overrides: { relux: { min: 0, max: 1 } } }) }),
      'RECIPE_INVALID',
    ],
    [
      'a class the network does not have',
      async () => ({ evaluation: await datasetOf(zip([{ name: '7-x/a.png', data: await colorImage('red', 1) }])) }),
      'LABELS_INVALID',
    ],
    [
      'preprocessing of another size',
      () => ({ preprocessing: preprocessingSchema.parse({ crop: { width: 9, height: 8 } }) }),
      'PREPROCESSING_INVALID',
    ],
    [
      'tensors of another shape',
      async () => ({ calibration: await datasetOf(npyFloat([4, 3, 4, 4], new Float32Array(192))) }),
      'SAMPLE_MISMATCH',
    ],
    ['a network that is quantized already', async () => ({ modelBytes: (await run()).onnx }), 'MODEL_INVALID'],
  ])('%s', async (_, changes, code) => {
    await expect(run(await changes())).rejects.toMatchObject({ code });
  });
});

describe('what a recipe leaves open', () => {
  it('is measured and decided, and the file says how', async () => {
    const recipe = recipeSchema.parse({ equalization: { relu6: 'auto' } });
    const { report, onnx } = await run({ recipe });
    expect(report.recipe.equalization).toEqual({ absorbHighBias: true, relu6: 'relu' });
    expect(readFileMetadata(importModel(readModel(onnx))).recipe).toEqual(report.recipe);
  });

  it('says what the file needs: asymmetric per-channel weights a newer onnxruntime', async () => {
    const requires = async (weights: object): Promise<string | undefined> =>
      importModel(readModel((await run({ recipe: recipeSchema.parse({ weights }) })).onnx)).metadata.get(
        'octet.requires',
      );
    expect(await requires({ symmetric: false })).toMatch(/onnxruntime >= 1\.29/);
    expect(await requires({})).toBeUndefined();
  });
});

describe('a network that is no classifier', () => {
  it('is judged by its outputs', async () => {
    const parts = colorParts();
    const head = ['fc', 'bias'];
    const trunk = Object.fromEntries(Object.entries(parts.initializers).filter(([name]) => !head.includes(name)));
    const image = {
      ...parts,
      nodes: [
        ...parts.nodes.slice(0, 3),
        node('Conv', ['relu', 'back'], ['map'], [{ name: 'kernel_shape', kind: 'ints', value: [1, 1] }]),
      ],
      initializers: {
        ...trunk,
        back: float(
          [3, 8, 1, 1],
          Array.from({ length: 24 }, (_, i) => Math.cos(i)),
        ),
      },
      output: { name: 'map', shape: ['N', 3, 8, 8] },
    };
    const { report, verdict } = await run({ modelBytes: writeModel(modelOf(image)) });
    expect(report.task).toBe('other');
    expect(report.accuracy).toBeUndefined();
    expect(report.outputs).toHaveLength(1);
    expect(report.outputs[0]?.sqnrDb).toBeGreaterThan(20);
    expect(verdict).toBe('pass');
  });
});

describe('the page', () => {
  it('holds the verdict and every layer, escapes all text, loads nothing', async () => {
    const hostile = '<script>alert("1")</script>';
    const { report } = await run({ name: hostile });
    const page = renderReport(JSON.parse(JSON.stringify(report)));
    expect(page).toContain('Not enough data');
    for (const { name } of report.layers) expect(page).toContain(name);
    expect(page).not.toContain(hostile);
    expect(page).toContain('&lt;script&gt;');
    expect(page).not.toMatch(/<script|\bsrc=(?!"data:image\/webp;)|\bhref=(?!"#)|url\(|@import/i);
    expect(page).toContain('prefers-color-scheme: dark');
  });

  it('refuses what is no report', () => {
    expect(() => renderReport({ schema: 1 })).toThrow();
  });
});

describe('runners', () => {
  it('give the engine and the reference the same bits', async () => {
    const { onnx } = await run();
    const lowered = lowerQdq(importModel(readModel(onnx)));
    const runner = await engineRunner(lowered);
    const feeds = new Map([
      [
        'image',
        float(
          [2, 3, 8, 8],
          Array.from({ length: 384 }, (_, i) => Math.sin(i)),
        ),
      ],
    ]);
    expect((await runner.run(feeds)).get('scores')?.data).toEqual(runQuantized(lowered, feeds).get('scores')?.data);
    await runner.close();
  });
});
