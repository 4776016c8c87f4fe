import { describe, expect, it } from 'vitest';
import { checkLabels, openDataset, type OpenDatasetOptions } from '../../src/data/index.ts';
import { anyPng, file, zip } from './writers.ts';

const images = await Promise.all([0, 1, 2, 3].map(anyPng));

async function labelsOf(names: readonly string[], table?: string | Uint8Array, options: OpenDatasetOptions = {}) {
  const entries = names.map((name, i) => ({ name, data: images[i % 4]! }));
  const data = typeof table === 'string' ? new TextEncoder().encode(table) : table;
  const tables = data === undefined ? [] : [{ name: 'labels.csv', data }];
  const dataset = await openDataset(file(zip([...entries, ...tables])), options);
  await dataset.close();
  return {
    labels: Object.fromEntries(dataset.samples.map(({ name, label }) => [name, label])),
    classNames: dataset.classNames,
    dataset,
  };
}

const refused = { code: 'LABELS_INVALID' };

describe('labels from folders', () => {
  it('takes the index of <index>-<class>', async () => {
    const { labels, classNames } = await labelsOf(['2-cat/a.png', '0-dog-house/b.png']);
    expect(labels).toEqual({ '2-cat/a.png': 2, '0-dog-house/b.png': 0 });
    expect(classNames).toEqual(['dog-house', '1', 'cat']);
  });

  it('takes a bare index, so that a missing class shifts nothing', async () => {
    expect((await labelsOf(['7/a.png', '10/b.png'])).labels).toEqual({ '7/a.png': 7, '10/b.png': 10 });
  });

  it('numbers other folders in the order of their names', async () => {
    const { labels, classNames } = await labelsOf(['x/n02/a.png', 'x/n01/b.png', 'x/n10/c.png']);
    expect(labels).toEqual({ 'x/n02/a.png': 1, 'x/n01/b.png': 0, 'x/n10/c.png': 2 });
    expect(classNames).toEqual(['n01', 'n02', 'n10']);
  });

  it('finds none at the top or in one folder', async () => {
    expect((await labelsOf(['a.png', 'b.png'])).labels).toEqual({ 'a.png': undefined, 'b.png': undefined });
    expect((await labelsOf(['images/a.png'])).labels).toEqual({ 'images/a.png': undefined });
  });

  it.each([
    ['samples beside the class folders', ['0-cat/a.png', 'b.png']],
    ['some folders with an index and some without', ['0-cat/a.png', 'dog/b.png']],
    ['one index for two classes', ['0-cat/a.png', '0-dog/b.png']],
    ['an index beyond any network', ['100000-cat/a.png', '0-dog/b.png']],
  ])('refuses %s', async (_, names) => {
    await expect(labelsOf(names)).rejects.toMatchObject(refused);
  });
});

describe('labels from a table', () => {
  const names = ['a.png', 'b, c.png', 'd/e.png'];

  it('reads quotes, line ends, a byte order mark and no header', async () => {
    const { labels } = await labelsOf(names, '\uFEFF"a.png", 5\r\n"b, c.png",1\r\n\r\nd/e.png,0');
    expect(labels).toEqual({ 'a.png': 5, 'b, c.png': 1, 'd/e.png': 0 });
  });

  it('goes before folder names', async () => {
    const { labels } = await labelsOf(['0-x/a.png', '1-y/b.png'], 'file,label\n0-x/a.png,9\n1-y/b.png,8\n');
    expect(labels).toEqual({ '0-x/a.png': 9, '1-y/b.png': 8 });
  });

  it('looks class names up in those of the network, else in its own', async () => {
    const table = 'file,label\na.png,dog\n"b, c.png",cat\nd/e.png,dog\n';
    expect((await labelsOf(names, table)).labels).toEqual({ 'a.png': 1, 'b, c.png': 0, 'd/e.png': 1 });
    const classNames = ['bird', 'dog', 'fish', 'cat'];
    expect((await labelsOf(names, table, { classNames })).labels).toEqual({ 'a.png': 1, 'b, c.png': 3, 'd/e.png': 1 });
  });

  it('is replaced by the one the caller gives', async () => {
    const labels = 'file,label\na.png,3\n"b, c.png",3\nd/e.png,3\n';
    expect((await labelsOf(names, 'nonsense', { labels })).labels).toEqual({ 'a.png': 3, 'b, c.png': 3, 'd/e.png': 3 });
  });

  it.each([
    ['an unknown file', 'file,label\nz.png,1\n', 'line 2'],
    ['samples without a label', 'file,label\na.png,1\n', "'b, c.png'"],
    ['two labels for one file', 'file,label\na.png,1\na.png,2\n', "'1' and '2'"],
    ['three columns', 'file,label\na.png,1,2\n', 'a.png,1,2'],
    ['one column', 'file,label\na.png\n', 'file,label'],
    ['an empty label', 'file,label\na.png,\n', 'line 2'],
    ['broken quotes', '"a.png,1\n', 'quotes'],
    ['a label beyond any network', 'file,label\na.png,123456\n"b, c.png",1\nd/e.png,1', '123456'],
    ['an empty table', '', '3 of 3'],
  ])('refuses %s', async (_, table, says) => {
    const error: unknown = await labelsOf(names, table).catch((caught: unknown) => caught);
    expect(error).toMatchObject(refused);
    expect((error as Error).message).toContain(says);
  });

  it('refuses a name or an index that the network does not have', async () => {
    const classNames = ['cat', 'dog'];
    await expect(labelsOf(['a.png'], 'a.png,cow', { classNames })).rejects.toMatchObject(refused);
    await expect(labelsOf(['a.png'], 'a.png,2', { classNames })).rejects.toMatchObject(refused);
  });

  it('refuses a table that is not UTF-8', async () => {
    await expect(labelsOf(['a.png'], Uint8Array.of(0x61, 0x2c, 0xe9, 0xfe))).rejects.toMatchObject(refused);
  });

  it('refuses two tables', async () => {
    const table = new TextEncoder().encode('a.png,1');
    const entries = ['labels.csv', 'x/labels.csv'].map((name) => ({ name, data: table }));
    const bytes = zip([{ name: 'a.png', data: images[0]! }, ...entries]);
    await expect(openDataset(file(bytes))).rejects.toMatchObject(refused);
  });
});

describe('checkLabels', () => {
  it('refuses a class the network does not have', async () => {
    const { dataset } = await labelsOf(['9-x/a.png', '0-y/b.png']);
    expect(() => checkLabels(dataset, 10)).not.toThrow();
    expect(() => checkLabels(dataset, 9)).toThrow(expect.objectContaining(refused));
  });
});
