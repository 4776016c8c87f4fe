import type { Metadata, Sharp, SharpConstructor, SharpOptions } from 'sharp';
import { AppError } from '../base/index.ts';
import { detectContent, SNIFF_BYTES } from './contentKind.ts';
import type { Size } from './geometry.ts';
import { defaultLimits } from './limits.ts';
import type { Preprocessing } from './preprocessing.ts';

/** Interleaved pixels, row by row. */
export interface Pixels extends Size {
  readonly channels: 1 | 3;
  /** [height, width, channels] */
  readonly data: Uint8Array;
}

/** Longest side of an image, in pixels: libvips shrinks by at most 10⁶, and JPEG ends at 65,535. */
const MAX_SIDE = 65_535;

let loading: Promise<SharpConstructor | undefined> | undefined;

async function findSharp(): Promise<SharpConstructor | undefined> {
  loading ??= import('sharp').then(
    ({ default: sharp }) => {
      // The operation cache keeps decoded images; each of ours is decoded once.
      sharp.cache(false);
      return sharp;
    },
    () => undefined,
  );
  return loading;
}

export async function imagesAvailable(): Promise<boolean> {
  return (await findSharp()) !== undefined;
}

/**
 * sharp, loaded at the first image: the service starts and serves tensors without it.
 *
 * @throws AppError IMAGES_UNAVAILABLE
 */
export async function loadSharp(): Promise<SharpConstructor> {
  const sharp = await findSharp();
  if (sharp !== undefined) return sharp;
  throw new AppError('IMAGES_UNAVAILABLE', "Images need the package 'sharp', which is not installed; send npy or npz.");
}

export interface DecodeRequest {
  /** For messages. */
  readonly name: string;
  readonly maxPixels?: number | undefined;
  readonly resample: Preprocessing['resample'];
  /** The size to resize to, out of the size after EXIF rotation. */
  readonly resize: (image: Size) => Size;
}

/**
 * Decodes an image to 8-bit RGB: EXIF rotation applied; gray, palette, CMYK and 16-bit images converted to sRGB; alpha
 * dropped. Only the first frame of an animation is taken.
 *
 * @throws AppError IMAGES_UNAVAILABLE, IMAGE_MALFORMED, IMAGE_TOO_LARGE
 */
export async function decodeImage(bytes: Uint8Array, request: DecodeRequest): Promise<Pixels> {
  const { name, maxPixels = defaultLimits.pixels } = request;
  const content = detectContent(bytes.subarray(0, SNIFF_BYTES));
  if (content.kind !== 'image')
    throw new AppError(
      'IMAGE_MALFORMED',
      `Image '${name}' is none of the known formats: JPEG, PNG, WebP, GIF, TIFF, AVIF.`,
    );
  const sharp = await loadSharp();
  // Pixels are limited twice: here from the header, with a sentence; and by libvips itself.
  const options: SharpOptions = { limitInputPixels: maxPixels, failOn: 'error', sequentialRead: true };
  const size = checkSize(name, await readHeader(sharp(bytes, options), name), maxPixels);
  const wanted = request.resize(size);
  // The short side of a narrow image may ask for a gigantic long one.
  if (wanted.width * wanted.height > maxPixels)
    throw new AppError(
      'IMAGE_TOO_LARGE',
      `Image '${name}' of ${size.width} x ${size.height} would be resized to ${wanted.width} x ${wanted.height}; ` +
        `at most ${maxPixels} pixels are allowed.`,
    );
  try {
    let image = sharp(bytes, options).autoOrient().toColourspace('srgb');
    if (wanted.width !== size.width || wanted.height !== size.height)
      image = image.resize(wanted.width, wanted.height, {
        fit: 'fill',
        kernel: request.resample,
        fastShrinkOnLoad: false,
      });
    const { data, info } = await image.removeAlpha().raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, channels: 3, data: toRgb(data, info.channels) };
  } catch (error) {
    throw brokenImage(name, error);
  }
}

/**
 * The size of an image after EXIF rotation, from its header.
 *
 * @throws AppError IMAGES_UNAVAILABLE, IMAGE_MALFORMED, IMAGE_TOO_LARGE
 */
export async function imageSize(bytes: Uint8Array, { name }: Pick<DecodeRequest, 'name'>): Promise<Size> {
  const sharp = await loadSharp();
  return checkSize(name, await readHeader(sharp(bytes), name), defaultLimits.pixels);
}

async function readHeader(image: Sharp, name: string): Promise<Metadata> {
  try {
    return await image.metadata();
  } catch (error) {
    throw brokenImage(name, error);
  }
}

function checkSize(name: string, header: Metadata, maxPixels: number): Size {
  const { width, height } = header.autoOrient;
  if (!(width > 0) || !(height > 0))
    throw new AppError('IMAGE_MALFORMED', `Image '${name}' has no pixels (${width} x ${height}).`);
  if (width > MAX_SIDE || height > MAX_SIDE || width * height > maxPixels)
    throw new AppError(
      'IMAGE_TOO_LARGE',
      `Image '${name}' has ${width} x ${height} pixels; at most ${maxPixels}, and ${MAX_SIDE} a side, are allowed.`,
    );
  return { width, height };
}

/** In memory of our own: that of libvips cannot move to another thread. */
function toRgb(data: Uint8Array, channels: number): Uint8Array {
  if (channels === 3) return new Uint8Array(data);
  const count = data.length / channels;
  const rgb = new Uint8Array(count * 3);
  for (let pixel = 0; pixel < count; pixel++)
    for (let channel = 0; channel < 3; channel++)
      rgb[pixel * 3 + channel] = data[pixel * channels + (channels >= 3 ? channel : 0)] ?? 0;
  return rgb;
}

function brokenImage(name: string, error: unknown): AppError {
  const message = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
  if (/pixel limit/i.test(message))
    return new AppError('IMAGE_TOO_LARGE', `Image '${name}' has more pixels than allowed.`);
  return new AppError('IMAGE_MALFORMED', `Image '${name}' cannot be decoded: ${message}.`, {}, { cause: error });
}
