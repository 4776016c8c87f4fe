import { open, stat, type FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { crc32, createInflateRaw } from 'node:zlib';
import { getFileNameLowLevel, openPromise, type Entry as ZipEntry, type ZipFile } from 'yauzl';
import { AppError, invariant } from '../base/index.ts';
import type { Container, Entry, PlainLocation } from './container.ts';
import { checkEntryName, compareNames, isHidden } from './entryPath.ts';
import { formatBytes, RATIO_SLACK_BYTES, type DatasetLimits } from './limits.ts';

const STORED = 0;
const DEFLATED = 8;
const CHUNK_BYTES = 64 * 1_024;
const UNIX_TYPE_MASK = 0o170000;
const UNIX_LINK = 0o120000;

/**
 * A zip archive. The central directory is checked whole before any content is read: names, links, encryption, methods,
 * sizes, ratio and overlap; then each content against its declared size and checksum while it streams.
 *
 * @throws AppError DATASET_MALFORMED, DATASET_TOO_LARGE, ARCHIVE_BOMB, ARCHIVE_PATH_UNSAFE
 */
export async function openZip(path: string, limits: DatasetLimits): Promise<Container> {
  const archiveBytes = (await stat(path)).size;
  const zip = await openPromise(path, { autoClose: false, decodeStrings: false, validateEntrySizes: false }).catch(
    (error: unknown) => Promise.reject(malformed(error)),
  );
  const handle = await open(path, 'r');
  try {
    const directory = await readDirectory(zip, archiveBytes, limits);
    return new ZipContainer(path, zip, handle, directory, limits);
  } catch (error) {
    zip.close();
    await handle.close();
    throw error instanceof AppError ? error : malformed(error);
  }
}

async function readDirectory(
  zip: ZipFile,
  archiveBytes: number,
  limits: DatasetLimits,
): Promise<ReadonlyMap<string, ZipEntry>> {
  if (zip.entryCount > limits.entries)
    throw new AppError(
      'DATASET_TOO_LARGE',
      `The archive has ${zip.entryCount} entries; at most ${limits.entries} are allowed.`,
    );
  const directory = new Map<string, ZipEntry>();
  let compressed = 0;
  let expanded = 0;
  for await (const entry of zip.eachEntry()) {
    const name = checkEntryName(
      getFileNameLowLevel(entry.generalPurposeBitFlag, entry.fileNameRaw, entry.extraFields, true),
    );
    checkEntry(name, entry);
    compressed += entry.compressedSize;
    expanded += entry.uncompressedSize;
    checkTotals({ compressed, expanded, archiveBytes }, limits);
    if (name.endsWith('/') || isHidden(name)) continue;
    if (directory.has(name)) throw malformedText(`Entry '${name}' occurs twice in the archive.`);
    directory.set(name, entry);
  }
  return directory;
}

function checkEntry(name: string, entry: ZipEntry): void {
  if (((entry.externalFileAttributes >>> 16) & UNIX_TYPE_MASK) === UNIX_LINK)
    throw new AppError('ARCHIVE_PATH_UNSAFE', `Entry '${name}' is a symbolic link; links are not allowed.`);
  if (entry.isEncrypted()) throw malformedText(`Entry '${name}' is encrypted.`);
  if (entry.compressionMethod !== STORED && entry.compressionMethod !== DEFLATED)
    throw malformedText(
      `Entry '${name}' uses compression method ${entry.compressionMethod}; allowed: stored (0), deflated (8).`,
    );
  if (entry.compressionMethod === STORED && entry.compressedSize !== entry.uncompressedSize)
    throw malformedText(
      `Entry '${name}' is stored in ${entry.compressedSize} bytes but declares ${entry.uncompressedSize}.`,
    );
}

function checkTotals(
  { compressed, expanded, archiveBytes }: { compressed: number; expanded: number; archiveBytes: number },
  limits: DatasetLimits,
): void {
  if (compressed > archiveBytes)
    throw new AppError(
      'ARCHIVE_BOMB',
      `The entries claim ${formatBytes(compressed)} of an archive of ${formatBytes(archiveBytes)}: they overlap.`,
    );
  if (expanded > limits.totalBytes)
    throw new AppError(
      'DATASET_TOO_LARGE',
      `The archive expands to more than ${formatBytes(limits.totalBytes)}, the most that is allowed.`,
    );
}

class ZipContainer implements Container {
  readonly entries: readonly Entry[];
  readonly #path: string;
  readonly #zip: ZipFile;
  readonly #handle: FileHandle;
  readonly #directory: ReadonlyMap<string, ZipEntry>;
  readonly #limits: DatasetLimits;

  constructor(
    path: string,
    zip: ZipFile,
    handle: FileHandle,
    directory: ReadonlyMap<string, ZipEntry>,
    limits: DatasetLimits,
  ) {
    this.#path = path;
    this.#zip = zip;
    this.#handle = handle;
    this.#directory = directory;
    this.#limits = limits;
    this.entries = [...directory]
      .map(([name, entry]) => ({ name, sizeBytes: entry.uncompressedSize }))
      .sort((a, b) => compareNames(a.name, b.name));
  }

  async *stream(entry: Entry): AsyncGenerator<Uint8Array> {
    const found = this.#find(entry);
    const start = await this.#dataStart(entry.name, found);
    const raw = this.#read(start, found.compressedSize);
    const guard = new EntryGuard(entry.name, found, this.#limits);
    try {
      const content = found.compressionMethod === STORED ? raw : inflate(raw);
      for await (const chunk of content) {
        guard.accept(chunk);
        yield chunk;
      }
    } catch (error) {
      throw error instanceof AppError
        ? error
        : malformedText(`Entry '${entry.name}' cannot be expanded: ${reason(error)}.`);
    }
    guard.finish();
  }

  async plainLocation(entry: Entry): Promise<PlainLocation | undefined> {
    const found = this.#find(entry);
    if (found.compressionMethod !== STORED) return undefined;
    return { path: this.#path, offset: await this.#dataStart(entry.name, found) };
  }

  async close(): Promise<void> {
    this.#zip.close();
    await this.#handle.close();
  }

  #find(entry: Entry): ZipEntry {
    const found = this.#directory.get(entry.name);
    invariant(found, `entry '${entry.name}' is not of this archive`);
    return found;
  }

  async #dataStart(name: string, entry: ZipEntry): Promise<number> {
    try {
      return (await this.#zip.readLocalFileHeaderPromise(entry, { minimal: true })).fileDataStart;
    } catch (error) {
      throw malformedText(`Entry '${name}' cannot be found in the archive: ${reason(error)}.`);
    }
  }

  async *#read(start: number, length: number): AsyncGenerator<Uint8Array> {
    for (let offset = 0; offset < length;) {
      const chunk = new Uint8Array(Math.min(CHUNK_BYTES, length - offset));
      const { bytesRead } = await this.#handle.read(chunk, 0, chunk.length, start + offset);
      if (bytesRead === 0) throw new Error('the archive ends early');
      yield chunk.subarray(0, bytesRead);
      offset += bytesRead;
    }
  }
}

/** Counts what an entry expands to while it streams, and holds it to its declared size, ratio and checksum. */
class EntryGuard {
  readonly #name: string;
  readonly #entry: ZipEntry;
  readonly #ratioBytes: number;
  readonly #ratio: number;
  #count = 0;
  #crc = 0;

  constructor(name: string, entry: ZipEntry, limits: DatasetLimits) {
    this.#name = name;
    this.#entry = entry;
    this.#ratio = limits.ratio;
    this.#ratioBytes = Math.max(RATIO_SLACK_BYTES, entry.compressedSize * limits.ratio);
  }

  accept(chunk: Uint8Array): void {
    this.#count += chunk.length;
    this.#crc = crc32(chunk, this.#crc);
    if (this.#count > this.#ratioBytes)
      throw new AppError(
        'ARCHIVE_BOMB',
        `Entry '${this.#name}' expands ${formatBytes(this.#entry.compressedSize)} to more than ${this.#ratio} times as much.`,
      );
    if (this.#count > this.#entry.uncompressedSize) throw this.#wrongSize('more');
  }

  finish(): void {
    if (this.#count < this.#entry.uncompressedSize) throw this.#wrongSize('less');
    if (this.#crc !== this.#entry.crc32)
      throw malformedText(`Entry '${this.#name}' does not match its CRC-32; the archive is damaged.`);
  }

  #wrongSize(found: 'more' | 'less'): AppError {
    return malformedText(
      `Entry '${this.#name}' holds ${found} than the ${this.#entry.uncompressedSize} bytes it declares.`,
    );
  }
}

function inflate(raw: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const source = Readable.from(raw, { objectMode: false });
  const inflated = createInflateRaw({ chunkSize: CHUNK_BYTES });
  source.on('error', (error) => inflated.destroy(error));
  inflated.on('close', () => source.destroy());
  return source.pipe(inflated);
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function malformed(error: unknown): AppError {
  return malformedText(`The archive cannot be read: ${reason(error)}.`);
}

function malformedText(detail: string): AppError {
  return new AppError('DATASET_MALFORMED', detail);
}
