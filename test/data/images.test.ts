import fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../src/base/index.ts';
import {
  affineTable,
  checkPreprocessing,
  loadSample,
  openDataset,
  pixelsOf,
  preprocessImage,
  preprocessingSchema,
  type InputSpec,
} from '../../src/data/index.ts';
import { tensorOf } from '../../src/tensor/index.ts';
import { file, png, rawRgb, zip, type Rgb } from './writers.ts';

type Options = Parameters<typeof preprocessingSchema.parse>[0];

const spec = (shape: readonly number[], layout: InputSpec['layout'] = 'NCHW'): InputSpec => ({
  name: 'x',
  dtype: 'float32',
  shape,
  layout,
});
const parse = (options: Options) => preprocessingSchema.parse(options);

async function pixels(bytes: Uint8Array, shape: readonly number[], options: Options = {}) {
  return Array.from((await pixelsOf(bytes, spec(shape), parse(options))).data);
}

/** Every pixel has its own colour: red counts columns, green rows. */
const grid = (width: number, height: number): Rgb => ({ width, height, pixel: (x, y) => [x * 10, y * 10, 200] });

const twoByTwo = await png({ width: 2, height: 2, pixel: (x, y) => [x * 100, y * 50, 7] });

describe('the affine step', () => {
  it('is (x · scale − mean) / std per channel, rounded once to float32', async () => {
    const options = parse({ scale: 0.5, mean: [1, 2, 3], std: [2, 4, 8] });
    const y = tensorOf(await preprocessImage(twoByTwo, spec([1, 3, 2, 2]), options));
    const expected = [
      [0, 100, 0, 100].map((x) => (x * 0.5 - 1) / 2),
      [0, 0, 50, 50].map((x) => (x * 0.5 - 2) / 4),
      [7, 7, 7, 7].map((x) => (x * 0.5 - 3) / 8),
    ];
    expect(y).toEqual({ dtype: 'float32', shape: [1, 3, 2, 2], data: Float32Array.from(expected.flat()) });
  });

  it('goes to NHWC by the same numbers', async () => {
    const options = parse({ mean: [1, 2, 3] });
    const nchw = tensorOf(await preprocessImage(twoByTwo, spec([1, 3, 2, 2]), options)).data;
    const nhwc = tensorOf(await preprocessImage(twoByTwo, spec([1, 2, 2, 3], 'NHWC'), options)).data;
    for (let channel = 0; channel < 3; channel++)
      for (let pixel = 0; pixel < 4; pixel++) expect(nhwc[pixel * 3 + channel]).toBe(nchw[channel * 4 + pixel]);
  });

  it('is a table of 256 values a channel', () => {
    const table = affineTable(parse({ mean: [0, 1, 2] }), 3);
    expect(table.length).toBe(768);
    expect(table[2 * 256 + 255]).toBe(-1);
  });

  it('keeps a network of uint8 on pixels', async () => {
    const dataset = await openDataset(file(zip([{ name: 'a.png', data: twoByTwo }])));
    const sample = await loadSample(dataset, 0, [{ ...spec([1, 3, 2, 2]), dtype: 'uint8' }], parse({ mean: 9 }));
    expect(sample.get('x')?.data).toEqual(Uint8Array.of(0, 100, 0, 100, 0, 0, 50, 50, 7, 7, 7, 7));
    await dataset.close();
  });
});

describe('colour', () => {
  it('reverses channels for bgr', async () => {
    expect(await pixels(twoByTwo, [1, 3, 2, 2], { color: 'bgr' })).toEqual([7, 0, 0, 7, 0, 100, 7, 50, 0, 7, 50, 100]);
  });

  it('takes BT.601 luma for gray, on one channel or three', async () => {
    const gray = [0, 100]
      .flatMap((red) => [[red, 0]])
      .concat([
        [0, 50],
        [100, 50],
      ]);
    const luma = gray.map(([red = 0, green = 0]) => Math.round(0.299 * red + 0.587 * green + 0.114 * 7));
    expect(await pixels(twoByTwo, [1, 1, 2, 2], { color: 'gray' })).toEqual(luma);
    expect(await pixels(twoByTwo, [1, 1, 2, 2])).toEqual(luma);
    expect(await pixels(twoByTwo, [1, 3, 2, 2], { color: 'gray' })).toEqual(luma.flatMap((y) => [y, y, y]));
  });

  it('keeps gray images as they are', async () => {
    const levels = Uint8Array.from({ length: 256 }, (_, i) => i);
    const bytes = await sharp(levels, { raw: { width: 16, height: 16, channels: 1 } })
      .png()
      .toBuffer();
    expect(await pixels(bytes, [1, 1, 16, 16])).toEqual([...levels]);
  });

  it('makes plain RGB of alpha, palettes, CMYK and 16 bits', async () => {
    const rgba = await sharp(Uint8Array.of(10, 20, 30, 128, 40, 50, 60, 255), {
      raw: { width: 2, height: 1, channels: 4 },
    })
      .png()
      .toBuffer();
    expect(await pixels(rgba, [1, 3, 1, 2])).toEqual([10, 20, 30, 40, 50, 60]);
    const raw = sharp(rawRgb(grid(2, 1)), { raw: { width: 2, height: 1, channels: 3 } });
    expect(await pixels(await raw.clone().png({ palette: true }).toBuffer(), [1, 3, 1, 2])).toEqual([
      0, 0, 200, 10, 0, 200,
    ]);
    const white = { create: { width: 2, height: 1, channels: 3 as const, background: 'white' } };
    const cmyk = await sharp(white).toColourspace('cmyk').jpeg().toBuffer();
    expect((await sharp(cmyk).metadata()).space).toBe('cmyk');
    for (const value of await pixels(cmyk, [1, 3, 1, 2])) expect(value).toBeGreaterThan(250);
    const deep = await sharp(white).toColourspace('rgb16').png().toBuffer();
    expect(await pixels(deep, [1, 3, 1, 2])).toEqual([255, 255, 255, 255, 255, 255]);
  });
});

describe('geometry', () => {
  it('applies EXIF rotation before anything else', async () => {
    const { width, height } = grid(3, 2);
    const image = sharp(rawRgb(grid(3, 2)), { raw: { width, height, channels: 3 } });
    const turned = await image.withMetadata({ orientation: 6 }).png().toBuffer();
    // Orientation 6: the top row is shown as the right column.
    expect(await pixels(turned, [1, 3, 3, 2])).toEqual(
      [
        [0, 10, 200],
        [0, 0, 200],
        [10, 10, 200],
        [10, 0, 200],
        [20, 10, 200],
        [20, 0, 200],
      ].flat(),
    );
  });

  it('crops in the middle, rounding down', async () => {
    const bytes = await png(grid(5, 4));
    const cut = await pixels(bytes, [1, 3, 2, 2], { crop: { width: 2, height: 2 } });
    expect(cut.filter((_, i) => i % 3 === 0)).toEqual([10, 20, 10, 20]);
    expect(cut.filter((_, i) => i % 3 === 1)).toEqual([10, 10, 20, 20]);
  });

  it('fills a crop beyond the image with black', async () => {
    const bytes = await png(grid(2, 2));
    const cut = await pixels(bytes, [1, 3, 2, 4], { crop: { width: 4, height: 2 } });
    expect(cut.filter((_, i) => i % 3 === 2)).toEqual([0, 200, 200, 0, 0, 200, 200, 0]);
  });

  it('resizes the short side and keeps the aspect, then the centre', async () => {
    const bytes = await png({ width: 40, height: 20, pixel: (x) => [x < 20 ? 0 : 250, 0, 0] });
    const cut = await pixels(bytes, [1, 3, 10, 10], { resize: { shortSide: 10 } });
    const row = cut.filter((_, i) => i % 3 === 0).slice(0, 10);
    expect(row.slice(0, 4)).toEqual([0, 0, 0, 0]);
    expect(row.slice(6)).toEqual([250, 250, 250, 250]);
  });

  it('letterboxes with the pad value on both sides', async () => {
    const bytes = await png({ width: 4, height: 2, pixel: () => [200, 200, 200] });
    const resize = { width: 4, height: 4, fit: 'letterbox', padValue: 114 } as const;
    const boxed = await pixels(bytes, [1, 1, 4, 4], { resize });
    expect(boxed).toEqual([114, 200, 200, 114].flatMap((value) => [value, value, value, value]));
  });

  it('stretches to the network when nothing is said', async () => {
    const bytes = await png({ width: 4, height: 2, pixel: (_, y) => [y * 100, y * 100, y * 100] });
    expect((await pixels(bytes, [1, 1, 2, 6])).slice(0, 6)).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it.each(['nearest', 'linear', 'cubic', 'lanczos3'] as const)('keeps a flat image flat with %s', async (resample) => {
    const bytes = await png({ width: 9, height: 5, pixel: () => [90, 90, 90] });
    for (const side of [3, 16])
      expect(new Set(await pixels(bytes, [1, 1, side, side], { resample }))).toEqual(new Set([90]));
  });

  it('averages when it shrinks, and copies with nearest', async () => {
    const bytes = await png({
      width: 8,
      height: 8,
      pixel: (x, y) => ((x + y) % 2 === 0 ? [0, 0, 0] : [255, 255, 255]),
    });
    const shrunk = await pixels(bytes, [1, 1, 2, 2]);
    for (const value of shrunk) expect(Math.abs(value - 128)).toBeLessThan(20);
    const copied = await pixels(bytes, [1, 1, 2, 2], { resample: 'nearest' });
    for (const value of copied) expect([0, 255]).toContain(value);
  });
});

describe('preprocessing that does not fit', () => {
  const square = spec([1, 3, 8, 8]);
  it.each<[string, Options, InputSpec]>([
    ['a crop of another size', { crop: { width: 4, height: 8 } }, square],
    ['a resize of another size', { resize: { width: 8, height: 9 } }, square],
    ['a short side for an oblong network', { resize: { shortSide: 8 } }, spec([1, 3, 8, 16])],
    ['two means for three channels', { mean: [1, 2] }, square],
    ['three deviations for one channel', { std: [1, 2, 3] }, spec([1, 1, 8, 8])],
    ['a network that takes no image', {}, spec([1, 12])],
    ['a network of seven channels', {}, spec([1, 7, 8, 8])],
    ['a fixed batch of two', {}, spec([2, 3, 8, 8])],
  ])('refuses %s', (_, options, input) => {
    expect(() => checkPreprocessing(parse(options), input)).toThrow(
      expect.objectContaining({ code: 'PREPROCESSING_INVALID' }),
    );
  });
});

const jpeg = await sharp(rawRgb(grid(16, 16)), { raw: { width: 16, height: 16, channels: 3 } })
  .jpeg()
  .toBuffer();
const webp = await sharp(rawRgb(grid(16, 16)), { raw: { width: 16, height: 16, channels: 3 } })
  .webp()
  .toBuffer();

describe('hostile images', () => {
  const decode = (bytes: Uint8Array, maxPixels?: number): Promise<unknown> =>
    pixelsOf(bytes, spec([1, 3, 4, 4]), parse({}), { name: 'a.jpg', maxPixels }).catch((error: unknown) => error);

  it.each([
    ['a truncated JPEG', jpeg.subarray(0, jpeg.length - 60)],
    ['a JPEG header alone', jpeg.subarray(0, 20)],
    ['a truncated PNG', twoByTwo.subarray(0, 50)],
    ['a truncated WebP', webp.subarray(0, 30)],
    ['a PNG with a broken checksum', twoByTwo.map((byte, i) => (i === 30 ? byte ^ 1 : byte))],
    ['a text', new TextEncoder().encode('not an image')],
    ['nothing', new Uint8Array(0)],
    ['an SVG', new TextEncoder().encode('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')],
  ])('refuses %s and names it', async (_, bytes) => {
    const error = await decode(bytes);
    expect(error).toMatchObject({ code: 'IMAGE_MALFORMED' });
    expect((error as Error).message).toContain("'a.jpg'");
  });

  it('refuses a bomb by its header, before decoding', async () => {
    const bomb = await sharp({ create: { width: 9_000, height: 9_000, channels: 3, background: 'black' } })
      .png({ compressionLevel: 9 })
      .toBuffer();
    expect(bomb.length).toBeLessThan(2_000_000);
    expect(await decode(bomb)).toMatchObject({ code: 'IMAGE_TOO_LARGE' });
    expect(await decode(jpeg, 255)).toMatchObject({ code: 'IMAGE_TOO_LARGE' });
    expect(await decode(jpeg, 256)).not.toBeInstanceOf(Error);
  });

  it('refuses a narrow image that would become a gigantic one', async () => {
    const narrow = await png({ width: 5_000, height: 1, pixel: () => [0, 0, 0] });
    const options = parse({ resize: { shortSide: 224 }, crop: { width: 4, height: 4 } });
    await expect(pixelsOf(narrow, spec([1, 3, 4, 4]), options)).rejects.toMatchObject({ code: 'IMAGE_TOO_LARGE' });
  });

  it('survives any flipped byte', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(jpeg, webp, Buffer.from(twoByTwo)),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        async (image, at, flip) => {
          const bytes = Buffer.from(image);
          bytes[at % bytes.length] = bytes[at % bytes.length]! ^ flip;
          const result = await decode(bytes);
          if (result instanceof Error) expect(result).toBeInstanceOf(AppError);
        },
      ),
      { numRuns: 150 },
    );
  });
});
