import { InvariantError } from '../../base/index.ts';
import { batches } from '../../data/index.ts';
import { elementCount, type TensorMap } from '../../tensor/index.ts';
import { batchesOf, type Job } from '../job.ts';
import type { Network } from '../network.ts';
import { floatRunner } from '../runner.ts';
import type { Selection } from '../samples.ts';

/** Bytes of decoded samples and their float outputs that a search keeps. */
const KEPT_BYTES = 256 * 2 ** 20;
const MOST_SAMPLES = 1_000;

/** Samples that a search may choose with: what fits into fixed memory. */
export function mostChoosingSamples({ imported }: Network): number {
  const bytes = [...imported.inputs, ...imported.outputs].reduce((sum, value) => {
    const shape = imported.types.get(value)?.shape ?? [];
    return sum + 4 * elementCount(shape.map((dim) => Math.abs(dim)));
  }, 0);
  return Math.max(1, Math.min(MOST_SAMPLES, Math.floor(KEPT_BYTES / Math.max(1, bytes))));
}

/** Decoded samples with what the float network makes of them. */
export interface ChoosingBatch {
  readonly feeds: TensorMap;
  readonly expected: TensorMap;
  readonly labels: readonly (number | undefined)[];
}

/** Decodes the samples and runs the float network on them, once for all candidates. */
export async function readChoosingSamples(job: Job, selection: Selection): Promise<readonly ChoosingBatch[]> {
  const fp32 = await floatRunner(job.network.imported, job.options.executor);
  const kept: ChoosingBatch[] = [];
  try {
    for await (const { indices, feeds } of batchesOf(job, selection)) {
      const labels = indices.map((index) => selection.dataset.samples[index]?.label);
      kept.push({ feeds, expected: await fp32.run(feeds), labels });
      job.clock.check();
    }
    return kept;
  } finally {
    await fp32.close();
  }
}

/** A single sample, to time and profile with. */
export async function readSpecimen({ network, options }: Job, { dataset, indices }: Selection): Promise<TensorMap> {
  const { preprocessing, signal } = options;
  const one = { batchSize: 1, indices: indices.slice(0, 1), signal };
  for await (const { feeds } of batches(dataset, network.inputs, preprocessing, one)) return feeds;
  throw new InvariantError('a search chooses with at least one sample');
}
