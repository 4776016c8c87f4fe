import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gaussian, seededRandom } from '../../src/base/index.ts';
import { openDataset, preprocessingSchema, type Dataset } from '../../src/data/index.ts';
import type { FloatExecutor } from '../../src/graph/index.ts';
import {
  quantizeModel,
  readFileMetadata,
  reportSchema,
  type QuantizedModel,
  type QuantizeModelOptions,
  type QuantizeProgress,
} from '../../src/lab/index.ts';
import { loadOnnxruntime } from '../../src/onnxruntime/index.ts';
import { readModel, writeModel } from '../../src/onnx/index.ts';
import { recipeSchema, type Recipe } from '../../src/quant/index.ts';
import { referenceExecutor } from '../../src/reference/index.ts';
import { importModel } from '../../src/transform/index.ts';
import { npyFloat } from '../support/images.ts';
import { colorParts, float, modelOf, node } from '../support/networks.ts';

const folder = mkdtempSync(join(tmpdir(), 'octet-search-'));
const opened: Dataset[] = [];
const preprocessing = preprocessingSchema.parse({});
const pixels = 8 * 8;
let executor: FloatExecutor;
let calibration: Dataset;
let labelled: Dataset;
let unlabelled: Dataset;

/**
 * The network of colours with a fourth input channel that is always 0, and a large weight on it in each filter of the first
 * layer: 8 bits for the others round them all to 0, whatever the calibrator. Nothing mends it but to leave the layer float.
 */
function brittleNetwork(weight: number, form: 'long' | 'short' | 'map' = 'long'): Uint8Array {
  const parts = colorParts();
  const colorWeights = parts.initializers['w']?.data as Float32Array;
  const random = seededRandom(3);
  const w = Array.from({ length: 8 }, (_, filter) => [...colorWeights.subarray(filter * 3, filter * 3 + 3), weight]);
  const mix = Array.from({ length: 64 }, (_, i) => (i % 9 === 0 ? 1 : 0) + 0.02 * gaussian(random));
  const [conv, norm, relu, pool, ...rest] = parts.nodes;
  const mixed = node('Conv', ['relu', 'mix', 'b'], ['mixed']);
  const stem = [conv!, norm!, relu!];
  const nodes = {
    long: [...stem, mixed, { ...pool!, inputs: ['mixed'] }, ...rest],
    short: [...stem, pool!, ...rest],
    map: [...stem, mixed],
  };
  const initializers = { ...parts.initializers, w: float([8, 4, 1, 1], w.flat()), mix: float([8, 8, 1, 1], mix) };
  return writeModel(
    modelOf({
      ...parts,
      nodes: nodes[form],
      initializers,
      input: { name: 'image', shape: ['N', 4, 8, 8] },
      output: form === 'map' ? { name: 'mixed', shape: ['N', 8, 8, 8] } : parts.output,
    }),
  );
}

/** Red, green, blue and gray in turn, with noise; the fourth channel is 0. */
async function colorTensors(
  count: number,
  { seed, labels }: { readonly seed: number; readonly labels: 'labelled' | 'unlabelled' },
): Promise<Dataset> {
  const random = seededRandom(seed);
  const values = new Float32Array(count * 4 * pixels);
  for (let sample = 0; sample < count; sample++)
    for (let channel = 0; channel < 3; channel++) {
      const centre = sample % 4 === 3 ? 0.5 : sample % 4 === channel ? 0.75 : 0.25;
      for (let at = 0; at < pixels; at++)
        values[(sample * 4 + channel) * pixels + at] = centre + 0.1 * gaussian(random);
    }
  const path = join(folder, `${seed}-${labels}.npy`);
  writeFileSync(path, npyFloat([count, 4, 8, 8], values));
  const rows = Array.from({ length: count }, (_, sample) => `${sample},${sample % 4}`);
  const dataset = await openDataset(path, labels === 'labelled' ? { labels: `file,label\n${rows.join('\n')}\n` } : {});
  opened.push(dataset);
  return dataset;
}

beforeAll(async () => {
  executor = (await loadOnnxruntime({ threads: 1 })) ?? referenceExecutor;
  calibration = await colorTensors(32, { seed: 1, labels: 'unlabelled' });
  labelled = await colorTensors(120, { seed: 2, labels: 'labelled' });
  unlabelled = await colorTensors(120, { seed: 2, labels: 'unlabelled' });
});

afterAll(async () => {
  for (const dataset of opened) await dataset.close();
  rmSync(folder, { recursive: true, force: true });
});

const brittle = brittleNetwork(2_000);
const sound = brittleNetwork(0.5);

function run(recipe: Recipe, changes: Partial<QuantizeModelOptions> = {}): Promise<QuantizedModel> {
  const sets = { calibration, evaluation: labelled };
  return quantizeModel({ modelBytes: brittle, ...sets, preprocessing, recipe, executor, ...changes });
}

const searching = (search: NonNullable<Recipe['search']>, changes: Partial<Recipe> = {}): Recipe => ({
  ...recipeSchema.parse({ accuracyBudget: 5 }),
  search,
  ...changes,
});

describe('a network with a layer that 8 bits break', () => {
  it.each(['labelled', 'unlabelled'] as const)(
    'ends with that layer float and within the budget (%s)',
    async (kind) => {
      const recipe = searching({ seconds: 600 });
      const { report, onnx } = await run(recipe, { evaluation: kind === 'labelled' ? labelled : unlabelled });
      const search = report.search!;
      expect(search.ended).toBe('finished');
      expect(search.candidates[0]).toMatchObject({ title: 'given recipe', withinBudget: false, floatLayers: 0 });
      expect(search.sensitivity[0]).toMatchObject({ name: 'conv', cause: 'weights' });
      expect(search.candidates[search.chosen]).toMatchObject({ withinBudget: true, floatLayers: 1 });
      expect(report.recipe.exclude.nodes).toEqual(['conv']);
      expect(report.layers.find(({ name }) => name === 'conv')?.form).toBe('float');
      expect(report.layers.find(({ name }) => name === 'mixed')?.form).toBe('int8');
      expect(report.paired?.agreement).toBeGreaterThanOrEqual(0.95);
      expect(search.proof).toMatchObject({ returned: 'chosen', best: search.chosen });
      expect(search.proof?.default.agreement).toBeLessThan(0.5);
      expect(search.prevented).toBeUndefined();
      expect(search.candidates.some(({ pareto }) => pareto)).toBe(true);
      expect(reportSchema.parse(JSON.parse(JSON.stringify(report)))).toEqual(report);

      const manifest = readFileMetadata(importModel(readModel(onnx))).recipe!;
      expect(manifest).toEqual(report.recipe);
      expect(manifest.search).toBeUndefined();
      const again = await run(manifest);
      expect(Buffer.from(again.onnx).equals(Buffer.from(onnx))).toBe(true);
    },
  );

  it('names that layer where the time does not suffice to mend it', async () => {
    const { report } = await run(searching({ seconds: 600, candidates: 2 }));
    expect(report.search?.candidates).toHaveLength(2);
    expect(report.search?.ended).toBe('candidates');
    expect(report.search?.prevented).toMatch(/'conv': .* by its weights/);
    expect(report.warnings.join(' ')).toContain("'conv'");
  });
});

describe('a search', () => {
  it('chooses, proves and calibrates with different samples, and proves with those of the report', async () => {
    const { report } = await run(searching({ seconds: 600, candidates: 1 }));
    expect(report.search?.selection).toMatchObject({ samples: 40, labelled: true });
    expect(report.data.evaluation).toMatchObject({ samples: 80, source: 'evaluationSet' });
    const hashes = [report.search?.selection.sha256, report.data.evaluation?.sha256, report.data.calibration?.sha256];
    expect(new Set(hashes).size).toBe(3);
  });

  it('measures the given recipe whatever the time, and returns it at the deadline', async () => {
    const { report, onnx } = await run(searching({ seconds: 0.001 }));
    expect(report.search).toMatchObject({ ended: 'deadline', chosen: 0 });
    expect(report.search?.candidates).toHaveLength(1);
    expect(report.search?.prevented).toContain('time limit');
    const plain = await run(recipeSchema.parse({ accuracyBudget: 5 }));
    expect(Buffer.from(onnx).equals(Buffer.from(plain.onnx))).toBe(true);
  });

  it('is never worse than the given recipe on the samples that prove', async () => {
    for (const modelBytes of [brittle, sound]) {
      const { report } = await run(searching({ seconds: 600 }), { modelBytes });
      const proof = report.search?.proof;
      expect(report.paired?.labelled?.netLoss).toBeLessThanOrEqual(proof?.default.netLoss ?? Infinity);
    }
  });

  it('leaves a sound network without float layers', async () => {
    const { report } = await run(searching({ seconds: 600 }), { modelBytes: sound });
    expect(report.recipe.exclude.nodes).toEqual([]);
    expect(report.search?.candidates.length).toBeGreaterThan(8);
    expect(report.search?.candidates.every(({ p50Ms, int8Bytes }) => p50Ms > 0 && int8Bytes > 0)).toBe(true);
  });

  it('tries the same recipes again on the same input', async () => {
    const titles = async () =>
      (await run(searching({ seconds: 600, candidates: 12 }))).report.search?.candidates.map(
        ({ title, outputKl, netLoss }) => [title, outputKl, netLoss],
      );
    expect(await titles()).toEqual(await titles());
  });

  it('ends with the best so far when it is stopped, without a result when it is cancelled', async () => {
    const at = (done: number, act: () => void) => (progress: QuantizeProgress) => {
      if (progress.stage === 'search' && progress.done === done) act();
    };
    const finish = new AbortController();
    const stopped = await run(searching({ seconds: 600 }), {
      finish: finish.signal,
      onProgress: at(5, () => finish.abort()),
    });
    expect(stopped.report.search).toMatchObject({ ended: 'stopped' });
    const cancel = new AbortController();
    const cancelled = run(searching({ seconds: 600 }), {
      signal: cancel.signal,
      onProgress: at(5, () => cancel.abort()),
    });
    await expect(cancelled).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('tells its progress', async () => {
    const seen: QuantizeProgress[] = [];
    await run(searching({ seconds: 600, candidates: 4 }), { onProgress: (progress) => seen.push(progress) });
    const own = seen.filter(({ stage }) => stage === 'search');
    expect(own.length).toBeGreaterThan(4);
    for (const { done, total } of own) expect(done).toBeLessThanOrEqual(total);
    const [last] = own.slice(-1);
    expect(last?.done).toBe(last?.total);
  });

  it('is refused where nothing is left to choose and prove with', async () => {
    const one = await colorTensors(1, { seed: 9, labels: 'unlabelled' });
    await expect(run(searching({ seconds: 600 }), { evaluation: one })).rejects.toMatchObject({
      code: 'RECIPE_INVALID',
    });
  });

  it('works for weights alone, and for ranges from BatchNormalization, without calibration samples', async () => {
    const recipes = [{ activations: 'none', biasCorrection: 'none' }, { biasCorrection: 'analytic' }];
    for (const changes of recipes) {
      const recipe = { ...recipeSchema.parse({ accuracyBudget: 5, ...changes }), search: { seconds: 600 } };
      const { report } = await run(recipe, { calibration: undefined, modelBytes: brittleNetwork(0.5, 'short') });
      expect(report.search?.ended).toBe('finished');
      expect(report.search?.candidates.length).toBeGreaterThan(3);
      const titles = report.search?.candidates.map(({ title }) => title).join();
      expect(titles).toContain('asymmetric weights');
      expect(titles).not.toContain('calibrator minMax');
    }
  });

  it('chooses by signal to noise where there are no classes', async () => {
    const { report } = await run(searching({ seconds: 600 }), { modelBytes: brittleNetwork(2_000, 'map') });
    expect(report.task).toBe('other');
    expect(report.search?.candidates[0]).toMatchObject({ withinBudget: false });
    expect(report.search?.candidates[report.search.chosen]).toMatchObject({ withinBudget: true });
    expect(report.outputs[0]?.sqnrDb).toBeGreaterThan(20);
  });

  it('works with the plain kernels alone', async () => {
    const { report } = await run(searching({ seconds: 600, candidates: 2 }), {
      executor: referenceExecutor,
      tier: 'reference',
    });
    expect(report.search?.candidates).toHaveLength(2);
  });
});
