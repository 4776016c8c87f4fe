import { crc32, deflateRawSync } from 'node:zlib';
import sharp from 'sharp';
import { seededRandom } from '../../src/base/index.ts';
import { colors } from './networks.ts';

/** Real images and archives, made here. */

const centres: Readonly<Record<(typeof colors)[number], readonly [number, number, number]>> = {
  red: [200, 40, 40],
  green: [40, 200, 40],
  blue: [40, 40, 200],
  gray: [128, 128, 128],
};

export type ImageFormat = 'png' | 'jpeg' | 'webp';

/** An image of one colour with noise. */
export async function colorImage(
  color: (typeof colors)[number],
  seed: number,
  format: ImageFormat = 'png',
  size = 8,
): Promise<Buffer> {
  const random = seededRandom(seed);
  const centre = centres[color];
  const pixels = Buffer.alloc(size * size * 3);
  for (let i = 0; i < pixels.length; i++)
    pixels[i] = Math.max(0, Math.min(255, (centre[i % 3] ?? 0) + Math.round((random() - 0.5) * 60)));
  const image = sharp(pixels, { raw: { width: size, height: size, channels: 3 } });
  return image.toFormat(format, format === 'jpeg' ? { quality: 95 } : {}).toBuffer();
}

export interface ZipEntry {
  readonly name: string | Buffer;
  readonly data: Buffer;
  readonly deflate?: boolean;
  /** Lies about the entry. */
  readonly size?: number;
  readonly crc?: number;
  /** Unix mode, as a link has it. */
  readonly mode?: number;
}

/** A zip, and nothing but what the entries say. */
export function zip(entries: readonly ZipEntry[]): Buffer {
  const locals: Buffer[] = [];
  const central: Buffer[] = [];
  let offset = 0;
  for (const entry of entries) {
    const name = Buffer.from(entry.name as string);
    const stored = entry.deflate === true ? deflateRawSync(entry.data, { level: 9 }) : entry.data;
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(0x0800, 2);
    common.writeUInt16LE(entry.deflate === true ? 8 : 0, 4);
    common.writeUInt32LE(entry.crc ?? crc32(entry.data), 10);
    common.writeUInt32LE(stored.length, 14);
    common.writeUInt32LE(entry.size ?? entry.data.length, 18);
    common.writeUInt16LE(name.length, 22);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(((entry.mode ?? 0o100644) << 16) >>> 0, 6);
    tail.writeUInt32LE(offset, 10);
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), common, name, stored]);
    // "Made by" Unix: only then the mode means anything.
    central.push(Buffer.from('PK\x01\x02\x14\x03', 'latin1'), common, tail, name);
    locals.push(local);
    offset += local.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(Math.min(entries.length, 0xffff), 8);
  end.writeUInt16LE(Math.min(entries.length, 0xffff), 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, directory, end]);
}

/** `count` images of each colour in folders named `<index>-<color>`. */
export async function colorEntries(count: number, seed = 1): Promise<ZipEntry[]> {
  const entries: ZipEntry[] = [];
  for (const [index, color] of colors.entries())
    for (let i = 0; i < count; i++)
      entries.push({ name: `${index}-${color}/${i}.png`, data: await colorImage(color, seed + index * 1_000 + i) });
  return entries;
}

export async function colorZip(count: number, seed = 1): Promise<Buffer> {
  return zip(await colorEntries(count, seed));
}

/** An npy file, version 1.0. */
export function npy(descr: string, shape: readonly number[], data: Uint8Array): Buffer {
  const shapeText = shape.length === 1 ? `(${shape[0] ?? 0},)` : `(${shape.join(', ')})`;
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shapeText}, }`;
  const padded = text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11, ' ');
  const head = Buffer.from(`\x93NUMPY\x01\x00\x00\x00${padded}\n`, 'latin1');
  head.writeUInt16LE(padded.length + 1, 8);
  return Buffer.concat([head, data]);
}

export function npyFloat(shape: readonly number[], values: ArrayLike<number>): Buffer {
  const data = Float32Array.from(values);
  return npy('<f4', shape, new Uint8Array(data.buffer));
}
