import { createHash } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { createReadStream } from 'node:fs';
import { AppError, present } from '../base/index.ts';
import { openArrayDataset } from './arrayDataset.ts';
import { readEntry, type Container, type Entry } from './container.ts';
import { detectContent, SNIFF_BYTES, type ContentKind } from './contentKind.ts';
import type { Dataset, Sample } from './dataset.ts';
import { baseName, folderOf } from './entryPath.ts';
import { openFolder } from './folderContainer.ts';
import { labelsFromFolders, labelsFromTable, type Labelling } from './labels.ts';
import { defaultLimits, formatBytes, type DatasetLimits } from './limits.ts';
import { openZip } from './zipContainer.ts';

export type DatasetFormat = 'folder' | 'zip' | 'npy' | 'npz';

export interface OpenDatasetOptions {
  /** What the caller says it is; content that is something else is refused. */
  readonly format?: DatasetFormat | undefined;
  /** A table `file,label` that replaces the set's own labels. */
  readonly labels?: string | undefined;
  /** The network's class names, which names in a table are looked up in. */
  readonly classNames?: readonly string[] | undefined;
  readonly limits?: Partial<DatasetLimits> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A data set with what it turned out to be. */
export interface OpenedDataset extends Dataset {
  readonly format: DatasetFormat;
  /** Entries that are neither samples nor labels: texts such as a licence. */
  readonly ignored: readonly string[];
}

const imageExtension = /\.(?:jpe?g|png|webp|gif|tiff?|avif|bmp)$/i;
const LABEL_TABLE = 'labels.csv';

/**
 * Opens a folder, zip, npy or npz. Every entry is read once: its kind is told from its content, its checksum verified and
 * its hash taken; nothing of it is kept. The caller closes the set.
 *
 * @throws AppError DATASET_MALFORMED, DATASET_EMPTY, DATASET_TOO_LARGE, ARCHIVE_BOMB, ARCHIVE_PATH_UNSAFE,
 *   IMAGE_MALFORMED, LABELS_INVALID, CANCELLED
 */
export async function openDataset(path: string, options: OpenDatasetOptions = {}): Promise<OpenedDataset> {
  const limits = { ...defaultLimits, ...options.limits };
  const { container, format } = await openContainer(path, limits);
  try {
    const scan = await scanEntries(container, limits, options.signal);
    const actual = format === 'zip' && scan.arrays.length > 0 ? 'npz' : format;
    if (options.format !== undefined && options.format !== actual && !(options.format === 'zip' && actual === 'npz'))
      throw malformed(`The data set is declared as ${options.format}, but it is ${actual}.`);
    const labelTable = options.labels === undefined ? scan.labelTable : { text: options.labels, folder: '' };
    const { classNames, signal } = options;
    const dataset =
      scan.arrays.length > 0
        ? await openArrayDataset(container, scan.arrays, { limits, classNames, labelTable, signal })
        : imageDataset(container, scan.images, { classNames, labelTable });
    return { ...dataset, format: actual, ignored: scan.ignored };
  } catch (error) {
    await container.close();
    throw error;
  }
}

async function openContainer(
  path: string,
  limits: DatasetLimits,
): Promise<{ container: Container; format: 'folder' | 'zip' | 'npy' }> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) throw malformed(`There is no data set at '${path}'.`);
  if (found.isDirectory()) return { container: await openFolder(path, limits), format: 'folder' };
  const content = detectContent(await headOf(path));
  if (content.kind === 'npy') return { container: singleFile(path, found.size), format: 'npy' };
  if (content.kind === 'archive' && (content.format === 'zip' || content.format === 'empty zip'))
    return { container: await openZip(path, limits), format: 'zip' };
  throw malformed(`The data set is ${describe(content)}; allowed: a zip of images, npy, npz or a folder.`);
}

async function headOf(path: string): Promise<Uint8Array> {
  const handle = await open(path, 'r');
  try {
    const head = new Uint8Array(SNIFF_BYTES);
    const { bytesRead } = await handle.read(head, 0, head.length, 0);
    return head.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

function singleFile(path: string, sizeBytes: number): Container {
  return {
    entries: [{ name: basename(path), sizeBytes }],
    stream: () => createReadStream(path),
    plainLocation: async () => ({ path, offset: 0 }),
    close: async () => undefined,
  };
}

interface ScannedImage {
  readonly entry: Entry;
  readonly contentHash: string;
}

interface Scan {
  readonly images: readonly ScannedImage[];
  readonly arrays: readonly Entry[];
  readonly ignored: readonly string[];
  readonly labelTable: { readonly text: string; readonly folder: string } | undefined;
}

async function scanEntries(
  container: Container,
  limits: DatasetLimits,
  signal: AbortSignal | undefined,
): Promise<Scan> {
  const images: ScannedImage[] = [];
  const arrays: Entry[] = [];
  const ignored: string[] = [];
  const tables: Entry[] = [];
  for (const entry of container.entries) {
    if (signal?.aborted === true) throw new AppError('CANCELLED', 'Reading the data set was cancelled.');
    const { content, contentHash } = await scanEntry(container, entry);
    if (content.kind === 'npy') arrays.push(entry);
    else if (content.kind === 'image') images.push({ entry: checkEntryBytes(entry, limits), contentHash });
    else if (baseName(entry.name).toLowerCase() === LABEL_TABLE) tables.push(checkEntryBytes(entry, limits));
    else if (content.kind === 'text' && !imageExtension.test(entry.name)) ignored.push(entry.name);
    else throw unusable(entry, content);
  }
  checkMixture(images, arrays, container);
  if (tables.length > 1)
    throw new AppError(
      'LABELS_INVALID',
      `The set has ${tables.length} tables of labels, '${tables[0]?.name ?? ''}' and '${tables[1]?.name ?? ''}'; one is allowed.`,
    );
  const [table] = tables;
  const labelTable =
    table === undefined ? undefined : { text: await readText(container, table), folder: folderOf(table.name) };
  return { images, arrays, ignored, labelTable };
}

async function scanEntry(container: Container, entry: Entry): Promise<{ content: ContentKind; contentHash: string }> {
  const hash = createHash('sha256');
  let head: Uint8Array = new Uint8Array(0);
  for await (const chunk of container.stream(entry)) {
    hash.update(chunk);
    if (head.length < SNIFF_BYTES) head = Buffer.concat([head, chunk.subarray(0, SNIFF_BYTES - head.length)]);
  }
  return { content: detectContent(head), contentHash: hash.digest('hex') };
}

function checkEntryBytes(entry: Entry, limits: DatasetLimits): Entry {
  if (entry.sizeBytes > limits.entryBytes)
    throw new AppError(
      'DATASET_TOO_LARGE',
      `'${entry.name}' is ${formatBytes(entry.sizeBytes)}; at most ${formatBytes(limits.entryBytes)} are allowed.`,
    );
  return entry;
}

function checkMixture(images: readonly ScannedImage[], arrays: readonly Entry[], container: Container): void {
  if (images.length > 0 && arrays.length > 0)
    throw malformed(
      `The set mixes images ('${images[0]?.entry.name ?? ''}') and arrays ('${arrays[0]?.name ?? ''}'); use one of the two.`,
    );
  if (images.length === 0 && arrays.length === 0)
    throw new AppError(
      'DATASET_EMPTY',
      `The data set has no samples: ${container.entries.length} files, none an image or an npy array.`,
    );
}

async function readText(container: Container, entry: Entry): Promise<string> {
  const bytes = await readEntry(container, entry);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new AppError('LABELS_INVALID', `'${entry.name}' is not UTF-8 text.`);
  }
}

function unusable(entry: Entry, content: ContentKind): AppError {
  if (content.kind === 'archive')
    return malformed(`'${entry.name}' is itself an archive (${content.format}); put its files in directly.`);
  return imageExtension.test(entry.name)
    ? new AppError('IMAGE_MALFORMED', `'${entry.name}' is not an image: it is ${describe(content)}.`)
    : malformed(`'${entry.name}' is ${describe(content)}; allowed: JPEG, PNG, WebP, GIF, TIFF, AVIF or npy.`);
}

function describe(content: ContentKind): string {
  switch (content.kind) {
    case 'image':
      return `a ${content.format} image`;
    case 'archive':
      return `a ${content.format} archive`;
    case 'npy':
      return 'an npy array';
    case 'empty':
      return 'empty';
    case 'text':
      return 'text';
    case 'unknown':
      return 'of an unknown kind';
  }
}

function imageDataset(
  container: Container,
  images: readonly ScannedImage[],
  {
    classNames,
    labelTable,
  }: {
    readonly classNames: readonly string[] | undefined;
    readonly labelTable: Scan['labelTable'];
  },
): Dataset {
  const names = images.map(({ entry }) => entry.name);
  const labelling: Labelling | undefined =
    labelTable === undefined
      ? labelsFromFolders(names)
      : labelsFromTable(labelTable.text, names, { folder: labelTable.folder, classNames });
  const samples = images.map(({ entry, contentHash }, index): Sample => {
    const label = labelling?.labels[index];
    return { name: entry.name, contentHash, ...(label === undefined ? {} : { label }) };
  });
  return {
    kind: 'images',
    samples,
    ...(labelling?.classNames === undefined ? {} : { classNames: labelling.classNames }),
    read: async (index) => {
      const { entry } = present(images[index], `sample ${index}`);
      return { kind: 'image', bytes: await readEntry(container, entry) };
    },
    close: () => container.close(),
  };
}

function malformed(detail: string): AppError {
  return new AppError('DATASET_MALFORMED', detail);
}
