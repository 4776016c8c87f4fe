import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openDataset, preprocessingSchema } from '../../src/data/index.ts';
import { quantizeModel, renderReport } from '../../src/lab/index.ts';
import { loadOnnxruntime } from '../../src/onnxruntime/index.ts';
import { recipeSchema } from '../../src/quant/index.ts';
import { referenceExecutor } from '../../src/reference/index.ts';

const { OCTET_TEST_MODELS: models = '', OCTET_TEST_DATA: data = '' } = process.env;
const model = join(models, 'mobilenet_v1_0.25_224_bn.onnx');
const calibration = join(data, 'imagenet', 'calibration.zip');
const found = models !== '' && data !== '' && existsSync(model) && existsSync(calibration);
if (!found)
  console.warn('The report of a real network is not tested: OCTET_TEST_MODELS or OCTET_TEST_DATA is not set.');

/** arXiv:1806.08342 §3.1.3: folding spreads the kernels' ranges, one scale a layer then loses the small ones. */
it.skipIf(!found)('MobileNetV1 with one scale a layer: the report names folding and what would mend it', async () => {
  const images = await openDataset(calibration);
  try {
    const { report } = await quantizeModel({
      modelBytes: readFileSync(model),
      calibration: images,
      preprocessing: preprocessingSchema.parse({
        resize: { shortSide: 256 },
        crop: { width: 224, height: 224 },
        scale: 1 / 127.5,
        mean: 1,
      }),
      recipe: recipeSchema.parse({
        weights: { granularity: 'perTensor' },
        biasCorrection: 'none',
        calibrationSamples: 8,
      }),
      executor: (await loadOnnxruntime()) ?? referenceExecutor,
    });
    expect(report.worstLayers).toHaveLength(5);
    for (const { advice, gain } of report.worstLayers) {
      expect(advice).toContain("'perChannel'");
      expect((gain?.toDb ?? 0) - (gain?.fromDb ?? 0)).toBeGreaterThan(20);
    }
    expect(report.worstLayers.map(({ diagnosis }) => diagnosis).join()).toContain('folding batch normalization');
    const depthwise = report.layers.filter(({ weights }) => weights?.shape[1] === 1);
    expect(depthwise.length).toBe(13);
    for (const { weights } of depthwise) expect(weights?.channels?.original).toBeDefined();
    expect(JSON.stringify(report).length).toBeLessThan(300_000);
    expect(renderReport(report).length).toBeLessThan(600_000);
  } finally {
    await images.close();
  }
});
