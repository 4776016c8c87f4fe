import { describe, expect, it } from 'vitest';
import {
  batches,
  countDuplicates,
  holdOut,
  openDataset,
  preprocessingSchema,
  withoutOverlap,
  type BatchOptions,
  type Dataset,
  type InputSpec,
} from '../../src/data/index.ts';
import { tensor } from '../../src/tensor/index.ts';
import { file, npy, png, zip } from './writers.ts';

const input: InputSpec = { name: 'x', dtype: 'float32', shape: [1, 1, 1, 2], layout: 'NCHW' };
const preprocessing = preprocessingSchema.parse({ scale: 1 });

async function imagesOf(seeds: readonly number[]): Promise<Dataset> {
  const entries = await Promise.all(
    seeds.map(async (seed, i) => ({
      name: `${String(i).padStart(3, '0')}.png`,
      data: await png({ width: 2, height: 1, pixel: () => [seed, seed, seed] }),
    })),
  );
  return openDataset(file(zip(entries)));
}

async function walk(dataset: Dataset, options: BatchOptions) {
  const seen: { indices: readonly number[]; values: number[] }[] = [];
  for await (const { indices, feeds } of batches(dataset, [input], preprocessing, options))
    seen.push({ indices, values: Array.from(feeds.get('x')?.data ?? [], Number) });
  return seen;
}

describe('batches', () => {
  it('keep the order, and end with a smaller one', async () => {
    const dataset = await imagesOf([10, 20, 30, 40, 50]);
    expect(await walk(dataset, { batchSize: 2 })).toEqual([
      { indices: [0, 1], values: [10, 10, 20, 20] },
      { indices: [2, 3], values: [30, 30, 40, 40] },
      { indices: [4], values: [50, 50] },
    ]);
    expect(await walk(dataset, { batchSize: 3, indices: [4, 0] })).toEqual([
      { indices: [4, 0], values: [50, 50, 10, 10] },
    ]);
    expect(await walk(dataset, { batchSize: 2, indices: [] })).toEqual([]);
    await dataset.close();
  });

  it('keep only a window of samples in flight', async () => {
    const inner = await imagesOf(Array.from({ length: 60 }, (_, i) => i));
    let open = 0;
    let most = 0;
    let consumed = 0;
    let started = 0;
    let furthest = 0;
    const counted: Dataset = {
      ...inner,
      read: async (index) => {
        most = Math.max(most, ++open);
        furthest = Math.max(furthest, ++started - consumed);
        const content = await inner.read(index);
        open--;
        return content;
      },
    };
    for await (const { indices } of batches(counted, [input], preprocessing, { batchSize: 2 }))
      consumed += indices.length;
    expect(consumed).toBe(60);
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(4);
    expect(furthest).toBeLessThanOrEqual(12);
    await inner.close();
  });

  it('stop when the signal fires, and when the caller leaves', async () => {
    const dataset = await imagesOf(Array.from({ length: 30 }, (_, i) => i));
    const controller = new AbortController();
    const run = async (): Promise<void> => {
      for await (const batch of batches(dataset, [input], preprocessing, { batchSize: 1, signal: controller.signal }))
        if (batch.indices[0] === 3) controller.abort();
    };
    await expect(run()).rejects.toMatchObject({ code: 'CANCELLED' });
    for await (const batch of batches(dataset, [input], preprocessing, { batchSize: 1 })) {
      expect(batch.indices).toEqual([0]);
      break;
    }
    await dataset.close();
  });

  it('name the sample that is broken', async () => {
    const entries = [{ name: 'a.png', data: await png({ width: 2, height: 1, pixel: () => [1, 1, 1] }) }];
    const broken = { name: 'broken.png', data: entries[0]!.data.subarray(0, 40) };
    const dataset = await openDataset(file(zip([...entries, broken, { ...entries[0]!, name: 'c.png' }])));
    const error: unknown = await walk(dataset, { batchSize: 2 }).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'IMAGE_MALFORMED' });
    expect((error as Error).message).toContain('broken.png');
    await dataset.close();
  });

  it('stack arrays of several inputs', async () => {
    const x = tensor('float32', [3, 2], Float32Array.of(1, 2, 3, 4, 5, 6));
    const z = tensor('int8', [3], Int8Array.of(7, 8, 9));
    const dataset = await openDataset(
      file(
        zip([
          { name: 'x.npy', data: npy(x) },
          { name: 'z.npy', data: npy(z) },
        ]),
      ),
    );
    const inputs: InputSpec[] = [
      { name: 'z', dtype: 'float32', shape: [1], layout: 'NCHW' },
      { name: 'x', dtype: 'float32', shape: [1, 2], layout: 'NCHW' },
    ];
    const first = (await batches(dataset, inputs, preprocessing, { batchSize: 3 }).next()).value ?? undefined;
    expect(first?.feeds.get('x')).toEqual(tensor('float32', [3, 2], x.data));
    expect(first?.feeds.get('z')).toEqual(tensor('float32', [3], Float32Array.of(7, 8, 9)));
    await dataset.close();
  });
});

describe('splits', () => {
  it('hold out a share of the distinct contents, the same each time, duplicates on one side', async () => {
    const seeds = Array.from({ length: 50 }, (_, i) => i % 40);
    const dataset = await imagesOf(seeds);
    const { calibration, evaluation } = holdOut(dataset, 0.2);
    const contents = (indices: readonly number[]) => new Set(indices.map((index) => seeds[index]));
    expect(contents(evaluation).size).toBe(8);
    expect(contents(calibration).size).toBe(32);
    expect(contents([...calibration, ...evaluation]).size).toBe(40);
    expect([...calibration, ...evaluation].sort((a, b) => a - b)).toEqual(seeds.map((_, index) => index));
    expect(holdOut(await imagesOf(seeds), 0.2)).toEqual({ calibration, evaluation });
    expect(countDuplicates(dataset, calibration) + countDuplicates(dataset, evaluation)).toBe(10);
    // Other names, other order: the same contents are held out.
    const reversed = await imagesOf([...seeds].reverse());
    expect(new Set(holdOut(reversed, 0.2).evaluation.map((index) => [...seeds].reverse()[index]))).toEqual(
      contents(evaluation),
    );
  });

  it('keep at least one sample on each side', async () => {
    expect(holdOut(await imagesOf([1, 2]), 0.2)).toEqual(
      expect.objectContaining({ calibration: [expect.any(Number)], evaluation: [expect.any(Number)] }),
    );
    const same = await imagesOf([1, 1, 1]);
    expect(() => holdOut(same, 0.2)).toThrow(expect.objectContaining({ code: 'DATASET_EMPTY' }));
  });

  it('leave out what the other set has', async () => {
    expect(withoutOverlap(await imagesOf([1, 2, 3, 4]), await imagesOf([9, 3, 1]))).toEqual([1, 3]);
  });
});
