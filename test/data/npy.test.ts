import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError, type ErrorCode } from '../../src/base/index.ts';
import { loadSample, openDataset, preprocessingSchema, type Dataset, type InputSpec } from '../../src/data/index.ts';
import { tensor, type Dtype, type Tensor } from '../../src/tensor/index.ts';
import { file, npy, zip, type NpyLies } from './writers.ts';

const preprocessing = preprocessingSchema.parse({});

function input(shape: readonly number[], dtype: InputSpec['dtype'] = 'float32'): InputSpec {
  return { name: 'x', dtype, shape, layout: 'NCHW' };
}

async function using<T>(bytes: Uint8Array, use: (dataset: Dataset) => Promise<T>): Promise<T> {
  const dataset = await openDataset(file(bytes));
  try {
    return await use(dataset);
  } finally {
    await dataset.close();
  }
}

const numbers = [3, 0, 1, 100, 7, 42, 5, 6, 9, 11, 2, 8];

function filled(dtype: Dtype, shape: readonly number[]): Tensor {
  const made = tensor(dtype, shape) as Tensor;
  for (let i = 0; i < made.data.length; i++) {
    const value = dtype === 'bool' ? i % 2 : numbers[i % numbers.length]!;
    if (made.data instanceof BigInt64Array || made.data instanceof BigUint64Array) made.data[i] = BigInt(value);
    else made.data[i] = value;
  }
  return made;
}

const dtypes: readonly Dtype[] = [
  'float16',
  'float32',
  'float64',
  'int8',
  'uint8',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'uint64',
  'bool',
];

describe('npy', () => {
  it.each(dtypes.flatMap((dtype) => (['C', 'Fortran'] as const).map((order) => ({ dtype, order }))))(
    'reads $dtype in $order order, the first axis being the samples',
    async ({ dtype, order }) => {
      const whole = filled(dtype, [3, 2, 2]);
      await using(npy(whole, { order }), async (dataset) => {
        expect(dataset.samples.map(({ name }) => name)).toEqual(['#0', '#1', '#2']);
        for (let index = 0; index < 3; index++) {
          const sample = await loadSample(dataset, index, [input([1, 2, 2])], preprocessing);
          expect(sample.get('x')).toEqual(
            tensor('float32', [1, 2, 2], Float32Array.from(whole.data.slice(index * 4, index * 4 + 4), Number)),
          );
        }
      });
    },
  );

  it('reads any shape in Fortran order as it does in C order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }), async (shape) => {
        const whole = tensor('int16', shape) as Tensor;
        for (let i = 0; i < whole.data.length; i++) (whole.data as Int16Array)[i] = i;
        const rows = (bytes: Uint8Array) =>
          using(bytes, async (dataset) => Promise.all(dataset.samples.map((_, index) => dataset.read(index))));
        expect(await rows(npy(whole, { order: 'Fortran' }))).toEqual(await rows(npy(whole)));
      }),
      { numRuns: 60 },
    );
  });

  it.each([1, 2, 3] as const)('reads format version %i', async (version) => {
    const count = await using(npy(filled('uint8', [5, 2]), { version }), async (dataset) => dataset.samples.length);
    expect(count).toBe(5);
  });

  it('gives equal samples equal hashes, and different ones different hashes', async () => {
    const data = Float32Array.of(1, 2, 1, 2, 1, 3);
    const hashes = await using(npy(tensor('float32', [3, 2], data)), async (dataset) =>
      dataset.samples.map(({ contentHash }) => contentHash),
    );
    expect(hashes[0]).toBe(hashes[1]);
    expect(hashes[0]).not.toBe(hashes[2]);
  });

  it('leaves no temporary file behind', async () => {
    const before = readdirSync(tmpdir()).filter((name) => name.startsWith('octet-array-'));
    await using(npy(filled('float32', [3, 2]), { order: 'Fortran' }), async (dataset) => {
      expect(readdirSync(tmpdir()).filter((name) => name.startsWith('octet-array-'))).toEqual(before);
      expect((await dataset.read(2)).kind).toBe('tensors');
    });
  });
});

describe('npz', () => {
  it.each(['stored', 'deflated'] as const)('takes input names from %s array names, and labels', async (method) => {
    const bytes = zip([
      { name: 'x.npy', data: npy(filled('float32', [2, 3])), method },
      { name: 'z.npy', data: npy(filled('int8', [2, 1])), method },
      { name: 'labels.npy', data: npy(tensor('int64', [2], BigInt64Array.of(7n, 1n))), method },
    ]);
    await using(bytes, async (dataset) => {
      expect(dataset.samples.map(({ label }) => label)).toEqual([7, 1]);
      const inputs = [input([1, 3]), { ...input([1, 1]), name: 'z' }];
      const sample = await loadSample(dataset, 1, inputs, preprocessing);
      expect(sample.get('x')?.data).toEqual(Float32Array.of(100, 7, 42));
      expect(sample.get('z')?.data).toEqual(Float32Array.of(0));
    });
  });

  it('takes a single array under any name', async () => {
    await using(zip([{ name: 'arr_0.npy', data: npy(filled('uint8', [2, 3])) }]), async (dataset) => {
      const sample = await loadSample(dataset, 0, [input([1, 3], 'uint8')], preprocessing);
      expect(sample.get('x')).toEqual(tensor('uint8', [1, 3], Uint8Array.of(3, 0, 1)));
    });
  });

  it('takes one sample a folder, with a table of labels', async () => {
    const bytes = zip([
      { name: 'b/x.npy', data: npy(filled('float32', [3])) },
      { name: 'b/z.npy', data: npy(filled('float32', [1])) },
      { name: 'a/x.npy', data: npy(filled('float32', [1, 3])) },
      { name: 'a/z.npy', data: npy(filled('float32', [1])) },
      { name: 'labels.csv', data: new TextEncoder().encode('file,label\nb,4\na,2\n') },
    ]);
    await using(bytes, async (dataset) => {
      expect(dataset.samples.map(({ name, label }) => [name, label])).toEqual([
        ['a', 2],
        ['b', 4],
      ]);
      const inputs = [input([1, 3]), { ...input([1]), name: 'z' }];
      for (const index of [0, 1])
        expect((await loadSample(dataset, index, inputs, preprocessing)).get('x')?.data).toEqual(
          Float32Array.of(3, 0, 1),
        );
    });
  });
});

describe('samples that do not fit', () => {
  const refusal = async (bytes: Uint8Array, spec: InputSpec): Promise<unknown> =>
    using(bytes, (dataset) => loadSample(dataset, 0, [spec], preprocessing).catch((error: unknown) => error));

  it('names shape and input', async () => {
    const error = await refusal(npy(filled('float32', [2, 3])), input([1, 4]));
    expect(error).toMatchObject({ code: 'SAMPLE_MISMATCH' });
    expect((error as Error).message).toContain('[3]');
    expect((error as Error).message).toContain('[4]');
  });

  it('refuses values that are not finite, whatever the element type', async () => {
    for (const value of [NaN, Infinity, -Infinity])
      expect(await refusal(npy(tensor('float32', [1, 2], Float32Array.of(0, value))), input([1, 2]))).toMatchObject({
        code: 'SAMPLE_NOT_FINITE',
      });
    // Finite as float64, not as float32.
    expect(await refusal(npy(tensor('float64', [1, 1], Float64Array.of(1e300))), input([1, 1]))).toMatchObject({
      code: 'SAMPLE_NOT_FINITE',
    });
  });

  it('feeds a uint8 input only uint8', async () => {
    expect(await refusal(npy(filled('int16', [2, 3])), input([1, 3], 'uint8'))).toMatchObject({
      code: 'SAMPLE_MISMATCH',
    });
  });

  it('names an input that has no array', async () => {
    const bytes = zip([
      { name: 'p.npy', data: npy(filled('float32', [2, 3])) },
      { name: 'q.npy', data: npy(filled('float32', [2, 3])) },
    ]);
    const error = await refusal(bytes, input([1, 3]));
    expect(error).toMatchObject({ code: 'SAMPLE_MISMATCH' });
    expect((error as Error).message).toContain("'p', 'q'");
  });
});

const whole = filled('float32', [2, 3]);

interface Broken {
  readonly what: string;
  readonly lies: NpyLies;
  readonly code?: ErrorCode;
}

const broken: readonly Broken[] = [
  { what: 'more rows than it has', lies: { shape: '(3, 3)' } },
  { what: 'fewer rows than it has', lies: { shape: '(1, 3)' } },
  { what: 'Python objects', lies: { descr: '|O' } },
  { what: 'big-endian numbers', lies: { descr: '>f4' } },
  { what: 'complex numbers', lies: { descr: '<c8' } },
  { what: 'a structure', lies: { header: "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2, 3), }" } },
  { what: 'a negative dimension', lies: { shape: '(-2, 3)' } },
  { what: 'a dimension that is not a number', lies: { shape: '(2 3, 3)' } },
  { what: 'nine dimensions', lies: { shape: '(1, 1, 1, 1, 1, 1, 1, 2, 3)' } },
  { what: 'code for a header', lies: { header: '__import__("os").system("true")' } },
  { what: 'no shape', lies: { header: "{'descr': '<f4', 'fortran_order': False}" } },
  { what: 'an endless header', lies: { version: 2, header: `{'descr': '<f4', ${' '.repeat(70_000)}}` } },
  { what: 'a product beyond 2^53', lies: { shape: '(1000000000, 1000000000, 1000)' }, code: 'DATASET_TOO_LARGE' },
  { what: 'no samples', lies: { shape: '(0, 3)' } },
  { what: 'a single number', lies: { shape: '()' } },
];

describe('broken arrays', () => {
  it.each(broken)('$what', async ({ lies, code = 'DATASET_MALFORMED' }) => {
    const error: unknown = await openDataset(file(npy(whole, lies))).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(AppError);
    expect(error).toMatchObject({ code });
  });

  it('refuses an array that holds no samples', async () => {
    await expect(openDataset(file(npy(tensor('float32', [0, 3]))))).rejects.toMatchObject({ code: 'DATASET_EMPTY' });
    await expect(openDataset(file(npy(tensor('float32', []))))).rejects.toMatchObject({ code: 'DATASET_MALFORMED' });
  });

  it('refuses every truncation', async () => {
    const bytes = npy(whole);
    for (let length = 0; length < bytes.length; length++)
      await expect(openDataset(file(bytes.subarray(0, length)))).rejects.toMatchObject({ code: 'DATASET_MALFORMED' });
  });

  it('survives any flipped byte', async () => {
    const bytes = npy(whole);
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const flipped = Buffer.from(bytes);
        flipped[at] = flipped[at]! ^ flip;
        const opened: unknown = await openDataset(file(flipped)).catch((caught: unknown) => caught);
        if (opened instanceof Error) expect(opened).toBeInstanceOf(AppError);
        else await (opened as Dataset).close();
      }),
      { numRuns: 300 },
    );
  });
});
