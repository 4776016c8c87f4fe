import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError, type ErrorCode } from '../../src/base/index.ts';
import { openDataset, type DatasetLimits, type OpenDatasetOptions } from '../../src/data/index.ts';
import { tensor } from '../../src/tensor/index.ts';
import { anyPng, file, folderOfTest, npy, zip, type ZipSource } from './writers.ts';

const image = await anyPng(1);
const other = await anyPng(2);
const text = (content: string): Uint8Array => new TextEncoder().encode(content);

async function open(bytes: Uint8Array, options: OpenDatasetOptions = {}) {
  const dataset = await openDataset(file(bytes), options);
  await dataset.close();
  return dataset;
}

describe('a zip of images', () => {
  it('gives each image with its label and hash, hidden files and texts aside', async () => {
    const dataset = await open(
      zip([
        { name: 'set/3-cat/b.png', data: other, method: 'deflated' },
        { name: 'set/0-dog/a.png', data: image },
        { name: 'set/', data: new Uint8Array(0) },
        { name: '__MACOSX/set/._a.png', data: text('fork') },
        { name: 'set/.DS_Store', data: text('x') },
        { name: 'set/LICENSE', data: text('free') },
      ]),
    );
    expect(dataset.format).toBe('zip');
    expect(dataset.samples.map(({ name, label }) => [name, label])).toEqual([
      ['set/0-dog/a.png', 0],
      ['set/3-cat/b.png', 3],
    ]);
    expect(dataset.classNames).toEqual(['dog', '1', '2', 'cat']);
    expect(dataset.ignored).toEqual(['set/LICENSE']);
    expect(new Set(dataset.samples.map((sample) => sample.contentHash)).size).toBe(2);
  });

  it('reads contents again in any order, at the same time', async () => {
    const dataset = await openDataset(
      file(
        zip([
          { name: 'a.png', data: image, method: 'deflated' },
          { name: 'b.png', data: other },
        ]),
      ),
    );
    const contents = await Promise.all([1, 0, 1].map((index) => dataset.read(index)));
    expect(contents).toEqual([other, image, other].map((bytes) => ({ kind: 'image', bytes })));
    await dataset.close();
  });

  it('tells the kind from the content, not from the name', async () => {
    const dataset = await open(zip([{ name: 'a.txt', data: image }]));
    expect(dataset.samples.map(({ name }) => name)).toEqual(['a.txt']);
  });

  it('stops when the signal has fired', async () => {
    const signal = AbortSignal.abort();
    await expect(open(zip([{ name: 'a.png', data: image }]), { signal })).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});

describe('a folder', () => {
  it('is read like a zip of the same files', async () => {
    const root = folderOfTest();
    mkdirSync(join(root, '1-one'));
    mkdirSync(join(root, '0-zero'));
    mkdirSync(join(root, '.git'));
    writeFileSync(join(root, '1-one/a.png'), image);
    writeFileSync(join(root, '0-zero/b.png'), other);
    writeFileSync(join(root, '.git/c.png'), other);
    const dataset = await openDataset(root);
    const zipped = await open(
      zip([
        { name: '1-one/a.png', data: image },
        { name: '0-zero/b.png', data: other },
      ]),
    );
    expect(dataset.samples).toEqual(zipped.samples);
    expect(dataset.format).toBe('folder');
    await dataset.close();
  });

  it('refuses links that lead out of it', async () => {
    const root = folderOfTest();
    symlinkSync(file(image), join(root, 'a.png'));
    await expect(openDataset(root)).rejects.toMatchObject({ code: 'ARCHIVE_PATH_UNSAFE' });
  });
});

const zeros = new Uint8Array(8_000_000);
const good: ZipSource = { name: 'good.png', data: image };
const truncated = (bytes: Buffer, length: number): Buffer => bytes.subarray(0, length);
const whole = zip([good, { name: 'second.png', data: other, method: 'deflated' }]);

interface Hostile {
  readonly what: string;
  readonly bytes: Uint8Array;
  readonly code: ErrorCode;
  /** What the sentence must name. */
  readonly names: string;
  readonly limits?: Partial<DatasetLimits>;
  readonly format?: OpenDatasetOptions['format'];
}

const tensorZip = (names: readonly string[], first: Uint8Array): Buffer =>
  zip(names.map((name, i) => ({ name, data: i === 0 ? first : npy(tensor('float32', [2, 3])) })));

const hostile: readonly Hostile[] = [
  {
    what: 'traversal',
    bytes: zip([{ name: '../x.png', data: image }]),
    code: 'ARCHIVE_PATH_UNSAFE',
    names: '../x.png',
  },
  {
    what: 'inner traversal',
    bytes: zip([{ name: 'a/../../x.png', data: image }]),
    code: 'ARCHIVE_PATH_UNSAFE',
    names: 'leads out',
  },
  {
    what: 'absolute path',
    bytes: zip([{ name: '/etc/x.png', data: image }]),
    code: 'ARCHIVE_PATH_UNSAFE',
    names: '/etc/x.png',
  },
  {
    what: 'drive letter',
    bytes: zip([{ name: 'C:x.png', data: image }]),
    code: 'ARCHIVE_PATH_UNSAFE',
    names: 'C:x.png',
  },
  {
    what: 'backslash',
    bytes: zip([{ name: '..\\x.png', data: image }]),
    code: 'ARCHIVE_PATH_UNSAFE',
    names: 'backslash',
  },
  {
    what: 'NUL in a name',
    bytes: zip([{ name: 'a.png\0.txt', data: image }]),
    code: 'ARCHIVE_PATH_UNSAFE',
    names: 'control characters',
  },
  { what: 'empty name', bytes: zip([{ name: '', data: image }]), code: 'ARCHIVE_PATH_UNSAFE', names: 'empty name' },
  {
    what: 'endless name',
    bytes: zip([{ name: 'a'.repeat(5_000), data: image }]),
    code: 'ARCHIVE_PATH_UNSAFE',
    names: '5000',
  },
  {
    what: 'symbolic link',
    bytes: zip([{ name: 'a.png', data: text('/etc/passwd'), unixMode: 0o120777 }]),
    code: 'ARCHIVE_PATH_UNSAFE',
    names: 'a.png',
  },
  {
    what: 'deflate bomb',
    bytes: zip([{ name: 'bomb.png', data: zeros, method: 'deflated' }]),
    code: 'ARCHIVE_BOMB',
    names: 'bomb.png',
  },
  {
    what: 'bomb that declares little',
    bytes: zip([{ name: 'bomb.png', data: zeros, method: 'deflated', declaredSize: 10 }]),
    code: 'DATASET_MALFORMED',
    names: 'bomb.png',
  },
  {
    what: 'overlapping entries',
    bytes: zip([
      { name: 'a.png', data: image },
      ...Array.from({ length: 9 }, (_, i) => ({ name: `${i}.png`, data: image, sameContentAs: 0 })),
    ]),
    code: 'ARCHIVE_BOMB',
    names: 'overlap',
  },
  {
    what: 'too many entries',
    bytes: zip([good, { name: 'b.png', data: other }]),
    limits: { entries: 1 },
    code: 'DATASET_TOO_LARGE',
    names: '2 entries',
  },
  {
    what: 'too many bytes',
    bytes: zip([good]),
    limits: { totalBytes: 50 },
    code: 'DATASET_TOO_LARGE',
    names: '50 bytes',
  },
  {
    what: 'too large an image',
    bytes: zip([good]),
    limits: { entryBytes: 50 },
    code: 'DATASET_TOO_LARGE',
    names: 'good.png',
  },
  {
    what: 'archive in the archive',
    bytes: zip([{ name: 'inner.zip', data: whole }]),
    code: 'DATASET_MALFORMED',
    names: 'inner.zip',
  },
  {
    what: 'gzip in the archive',
    bytes: zip([{ name: 'a.png', data: Uint8Array.of(0x1f, 0x8b, 8, 0) }]),
    code: 'DATASET_MALFORMED',
    names: 'gzip',
  },
  { what: 'wrong CRC', bytes: zip([{ ...good, crc: 1 }]), code: 'DATASET_MALFORMED', names: 'CRC-32' },
  {
    what: 'more than declared',
    bytes: zip([{ ...good, method: 'deflated', declaredSize: 5 }]),
    code: 'DATASET_MALFORMED',
    names: '5 bytes',
  },
  {
    what: 'less than declared',
    bytes: zip([{ ...good, method: 'deflated', declaredSize: 5_000 }]),
    code: 'DATASET_MALFORMED',
    names: '5000 bytes',
  },
  {
    what: 'stored size that lies',
    bytes: zip([{ ...good, declaredSize: 5 }]),
    code: 'DATASET_MALFORMED',
    names: 'stored in',
  },
  {
    what: 'broken deflate stream',
    bytes: zip([{ ...good, methodCode: 8 }]),
    code: 'DATASET_MALFORMED',
    names: 'good.png',
  },
  { what: 'encrypted', bytes: zip([{ ...good, flags: 1 }]), code: 'DATASET_MALFORMED', names: 'encrypted' },
  {
    what: 'unknown method',
    bytes: zip([{ ...good, methodCode: 12, method: 'stored' }]),
    code: 'DATASET_MALFORMED',
    names: 'method 12',
  },
  { what: 'the same name twice', bytes: zip([good, good]), code: 'DATASET_MALFORMED', names: 'twice' },
  { what: 'entry count that lies', bytes: zip([good], { entryCount: 7 }), code: 'DATASET_MALFORMED', names: 'archive' },
  {
    what: 'truncated in the directory',
    bytes: truncated(whole, whole.length - 30),
    code: 'DATASET_MALFORMED',
    names: 'archive',
  },
  { what: 'truncated in a content', bytes: truncated(whole, 60), code: 'DATASET_MALFORMED', names: 'archive' },
  { what: 'empty zip', bytes: zip([]), code: 'DATASET_EMPTY', names: 'no samples' },
  {
    what: 'only hidden files',
    bytes: zip([{ name: '.hidden.png', data: image }]),
    code: 'DATASET_EMPTY',
    names: 'no samples',
  },
  {
    what: 'only texts',
    bytes: zip([{ name: 'readme.md', data: text('hello') }]),
    code: 'DATASET_EMPTY',
    names: 'no samples',
  },
  {
    what: 'text called an image',
    bytes: zip([{ name: 'a.jpg', data: text('hello') }]),
    code: 'IMAGE_MALFORMED',
    names: 'a.jpg',
  },
  {
    what: 'empty image',
    bytes: zip([{ name: 'a.png', data: new Uint8Array(0) }]),
    code: 'IMAGE_MALFORMED',
    names: 'a.png',
  },
  {
    what: 'SVG',
    bytes: zip([{ name: 'a.png', data: text('<svg xmlns="http://www.w3.org/2000/svg"/>') }]),
    code: 'IMAGE_MALFORMED',
    names: 'a.png',
  },
  {
    what: 'unknown binary',
    bytes: zip([good, { name: 'run.bin', data: Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, 1) }]),
    code: 'DATASET_MALFORMED',
    names: 'run.bin',
  },
  {
    what: 'images and arrays',
    bytes: zip([good, { name: 'a.npy', data: npy(tensor('float32', [2])) }]),
    code: 'DATASET_MALFORMED',
    names: 'mixes',
  },
  { what: 'a text as the data set', bytes: text('file,label\n'), code: 'DATASET_MALFORMED', names: 'text' },
  {
    what: 'a tar.gz as the data set',
    bytes: Uint8Array.of(0x1f, 0x8b, 8, 0),
    code: 'DATASET_MALFORMED',
    names: 'gzip',
  },
  { what: 'an empty file', bytes: new Uint8Array(0), code: 'DATASET_MALFORMED', names: 'empty' },
  { what: 'one image as the data set', bytes: image, code: 'DATASET_MALFORMED', names: 'png image' },
  { what: 'another format than declared', bytes: zip([good]), format: 'npy', code: 'DATASET_MALFORMED', names: 'npy' },
  {
    what: 'arrays of different counts',
    bytes: tensorZip(['a.npy', 'b.npy'], npy(tensor('float32', [3, 3]))),
    code: 'DATASET_MALFORMED',
    names: 'number of samples',
  },
  {
    what: 'labels of another count',
    bytes: tensorZip(['labels.npy', 'x.npy'], npy(tensor('int64', [3]))),
    code: 'LABELS_INVALID',
    names: '3 labels for 2',
  },
  {
    what: 'labels of two axes',
    bytes: tensorZip(['labels.npy', 'x.npy'], npy(tensor('int64', [2, 1]))),
    code: 'LABELS_INVALID',
    names: '[2, 1]',
  },
  {
    what: 'fractional labels',
    bytes: tensorZip(['y.npy', 'x.npy'], npy(tensor('float32', [2], Float32Array.of(0, 0.5)))),
    code: 'LABELS_INVALID',
    names: '0.5',
  },
  {
    what: 'negative labels',
    bytes: tensorZip(['y.npy', 'x.npy'], npy(tensor('int64', [2], BigInt64Array.of(0n, -1n)))),
    code: 'LABELS_INVALID',
    names: '-1',
  },
  {
    what: 'arrays at the top and in folders',
    bytes: tensorZip(['a/x.npy', 'y.npy'], npy(tensor('float32', [2]))),
    code: 'DATASET_MALFORMED',
    names: 'a/x.npy',
  },
];

describe('hostile archives', () => {
  it.each(hostile)('$what: $code', async ({ bytes, code, names, limits, format }) => {
    const error: unknown = await open(bytes, { limits, format }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(AppError);
    expect(error).toMatchObject({ code });
    expect((error as AppError).message).toContain(names);
  });

  it('survives any truncation and any flipped byte', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.nat(254), fc.boolean(), async (at, flip, cut) => {
        const bytes = Buffer.from(whole);
        bytes[at] = bytes[at]! ^ (flip + 1);
        const error: unknown = await open(cut ? bytes.subarray(0, at) : bytes).catch((caught: unknown) => caught);
        // A flipped bit in a name or an unread field harms nothing.
        if (error instanceof Error) expect(error).toBeInstanceOf(AppError);
      }),
      { numRuns: 300 },
    );
  });
});
