import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../src/base/index.ts';
import { randomFeeds } from '../../src/cli/bench/randomFeeds.ts';
import { BATCH } from '../../src/graph/index.ts';
import { writeModel } from '../../src/onnx/index.ts';
import { loadOnnxruntime } from '../../src/onnxruntime/index.ts';
import { runQuantized } from '../../src/reference/index.ts';
import { networkOf, networkSpecs, type NetworkSpec } from '../suites/onnx/network.ts';
import { recipes } from '../suites/onnx/recipe.ts';
import { engineFault, relativeError, runFloat, runOnnxruntime, runPipeline } from './support/pipeline.ts';
import { runners } from './support/runners.ts';

const onnxruntime = await loadOnnxruntime();
if (!onnxruntime) console.log('skipped: random networks in onnxruntime (it is not installed)');

/** Always the same networks, but for as many as the environment asks for. */
const NETWORKS = Number(process.env['OCTET_TEST_NETWORKS'] ?? 40);
const chance = process.env['OCTET_TEST_NETWORKS'] === undefined ? { seed: 1 } : {};

/** float32 sums in another order, through a dozen layers. */
const FLOAT_ERROR = 2e-3;

/** A value that lies between two steps may be rounded to either: in coarse networks of few elements that shows. */
const STEP_ERROR = 0.3;

interface Case {
  readonly spec: NetworkSpec;
  readonly recipe: Parameters<typeof runPipeline>[1];
  /** Of a free batch. */
  readonly samples: number;
  /** The first of two runners that the network runs on. */
  readonly runner: number;
}

const cases: fc.Arbitrary<Case> = fc.record({
  spec: networkSpecs,
  recipe: recipes,
  samples: fc.constantFrom(1, 2, 3),
  runner: fc.nat(runners.length - 1),
});

async function check({ spec, recipe, samples, runner }: Case): Promise<void> {
  const model = networkOf(spec);
  const { imported, prepared, file, lowered } = await runPipeline(model, recipe).catch((error: unknown) => {
    // values that overflow float32 have no range: another network
    fc.pre(!(error instanceof AppError && error.code === 'CALIBRATION_RANGE'));
    throw error;
  });
  const free = imported.inputs.some((name) => imported.types.get(name)?.shape[0] === BATCH);
  const feeds = randomFeeds(imported, { batch: free && spec.batch === 'free' ? samples : 1, seed: 7 });
  const chosen = [runners[runner]!, runners[(runner + 1) % runners.length]!];
  expect(engineFault(lowered, feeds, chosen)).toBeUndefined();
  if (!onnxruntime) return;
  const wanted = await runOnnxruntime(writeModel(model), feeds);
  fc.pre([...wanted.values()].every(({ data }) => Array.from(data, Number).every(Number.isFinite)));
  expect(relativeError(await runFloat(imported, feeds), wanted)).toBeLessThan(FLOAT_ERROR);
  if (recipe.equalization === false)
    expect(relativeError(await runFloat(prepared, feeds), wanted)).toBeLessThan(FLOAT_ERROR);
  expect(relativeError(runQuantized(lowered, feeds), await runOnnxruntime(file, feeds))).toBeLessThan(STEP_ERROR);
}

describe('networks of chance', () => {
  it(
    'are the same in onnxruntime, after import, as a QDQ file, and on every runner',
    { timeout: 60_000 + 2_000 * NETWORKS },
    async () => {
      await fc.assert(fc.asyncProperty(cases, check), { numRuns: NETWORKS, ...chance });
    },
  );
});
