import sharp from 'sharp';
import { colorEntries, colorImage, colorZip, npy, npyFloat, zip, type ZipEntry } from '../../support/images.ts';
import { colorNetwork } from '../../support/networks.ts';
import type { Part } from '../../support/service.ts';
import type { HostileCase, Sending } from './hostileCase.ts';

/** Broken and malicious data sets and images, each made from real ones. */

const dataset = (file: Buffer): Sending => ({ kind: 'dataset', file });

/** The one-shot with an honest model: its data is looked at as the network would. */
const quantize = (calibration: Uint8Array, ...more: readonly Part[]): Sending => ({
  kind: 'quantize',
  parts: [
    { name: 'name', value: 'hostile' },
    { name: 'model', value: colorNetwork(), fileName: 'm.onnx' },
    { name: 'calibration', value: calibration, fileName: 'c.zip' },
    ...more,
  ],
});

const evaluation = (file: Uint8Array): Part => ({ name: 'evaluation', value: file, fileName: 'e.zip' });

async function edited(change: (entries: ZipEntry[]) => ZipEntry[]): Promise<Buffer> {
  return zip(change(await colorEntries(2)));
}

function flip(file: Buffer, at: number, bit = 0): Buffer {
  const copy = Buffer.from(file);
  copy[at] = (copy[at] ?? 0) ^ (1 << bit);
  return copy;
}

const truncated: HostileCase[] = [
  {
    group: 'truncated',
    what: 'half of a zip',
    send: async () => dataset((await colorZip(2)).subarray(0, 600)),
    answers: ['DATASET_MALFORMED'],
  },
  {
    group: 'truncated',
    what: 'a zip without its last byte',
    send: async () => dataset((await colorZip(2)).subarray(0, -1)),
    answers: ['DATASET_MALFORMED'],
  },
  {
    group: 'truncated',
    what: 'an npy that ends early',
    send: dataset(npyFloat([4, 3, 8, 8], new Float32Array(768)).subarray(0, 2_000)),
    answers: ['DATASET_MALFORMED'],
  },
  {
    group: 'truncated',
    what: 'an npy that ends in its header',
    send: dataset(npyFloat([4], new Float32Array(4)).subarray(0, 40)),
    answers: ['DATASET_MALFORMED'],
  },
  {
    group: 'truncated',
    what: 'half of a PNG to predict',
    send: async () => ({ kind: 'predict', file: (await colorImage('red', 1, 'png', 64)).subarray(0, 3_000) }),
    answers: ['IMAGE_MALFORMED'],
  },
  {
    group: 'truncated',
    what: 'half of a JPEG to predict',
    send: async () => ({
      kind: 'predict',
      file: (await colorImage('red', 1, 'jpeg', 64)).subarray(0, 900),
      type: 'image/jpeg',
    }),
    answers: ['IMAGE_MALFORMED'],
  },
];

const bitFlipped: HostileCase[] = [
  {
    group: 'bit-flipped',
    what: 'the signature of a zip',
    send: async () => dataset(flip(await colorZip(2), 0)),
    answers: ['DATASET_MALFORMED'],
  },
  {
    group: 'bit-flipped',
    what: 'a byte inside a zip entry',
    send: async () => dataset(flip(await colorZip(2), 70)),
    answers: ['DATASET_MALFORMED', 'IMAGE_MALFORMED'],
  },
  {
    group: 'bit-flipped',
    what: 'the checksum of a zip entry',
    send: () => edited(([first, ...rest]) => [{ ...(first as ZipEntry), crc: 1 }, ...rest]).then(dataset),
    answers: ['DATASET_MALFORMED'],
  },
  {
    group: 'bit-flipped',
    what: 'the header of an npy',
    send: dataset(flip(npyFloat([4, 2], new Float32Array(8)), 12, 3)),
    answers: ['DATASET_MALFORMED'],
  },
  {
    group: 'bit-flipped',
    what: 'the pixels of a PNG to predict',
    send: async () => ({ kind: 'predict', file: flip(await colorImage('red', 1, 'png', 64), 400, 4) }),
    answers: ['IMAGE_MALFORMED'],
  },
];

const zeros = Buffer.alloc(8 * 1_048_576);

/** Twenty entries of the directory that are one and the same file. */
function overlapping(): Buffer {
  const archive = zip([{ name: 'a.npy', data: npyFloat([256], new Float32Array(256)) }]);
  const directory = archive.indexOf('PK\x01\x02');
  const end = archive.indexOf('PK\x05\x06');
  const entries = Array.from({ length: 20 }, (_, i) => {
    const entry = Buffer.from(archive.subarray(directory, end));
    entry[46] = 0x61 + i;
    return entry;
  });
  const tail = Buffer.from(archive.subarray(end));
  tail.writeUInt16LE(20, 8);
  tail.writeUInt16LE(20, 10);
  tail.writeUInt32LE(20 * (end - directory), 12);
  return Buffer.concat([archive.subarray(0, directory), ...entries, tail]);
}

const zipBombs: HostileCase[] = [
  {
    what: 'an array of zeros, a thousand to one',
    send: dataset(zip([{ name: 'a.npy', data: npy('<f4', [2_097_152], zeros), deflate: true }])),
  },
  {
    what: 'a hundred entries of zeros',
    send: dataset(
      zip(
        Array.from({ length: 100 }, (_, i) => ({
          name: `${i}.npy`,
          data: zeros.subarray(0, 1_048_576),
          deflate: true,
        })),
      ),
    ),
  },
  {
    what: 'a label table of spaces',
    send: () =>
      edited((entries) => [
        ...entries,
        { name: 'labels.csv', data: Buffer.alloc(16 * 1_048_576, ' '), deflate: true },
      ]).then(dataset),
  },
  { what: 'entries that share their bytes', send: dataset(overlapping()) },
  { what: 'a zip inside a zip', send: async () => dataset(zip([{ name: 'inner.zip', data: await colorZip(1) }])) },
  {
    what: 'an entry that is larger than it says',
    send: () => edited(([first, ...rest]) => [{ ...(first as ZipEntry), size: 10 }, ...rest]).then(dataset),
  },
  {
    what: 'a directory of more entries than there are',
    send: async () => {
      const archive = await colorZip(1);
      archive.writeUInt16LE(65_534, archive.length - 14);
      archive.writeUInt16LE(65_534, archive.length - 12);
      return dataset(archive);
    },
  },
].map((item) => ({
  group: 'zip bombs',
  answers: ['ARCHIVE_BOMB', 'DATASET_TOO_LARGE', 'DATASET_MALFORMED'],
  ...item,
}));

let blackPng: Promise<Buffer> | undefined;

/** 64 million black pixels in 200 KB. */
function hugePng(): Promise<Buffer> {
  blackPng ??= sharp({
    create: { width: 8_000, height: 8_000, channels: 3, background: 'black' },
    limitInputPixels: false,
  })
    .png({ compressionLevel: 1 })
    .toBuffer();
  return blackPng;
}

/** A JPEG whose frame header claims 60,000 by 1,000. */
async function claimingJpeg(): Promise<Buffer> {
  const jpeg = await colorImage('red', 1, 'jpeg', 64);
  const frame = jpeg.indexOf(Buffer.from([0xff, 0xc0]));
  jpeg.writeUInt16BE(1_000, frame + 5);
  jpeg.writeUInt16BE(60_000, frame + 7);
  return jpeg;
}

/** A WebP whose key frame claims 16,383 by 16,383. */
async function claimingWebp(): Promise<Buffer> {
  const webp = await colorImage('red', 1, 'webp', 64);
  const start = webp.indexOf(Buffer.from([0x9d, 0x01, 0x2a]));
  webp.writeUInt16LE(16_383, start + 3);
  webp.writeUInt16LE(16_383, start + 5);
  return webp;
}

/** A PNG whose header claims more than its data holds. */
async function claimedSize(width: number, height: number): Promise<Buffer> {
  const png = Buffer.from(await colorImage('blue', 1));
  png.writeUInt32BE(width, 16);
  png.writeUInt32BE(height, 20);
  return png;
}

const svg = Buffer.from(
  '<svg xmlns="http://www.w3.org/2000/svg" width="90000" height="90000"><image href="file:///etc/passwd"/></svg>',
);

const imageBombs: HostileCase[] = [
  {
    what: 'a black PNG of 64 million pixels to predict',
    send: async () => ({ kind: 'predict', file: await hugePng() }),
  },
  {
    what: 'a JPEG that claims 60,000 by 1,000 to predict',
    send: async () => ({ kind: 'predict', file: await claimingJpeg(), type: 'image/jpeg' }),
  },
  {
    what: 'a WebP that claims 16,383 by 16,383 to predict',
    send: async () => ({ kind: 'predict', file: await claimingWebp(), type: 'image/webp' }),
  },
  {
    what: 'a PNG that claims two billion pixels a side',
    send: async () => ({ kind: 'predict', file: await claimedSize(2_147_483_647, 2_147_483_647) }),
  },
  { what: 'a PNG that claims no pixels', send: async () => ({ kind: 'predict', file: await claimedSize(0, 0) }) },
  { what: 'an SVG that reads a file', send: { kind: 'predict', file: svg, type: 'image/svg+xml' } },
  {
    what: 'a calibration image of 64 million pixels',
    send: async () => quantize(zip([{ name: '0.png', data: await hugePng() }])),
  },
].map((item) => ({ group: 'image bombs', answers: ['IMAGE_TOO_LARGE', 'IMAGE_MALFORMED'], ...item }) as HostileCase);

const wrongShapes: HostileCase[] = [
  {
    what: 'samples of 7 by 8 for a network of 8 by 8',
    send: quantize(npyFloat([10, 3, 7, 8], new Float32Array(1_680))),
    answers: ['SAMPLE_MISMATCH'],
  },
  {
    what: 'samples without channels',
    send: quantize(npyFloat([10, 8, 8], new Float32Array(640))),
    answers: ['SAMPLE_MISMATCH'],
  },
  {
    what: 'an npy whose shape needs more data',
    send: dataset(npyFloat([100, 3, 8, 8], new Float32Array(192))),
    answers: ['DATASET_MALFORMED'],
  },
  {
    what: 'an npy of negative dimensions',
    send: dataset(npyFloat([-1, 3], new Float32Array(3))),
    answers: ['DATASET_MALFORMED'],
  },
  { what: 'an npy of Python objects', send: dataset(npy('|O', [1], Buffer.alloc(8))), answers: ['DATASET_MALFORMED'] },
  {
    what: 'a crop that the network does not take',
    send: async () =>
      quantize(await colorZip(1), {
        name: 'preprocessing',
        value: '{"crop":{"width":7,"height":8}}',
      }),
    answers: ['PREPROCESSING_INVALID', 'SAMPLE_MISMATCH'],
  },
].map((item) => ({ group: 'wrong shapes', ...item }) as HostileCase);

const notFinite: HostileCase[] = [
  {
    group: 'NaN weights',
    what: 'NaN in the first calibration sample',
    send: quantize(npyFloat([2, 3, 8, 8], new Float32Array(384).fill(NaN))),
    answers: ['SAMPLE_NOT_FINITE'],
  },
  {
    group: 'NaN weights',
    what: 'Infinity in the first evaluation sample',
    send: async () =>
      quantize(await colorZip(1), evaluation(npyFloat([2, 3, 8, 8], new Float32Array(384).fill(Infinity)))),
    answers: ['SAMPLE_NOT_FINITE'],
  },
];

const image = () => colorImage('green', 3);
const named = (name: string | Buffer) => async (): Promise<Sending> =>
  dataset(
    zip([
      { name: 'ok.png', data: await image() },
      { name, data: await image() },
    ]),
  );

const pathTricks: HostileCase[] = [
  { what: 'an entry above the archive', send: named('../evil.png') },
  { what: 'an absolute entry', send: named('/etc/evil.png') },
  { what: 'an entry on a drive', send: named('C:\\evil.png') },
  { what: 'an entry through a detour', send: named('a/../../evil.png') },
  { what: 'an entry with backslashes', send: named('a\\..\\..\\evil.png') },
  { what: 'an entry with a NUL', send: named('a.png\u0000.txt') },
  { what: 'a link', send: dataset(zip([{ name: 'passwd.png', data: Buffer.from('/etc/passwd'), mode: 0o120777 }])) },
  { what: 'an entry twice', send: named('ok.png') },
].map((item) => ({ group: 'path tricks', answers: ['ARCHIVE_PATH_UNSAFE', 'DATASET_MALFORMED'], ...item }));

const emptySets: HostileCase[] = [
  { what: 'nothing', send: dataset(Buffer.alloc(0)) },
  { what: 'an empty zip', send: dataset(zip([])) },
  {
    what: 'a zip of folders',
    send: dataset(
      zip([
        { name: 'a/', data: Buffer.alloc(0) },
        { name: 'b/', data: Buffer.alloc(0) },
      ]),
    ),
  },
  { what: 'a zip of texts', send: dataset(zip([{ name: 'README.txt', data: Buffer.from('no images here') }])) },
  { what: 'an npy of no samples', send: dataset(npyFloat([0, 3, 8, 8], [])) },
  {
    what: 'an npz of labels alone',
    send: dataset(zip(['labels.npy', 'y.npy'].map((name) => ({ name, data: npy('<i8', [2], Buffer.alloc(16)) })))),
  },
  { what: 'an image of no bytes', send: dataset(zip([{ name: 'a.png', data: Buffer.alloc(0) }])) },
].map((item) => ({
  group: 'empty sets',
  answers: ['DATASET_EMPTY', 'DATASET_MALFORMED', 'IMAGE_MALFORMED'],
  ...item,
}));

const table = (text: string | Buffer) => () =>
  colorEntries(1).then((entries) =>
    dataset(
      zip([
        ...entries.map(({ data }, i) => ({ name: `${i}.png`, data })),
        { name: 'labels.csv', data: Buffer.from(text as string) },
      ]),
    ),
  );

const npz = (labels: Buffer) =>
  quantize(
    zip([
      { name: 'x.npy', data: npyFloat([2, 3, 8, 8], new Float32Array(384)) },
      { name: 'labels.npy', data: labels },
    ]),
  );

const mislabelled: HostileCase[] = [
  {
    what: 'a table that names a file that is not there',
    send: table('file,label\n0.png,0\n1.png,1\n2.png,2\n3.png,3\nghost.png,1\n'),
  },
  { what: 'a table that leaves files out', send: table('file,label\n0.png,0\n') },
  { what: 'a table that contradicts itself', send: table('file,label\n0.png,0\n0.png,1\n1.png,1\n2.png,2\n3.png,3\n') },
  { what: 'a table of one column', send: table('file\n0.png\n') },
  { what: 'a table that is not UTF-8', send: table(Buffer.from([0x66, 0xff, 0xfe, 0x2c, 0x30])) },
  {
    what: 'a class that the network does not have',
    send: async () => quantize(zip([{ name: '99-purple/a.png', data: await image() }])),
  },
  {
    what: 'two folders of one index',
    send: async () =>
      dataset(
        zip([
          { name: '0-a/a.png', data: await image() },
          { name: '0-b/b.png', data: await image() },
        ]),
      ),
  },
  { what: 'labels that are no whole numbers', send: npz(npyFloat([2], [0.5, 1])) },
  { what: 'more labels than samples', send: npz(npy('<i8', [3], Buffer.alloc(24))) },
  { what: 'a negative label', send: npz(npy('<i8', [2], Buffer.alloc(16, 0xff))) },
  {
    what: 'three class names for four classes',
    send: async () => quantize(await colorZip(1), { name: 'labels', value: '["a","b","c"]' }),
  },
].map((item) => ({ group: 'mislabelled sets', answers: ['LABELS_INVALID'], ...item }));

export const sampleCases: readonly HostileCase[] = [
  ...truncated,
  ...bitFlipped,
  ...zipBombs,
  ...imageBombs,
  ...wrongShapes,
  ...notFinite,
  ...pathTricks,
  ...emptySets,
  ...mislabelled,
];
