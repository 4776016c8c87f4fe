import { AppError } from '../base/index.ts';
import { formatShape } from '../tensor/index.ts';
import type { InputSpec } from './dataset.ts';
import type { Preprocessing } from './preprocessing.ts';

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** A rectangle of the resized image, in pixels; one that exceeds the image is padded. */
export interface Window extends Size {
  readonly left: number;
  readonly top: number;
}

/** What happens to the pixels: resize to `resized`, then cut out `window`, filling with `padValue` outside. */
export interface Geometry {
  readonly resized: Size;
  readonly window: Window;
  readonly padValue: number;
}

export interface ImageInput extends Size {
  readonly channels: 1 | 3;
}

/**
 * A network input as an image of one or three channels.
 *
 * @throws AppError PREPROCESSING_INVALID when it cannot take one
 */
export function imageInputOf(input: InputSpec): ImageInput {
  const [batch, a, b, c] = input.shape;
  const [channels, height, width] = input.layout === 'NCHW' ? [a, b, c] : [c, a, b];
  if (input.shape.length !== 4 || batch !== 1 || (channels !== 1 && channels !== 3) || !height || !width)
    throw new AppError(
      'PREPROCESSING_INVALID',
      `Input '${input.name}' of shape ${formatShape(input.shape)} cannot take an image; ` +
        `${input.layout === 'NCHW' ? '[1, 1 | 3, height, width]' : '[1, height, width, 1 | 3]'} can.`,
    );
  return { width, height, channels };
}

/**
 * Checks what can be known without an image: that crop and resize give the network's size, and one mean and std a channel.
 *
 * @throws AppError PREPROCESSING_INVALID
 */
export function checkPreprocessing(preprocessing: Preprocessing, input: InputSpec): void {
  const target = imageInputOf(input);
  const { resize, crop } = preprocessing;
  if (crop !== undefined) requireSize('crop', crop, target);
  else if (resize !== undefined && 'width' in resize) requireSize('resize', resize, target);
  else if (resize !== undefined && target.width !== target.height)
    throw invalid(`resize.shortSide needs a crop: the network takes ${formatSize(target)}.`);
  for (const key of ['mean', 'std'] as const) {
    const values = preprocessing[key];
    if (Array.isArray(values) && values.length !== target.channels)
      throw invalid(`${key} has ${values.length} values; the network has ${target.channels} channels.`);
  }
}

function requireSize(what: string, found: Size, target: Size): void {
  if (found.width !== target.width || found.height !== target.height)
    throw invalid(`${what} gives ${formatSize(found)}; the network takes ${formatSize(target)}.`);
}

/**
 * Where the pixels of one image go. Short side: the long side is rounded down, as torchvision's Resize does. Without a crop,
 * `shortSide` keeps the centre of the network's size. Letterbox: the largest size of the same aspect that fits, centred.
 * A crop larger than the image is filled with black (letterbox: with its pad value), as torchvision's CenterCrop does.
 */
export function planGeometry(image: Size, target: Size, preprocessing: Preprocessing): Geometry {
  const { resize, crop } = preprocessing;
  if (resize !== undefined && 'width' in resize && resize.fit === 'letterbox') {
    const resized = fitInside(image, resize);
    const box = centred(resized, resize);
    if (crop === undefined) return { resized, window: box, padValue: resize.padValue };
    const inner = centred(resize, crop);
    const window = { ...inner, left: box.left + inner.left, top: box.top + inner.top };
    return { resized, window, padValue: resize.padValue };
  }
  const resized = resizedSize(image, target, preprocessing);
  const cut = crop ?? (resize !== undefined && 'shortSide' in resize ? target : resized);
  return { resized, window: centred(resized, cut), padValue: 0 };
}

function resizedSize(image: Size, target: Size, { resize, crop }: Preprocessing): Size {
  if (resize === undefined) return crop === undefined ? { width: target.width, height: target.height } : image;
  if ('width' in resize) return { width: resize.width, height: resize.height };
  const { width, height } = image;
  const long = Math.floor((resize.shortSide * Math.max(width, height)) / Math.min(width, height));
  return width <= height ? { width: resize.shortSide, height: long } : { width: long, height: resize.shortSide };
}

function fitInside(image: Size, box: Size): Size {
  const scale = Math.min(box.width / image.width, box.height / image.height);
  const side = (length: number, limit: number): number => Math.min(limit, Math.max(1, Math.round(length * scale)));
  return { width: side(image.width, box.width), height: side(image.height, box.height) };
}

/** The window of `size` in the middle of `image`; of an odd remainder the larger part is right and below. */
function centred(image: Size, size: Size): Window {
  const { width, height } = size;
  return { left: Math.floor((image.width - width) / 2), top: Math.floor((image.height - height) / 2), width, height };
}

function formatSize({ width, height }: Size): string {
  return `${width} x ${height}`;
}

function invalid(detail: string): AppError {
  return new AppError('PREPROCESSING_INVALID', detail);
}
