import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateRawSync } from 'node:zlib';
import sharp from 'sharp';
import { afterAll } from 'vitest';
import { bytesPerElement, elementCount, type Tensor } from '../../src/tensor/index.ts';

/** One entry of a test archive; the fields after `data` tell lies. */
export interface ZipSource {
  readonly name: string;
  readonly data: Uint8Array;
  readonly method?: 'stored' | 'deflated';
  readonly crc?: number;
  readonly declaredSize?: number;
  readonly methodCode?: number;
  readonly flags?: number;
  readonly unixMode?: number;
  /** Points at the content of an earlier entry instead of its own. */
  readonly sameContentAs?: number;
}

/** A zip as PKWARE's APPNOTE describes it, with or without lies. */
export function zip(sources: readonly ZipSource[], options: { entryCount?: number } = {}): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  const offsets: number[] = [];
  let offset = 0;
  for (const source of sources) {
    const name = Buffer.from(source.name, 'utf8');
    const deflated = source.method === 'deflated';
    const content = deflated ? deflateRawSync(source.data) : Buffer.from(source.data);
    const header = Buffer.alloc(26);
    header.writeUInt16LE(20, 0);
    header.writeUInt16LE(source.flags ?? 0x0800, 2);
    header.writeUInt16LE(source.methodCode ?? (deflated ? 8 : 0), 4);
    header.writeUInt16LE(0x21, 8);
    header.writeUInt32LE(source.crc ?? crc32(source.data), 10);
    header.writeUInt32LE(content.length, 14);
    header.writeUInt32LE(source.declaredSize ?? source.data.length, 18);
    header.writeUInt16LE(name.length, 22);
    const start = source.sameContentAs === undefined ? offset : (offsets[source.sameContentAs] ?? 0);
    offsets.push(start);
    if (source.sameContentAs === undefined) {
      const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), header, name, content]);
      parts.push(local);
      offset += local.length;
    }
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(((source.unixMode ?? 0o100644) << 16) >>> 0, 6);
    tail.writeUInt32LE(start, 10);
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x03', 'latin1'), header, tail, name]));
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(options.entryCount ?? sources.length, 8);
  end.writeUInt16LE(options.entryCount ?? sources.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, central, end]);
}

const npyTypes: Readonly<Record<string, string>> = {
  float16: '<f2',
  float32: '<f4',
  float64: '<f8',
  int8: '|i1',
  uint8: '|u1',
  int16: '<i2',
  uint16: '<u2',
  int32: '<i4',
  uint32: '<u4',
  int64: '<i8',
  uint64: '<u8',
  bool: '|b1',
};

export interface NpyLies {
  readonly descr?: string;
  readonly shape?: string;
  readonly order?: 'C' | 'Fortran';
  readonly version?: 1 | 2 | 3;
  readonly header?: string;
}

/** An .npy file of a tensor, as numpy.save writes it. */
export function npy({ dtype, shape, data }: Tensor, lies: NpyLies = {}): Buffer {
  const { order = 'C', version = 1 } = lies;
  const dims = lies.shape ?? `(${shape.join(', ')}${shape.length === 1 ? ',' : ''})`;
  const fields =
    lies.header ??
    `{'descr': '${lies.descr ?? npyTypes[dtype] ?? ''}', 'fortran_order': ${order === 'C' ? 'False' : 'True'}, 'shape': ${dims}, }`;
  const prefixBytes = version === 1 ? 10 : 12;
  const padded = fields.padEnd(Math.ceil((fields.length + 1 + prefixBytes) / 64) * 64 - prefixBytes - 1) + '\n';
  const prefix = Buffer.alloc(prefixBytes);
  prefix.write('\x93NUMPY', 'latin1');
  prefix[6] = version;
  if (version === 1) prefix.writeUInt16LE(padded.length, 8);
  else prefix.writeUInt32LE(padded.length, 8);
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const content = order === 'C' ? bytes : toFortran(bytes, shape, bytesPerElement[dtype]);
  return Buffer.concat([prefix, Buffer.from(padded, 'latin1'), content]);
}

function toFortran(bytes: Buffer, shape: readonly number[], size: number): Buffer {
  const target = Buffer.alloc(bytes.length);
  for (let from = 0; from < elementCount(shape); from++) {
    let rest = from;
    let to = 0;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      to += (rest % shape[axis]!) * elementCount(shape.slice(0, axis));
      rest = Math.floor(rest / shape[axis]!);
    }
    bytes.copy(target, to * size, from * size, (from + 1) * size);
  }
  return target;
}

const folder = mkdtempSync(join(tmpdir(), 'octet-data-'));
let count = 0;

/** A file that lives as long as the test file. */
export function file(bytes: Uint8Array, name = 'data'): string {
  const path = join(folder, `${count++}-${name}`);
  writeFileSync(path, bytes);
  return path;
}

export function folderOfTest(): string {
  return mkdtempSync(join(folder, 'folder-'));
}

afterAll(() => rmSync(folder, { recursive: true, force: true }));

export interface Rgb {
  readonly width: number;
  readonly height: number;
  readonly pixel: (x: number, y: number) => readonly [number, number, number];
}

export function rawRgb({ width, height, pixel }: Rgb): Uint8Array {
  const raw = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) raw.set(pixel(x, y), (y * width + x) * 3);
  return raw;
}

export async function png(image: Rgb): Promise<Uint8Array> {
  const { width, height } = image;
  return new Uint8Array(
    await sharp(rawRgb(image), { raw: { width, height, channels: 3 } })
      .png()
      .toBuffer(),
  );
}

/** A small image that differs with its seed. */
export async function anyPng(seed = 0): Promise<Uint8Array> {
  return png({ width: 4, height: 4, pixel: (x, y) => [x * 60, y * 60, seed % 256] });
}
