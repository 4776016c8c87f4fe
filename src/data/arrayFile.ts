import { mkdtemp, open, rm, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AppError } from '../base/index.ts';
import { bytesPerElement, elementCount, fromBytes, type Tensor } from '../tensor/index.ts';
import type { Container, Entry } from './container.ts';
import { formatBytes, MAX_FORTRAN_BYTES, MAX_SAMPLE_BYTES, type DatasetLimits } from './limits.ts';
import { NPY_HEADER_BYTES, readNpyHeader, type NpyHeader } from './npyHeader.ts';

/** An array on disk in C order, of which any row of the first axis is read alone. */
export interface ArrayFile {
  readonly name: string;
  readonly header: NpyHeader;
  /** Elements of one row have the shape without the first axis. */
  readRow(index: number): Promise<Tensor>;
  readAll(): Promise<Tensor>;
  close(): Promise<void>;
}

/**
 * Opens the array in an entry. Bytes that lie unchanged on disk are read where they are; compressed ones and those in
 * Fortran order go through a temporary file that has no name, so nothing is left behind.
 *
 * @throws AppError DATASET_MALFORMED, DATASET_TOO_LARGE
 */
export async function openArray(container: Container, entry: Entry, limits: DatasetLimits): Promise<ArrayFile> {
  const header = await headerOf(container, entry, limits);
  const rowBytes = bytesOf(header) / Math.max(1, header.shape[0] ?? 1);
  if (rowBytes > MAX_SAMPLE_BYTES)
    throw new AppError(
      'DATASET_TOO_LARGE',
      `One sample of array '${entry.name}' is ${formatBytes(rowBytes)}; at most ${formatBytes(MAX_SAMPLE_BYTES)} are allowed.`,
    );
  const plain = header.order === 'C' ? await container.plainLocation(entry) : undefined;
  const handle = plain === undefined ? await spool(container, entry, header) : await open(plain.path, 'r');
  const offset = plain === undefined ? 0 : plain.offset + header.dataOffset;
  return arrayFile(entry.name, header, handle, offset);
}

async function headerOf(container: Container, entry: Entry, limits: DatasetLimits): Promise<NpyHeader> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of container.stream(entry)) {
    chunks.push(chunk);
    length += chunk.length;
    if (length >= NPY_HEADER_BYTES) break;
  }
  const head = Buffer.concat(chunks).subarray(0, NPY_HEADER_BYTES);
  return readNpyHeader(entry.name, head, { fileBytes: entry.sizeBytes, limits });
}

function arrayFile(name: string, header: NpyHeader, handle: FileHandle, offset: number): ArrayFile {
  const rows = header.shape[0] ?? 1;
  const rowBytes = bytesOf(header) / Math.max(1, rows);
  const read = async (start: number, length: number): Promise<Uint8Array> => {
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length;) {
      const { bytesRead } = await handle.read(bytes, done, length - done, offset + start + done);
      if (bytesRead === 0) throw new AppError('DATASET_MALFORMED', `Array '${name}' ends early.`);
      done += bytesRead;
    }
    return bytes;
  };
  const asTensor = (bytes: Uint8Array, shape: readonly number[]): Tensor =>
    ({ dtype: header.dtype, shape, data: fromBytes(header.dtype, bytes) }) as Tensor;
  return {
    name,
    header,
    readRow: async (index) => asTensor(await read(index * rowBytes, rowBytes), header.shape.slice(1)),
    readAll: async () => asTensor(await read(0, bytesOf(header)), header.shape),
    close: () => handle.close(),
  };
}

async function spool(container: Container, entry: Entry, header: NpyHeader): Promise<FileHandle> {
  const folder = await mkdtemp(join(tmpdir(), 'octet-array-'));
  const handle = await open(join(folder, 'array'), 'w+');
  // The open handle keeps the bytes; the name is not needed again.
  await rm(folder, { recursive: true, force: true });
  try {
    if (header.order === 'C') await copyData(container, entry, header, handle);
    else await handle.write(await inRowMajorOrder(container, entry, header));
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function copyData(container: Container, entry: Entry, header: NpyHeader, handle: FileHandle): Promise<void> {
  let position = 0;
  for await (const chunk of container.stream(entry)) {
    const data = chunk.subarray(Math.max(0, header.dataOffset - position));
    if (data.length > 0) await handle.write(data);
    position += chunk.length;
  }
}

/** Element (i0, i1, …) lies at i0 + d0 · (i1 + d1 · (…)) in Fortran order. */
async function inRowMajorOrder(container: Container, entry: Entry, header: NpyHeader): Promise<Uint8Array> {
  const total = bytesOf(header);
  if (total > MAX_FORTRAN_BYTES)
    throw new AppError(
      'DATASET_TOO_LARGE',
      `Array '${entry.name}' is ${formatBytes(total)} in Fortran order, of which at most ${formatBytes(MAX_FORTRAN_BYTES)} ` +
        `are allowed; save it in C order (numpy.ascontiguousarray).`,
    );
  const source = new Uint8Array(total);
  let position = 0;
  for await (const chunk of container.stream(entry)) {
    const data = chunk.subarray(Math.max(0, header.dataOffset - position));
    source.set(data, Math.max(0, position - header.dataOffset));
    position += chunk.length;
  }
  return transposeAxes(source, header);
}

function transposeAxes(source: Uint8Array, { dtype, shape }: NpyHeader): Uint8Array {
  const size = bytesPerElement[dtype];
  const target = new Uint8Array(source.length);
  const fortranStrides = shape.map((_, axis) => elementCount(shape.slice(0, axis)));
  const index = new Array<number>(shape.length).fill(0);
  let from = 0;
  for (let to = 0; to < target.length; to += size) {
    for (let byte = 0; byte < size; byte++) target[to + byte] = source[from * size + byte] ?? 0;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const stride = fortranStrides[axis] ?? 0;
      const next = (index[axis] ?? 0) + 1;
      from += stride;
      if (next < (shape[axis] ?? 0)) {
        index[axis] = next;
        break;
      }
      from -= next * stride;
      index[axis] = 0;
    }
  }
  return target;
}

function bytesOf({ dtype, shape }: NpyHeader): number {
  return elementCount(shape) * bytesPerElement[dtype];
}
