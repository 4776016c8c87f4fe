import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { seededRandom } from '../../../src/base/index.ts';
import { writeZip } from '../../../src/cli/sample/zip.ts';
import { formatBytes, formatMs } from '../../../src/cli/text.ts';
import { networks } from '../generators/networks.ts';
import { toOnnx } from '../generators/toOnnx.ts';
import { runQuantize } from './runOctet.ts';

export const jobHeader = ['executor', 'images', 'time', 'peak memory', 'stages'] as const;

const side = 224;

/** Photographs as far as a decoder can tell: seeded blobs of colour, blurred from a small grid, as JPEG. */
async function syntheticJpeg(seed: number): Promise<Uint8Array> {
  const random = seededRandom(seed);
  const grid = Uint8Array.from({ length: 16 * 16 * 3 }, () => Math.floor(random() * 256));
  const image = sharp(grid, { raw: { width: 16, height: 16, channels: 3 } });
  return new Uint8Array(await image.resize(side, side, { kernel: 'cubic' }).jpeg({ quality: 90 }).toBuffer());
}

async function writeImages(path: string, count: number): Promise<void> {
  const entries: { name: string; bytes: Uint8Array }[] = [];
  for (let index = 0; index < count; index++)
    entries.push({ name: `${String(index).padStart(4, '0')}.jpg`, bytes: await syntheticJpeg(index) });
  await writeFile(path, writeZip(entries));
}

/** MobileNetV2 1.0 at 224 with KL calibration: time and peak memory of the whole job, as `octet quantize` does it. */
export async function measureJob(
  folder: string,
  options: { images: number; executor: 'onnxruntime' | 'reference' },
): Promise<readonly string[]> {
  const model = join(folder, 'mobilenet_v2.onnx');
  const images = join(folder, `images-${options.images}.zip`);
  const evaluation = join(folder, 'images-evaluation.zip');
  const recipe = join(folder, 'entropy.json');
  await writeFile(model, toOnnx(networks.mobilenet_v2(1)));
  await writeFile(recipe, JSON.stringify({ activations: { calibrator: 'entropy' } }));
  await writeImages(images, options.images);
  // A set of its own, or a fifth of the images would be held out and not calibrate.
  await writeFile(evaluation, writeZip([{ name: 'other.jpg', bytes: await syntheticJpeg(1_000_000) }]));
  const { durationMs, peakRssBytes, report } = await runQuantize([
    model,
    images,
    ...['--evaluation', evaluation, '--recipe', recipe, '--executor', options.executor],
    ...['-o', join(folder, 'mobilenet_v2.int8.onnx')],
  ]);
  const stages = report.stages.map(({ stage, ms }) => `${stage} ${formatMs(ms)}`).join(', ');
  return [options.executor, String(options.images), formatMs(durationMs), formatBytes(peakRssBytes), stages];
}
