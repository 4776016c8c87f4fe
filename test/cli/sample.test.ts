import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import * as yauzl from 'yauzl';
import { encodeDigit, readDigits, readDigitsModel, zipDigits } from '../../src/cli/sample/digits.ts';
import { writeZip } from '../../src/cli/sample/zip.ts';

/** The part of yauzl that reads a buffer. */
interface ZipReader {
  fromBufferPromise(
    bytes: Buffer,
    options: { validateEntrySizes: boolean },
  ): Promise<{
    eachEntry(): AsyncIterable<{ readonly fileName: string }>;
    openReadStreamPromise(entry: { readonly fileName: string }): Promise<AsyncIterable<Buffer>>;
  }>;
}

async function unzip(bytes: Uint8Array): Promise<Map<string, Buffer>> {
  const entries = new Map<string, Buffer>();
  const reader = yauzl as unknown as ZipReader;
  const archive = await reader.fromBufferPromise(Buffer.from(bytes), { validateEntrySizes: true });
  for await (const entry of archive.eachEntry()) {
    const chunks: Buffer[] = [];
    for await (const chunk of await archive.openReadStreamPromise(entry)) chunks.push(chunk);
    entries.set(entry.fileName, Buffer.concat(chunks));
  }
  return entries;
}

describe('the sample', () => {
  it('ships the network that was trained for it', async () => {
    const bytes = await readDigitsModel();
    expect(createHash('sha256').update(bytes).digest('hex')).toMatchInlineSnapshot(
      `"45b9dca71227e6e7285495b066b9e567487402bd95d51fa25f9b21ae7bc35d16"`,
    );
  });

  it('reads digits with their labels', async () => {
    const digits = await readDigits('test', { first: 0, count: 5 });
    expect(digits.map(({ label }) => label)).toEqual([7, 2, 1, 0, 4]);
    const later = await readDigits('test', { first: 3, count: 1 });
    expect(later[0]).toEqual(digits[3]);
  });

  it('refuses images beyond the end', async () => {
    await expect(readDigits('test', { first: 9_999, count: 2 })).rejects.toThrow(/ends before byte/);
  });

  it('encodes PNG that an independent decoder reads back', async () => {
    for (const digit of await readDigits('training', { first: 100, count: 20 })) {
      const { data, info } = await sharp(encodeDigit(digit))
        .toColourspace('b-w')
        .raw()
        .toBuffer({ resolveWithObject: true });
      expect(info).toMatchObject({ width: 28, height: 28, channels: 1 });
      expect(new Uint8Array(data)).toEqual(digit.pixels);
    }
  });

  it('zips a folder a class', async () => {
    const digits = await readDigits('test', { first: 0, count: 12 });
    const entries = await unzip(zipDigits(digits));
    expect([...entries.keys()].slice(0, 2)).toEqual(['7/00000.png', '2/00001.png']);
    expect([...entries.values()][3]).toEqual(Buffer.from(encodeDigit(digits[3]!)));
  });

  it('writes zip archives with any name and any length', async () => {
    const given = new Map([
      ['Ziffern/größe.bin', Buffer.from([1, 2, 3])],
      ['empty', Buffer.alloc(0)],
    ]);
    const zip = writeZip([...given].map(([name, bytes]) => ({ name, bytes })));
    expect(await unzip(zip)).toEqual(given);
  });
});
