import { pixelFeed, type PixelFeed } from '../tensor/index.ts';
import type { InputSpec } from './dataset.ts';
import { decodeImage, type Pixels } from './decodeImage.ts';
import { checkPreprocessing, imageInputOf, planGeometry, type Geometry } from './geometry.ts';
import type { Preprocessing } from './preprocessing.ts';

export interface ImageOptions {
  /** For messages. */
  readonly name?: string | undefined;
  readonly maxPixels?: number | undefined;
}

/**
 * Pixels as the network sees them before the affine step: decoded, rotated, resized, cropped, in the network's number and
 * order of channels. A network of one channel takes gray, whatever `color` says.
 *
 * @returns [height, width, channels] uint8
 * @throws AppError IMAGE_MALFORMED, IMAGE_TOO_LARGE, IMAGES_UNAVAILABLE, PREPROCESSING_INVALID
 */
export async function pixelsOf(
  bytes: Uint8Array,
  input: InputSpec,
  preprocessing: Preprocessing,
  options: ImageOptions = {},
): Promise<Pixels> {
  const { name = 'image' } = options;
  checkPreprocessing(preprocessing, input);
  const target = imageInputOf(input);
  const plan: { geometry?: Geometry } = {};
  const decoded = await decodeImage(bytes, {
    name,
    maxPixels: options.maxPixels,
    resample: preprocessing.resample,
    resize: (size) => (plan.geometry = planGeometry(size, target, preprocessing)).resized,
  });
  const cut = plan.geometry === undefined ? decoded : cutOut(decoded, plan.geometry);
  return toColor(cut, target.channels === 1 ? 'gray' : preprocessing.color, target.channels);
}

/**
 * An image as a network input of one sample, still in bytes: with the levels
 *   y = f32((x · scale − mean) / std), x in 0..255, per channel in the network's order,
 * where the input is float32, and without where it takes the bytes themselves.
 *
 * @throws AppError as `pixelsOf`
 */
export async function preprocessImage(
  bytes: Uint8Array,
  input: InputSpec,
  preprocessing: Preprocessing,
  options: ImageOptions = {},
): Promise<PixelFeed> {
  const { data, channels } = await pixelsOf(bytes, input, preprocessing, options);
  const { shape, layout, dtype } = input;
  const levels = dtype === 'float32' ? affineTable(preprocessing, channels) : undefined;
  return pixelFeed({ shape, layout, data, levels });
}

/** The affine step for each channel and each of the 256 pixel values: entry channel · 256 + x. */
export function affineTable({ scale, mean, std }: Preprocessing, channels: number): Float32Array {
  const at = (values: number | readonly number[], channel: number): number =>
    typeof values === 'number' ? values : (values[channel] ?? NaN);
  const table = new Float32Array(channels * 256);
  for (let channel = 0; channel < channels; channel++) {
    const [shift, divisor] = [at(mean, channel), at(std, channel)];
    for (let x = 0; x < 256; x++) table[channel * 256 + x] = (x * scale - shift) / divisor;
  }
  return table;
}

function cutOut(image: Pixels, { window, padValue }: Geometry): Pixels {
  const { left, top, width, height } = window;
  if (left === 0 && top === 0 && width === image.width && height === image.height) return image;
  const { channels } = image;
  const data = new Uint8Array(width * height * channels).fill(padValue);
  const firstColumn = Math.max(0, left);
  const columns = Math.min(image.width, left + width) - firstColumn;
  for (let y = Math.max(0, top); y < Math.min(image.height, top + height); y++) {
    const from = (y * image.width + firstColumn) * channels;
    const to = ((y - top) * width + (firstColumn - left)) * channels;
    data.set(image.data.subarray(from, from + columns * channels), to);
  }
  return { width, height, channels, data };
}

function toColor(image: Pixels, color: Preprocessing['color'], channels: 1 | 3): Pixels {
  if (color === 'rgb') return image;
  const { width, height, data: rgb } = image;
  const data = new Uint8Array(width * height * channels);
  for (let from = 0, to = 0; from < rgb.length; from += 3) {
    const [red = 0, green = 0, blue = 0] = [rgb[from], rgb[from + 1], rgb[from + 2]];
    if (color === 'bgr') {
      data[to++] = blue;
      data[to++] = green;
      data[to++] = red;
    } else {
      const gray = luma(red, green, blue);
      for (let channel = 0; channel < channels; channel++) data[to++] = gray;
    }
  }
  return { width, height, channels, data };
}

/** ITU-R BT.601 luma in 16-bit fixed point, rounded: the weights add up to 65,536, so equal channels keep their value. */
function luma(red: number, green: number, blue: number): number {
  return (red * 19_595 + green * 38_470 + blue * 7_471 + 0x8000) >> 16;
}
