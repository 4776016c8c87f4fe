import { AppError } from '../base/index.ts';
import { bytesPerElement, formatShape, type Dtype } from '../tensor/index.ts';
import { formatBytes, type DatasetLimits } from './limits.ts';

/** What stands before the elements of an .npy file. */
export interface NpyHeader {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly order: 'C' | 'Fortran';
  /** Where the elements start. */
  readonly dataOffset: number;
}

/** Magic, version, length field and a header far longer than any real one (NumPy writes 118 bytes). */
export const NPY_HEADER_BYTES = 12 + 4_096;
const MAX_RANK = 8;

const dtypes: Readonly<Record<string, Dtype>> = {
  '<f2': 'float16',
  '<f4': 'float32',
  '<f8': 'float64',
  '|i1': 'int8',
  '|u1': 'uint8',
  '<i2': 'int16',
  '<u2': 'uint16',
  '<i4': 'int32',
  '<u4': 'uint32',
  '<i8': 'int64',
  '<u8': 'uint64',
  '|b1': 'bool',
};

/**
 * Reads the header of an .npy array, versions 1 to 3.
 *
 * @param head  the file's first `NPY_HEADER_BYTES` bytes, or all of a shorter file
 * @throws AppError DATASET_MALFORMED, DATASET_TOO_LARGE
 * Source: NumPy Enhancement Proposal 1, "A simple file format for NumPy arrays".
 */
export function readNpyHeader(
  name: string,
  head: Uint8Array,
  { fileBytes, limits }: { readonly fileBytes: number; readonly limits: DatasetLimits },
): NpyHeader {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const version = head[6] ?? 0;
  if (head.length < 10 || version < 1 || version > 3)
    throw malformed(name, `has format version ${version}; versions 1 to 3 are known`);
  const start = version === 1 ? 10 : 12;
  if (head.length < start) throw malformed(name, 'ends inside its header');
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  const dataOffset = start + length;
  if (dataOffset > NPY_HEADER_BYTES) throw malformed(name, `has a header of ${length} bytes; at most 4096 are allowed`);
  if (dataOffset > head.length) throw malformed(name, 'ends inside its header');
  const fields = parseHeader(name, new TextDecoder('latin1').decode(head.subarray(start, dataOffset)));
  checkSize(name, fields, { dataBytes: fileBytes - dataOffset, limits });
  return { ...fields, dataOffset };
}

type Fields = Omit<NpyHeader, 'dataOffset'>;

/** The header is a Python dict of exactly three keys, in any order. */
function parseHeader(name: string, text: string): Fields {
  const body = /^\{(.*)\}\s*$/s.exec(text.trim())?.[1];
  if (body === undefined) throw malformed(name, 'has a header that is not a dictionary');
  const descr = /(?:^|[,{\s])['"]descr['"]\s*:\s*(?:'([^']*)'|"([^"]*)")/.exec(body);
  const fortran = /['"]fortran_order['"]\s*:\s*(True|False)/.exec(body)?.[1];
  const shape = /['"]shape['"]\s*:\s*\(([\d,\sL]*)\)/.exec(body)?.[1];
  if (fortran === undefined || shape === undefined || body.length > 4_096)
    throw malformed(name, 'has a header without descr, fortran_order or shape');
  const type = descr?.[1] ?? descr?.[2] ?? 'a structure';
  const dtype = dtypes[type.replace(/^=/, '<').replace(/^[<>=](?=[iub]1$)/, '|')];
  if (dtype === undefined)
    throw malformed(name, `has elements of type '${type}'; allowed: ${Object.keys(dtypes).join(', ')}`);
  return { dtype, shape: parseShape(name, shape), order: fortran === 'True' ? 'Fortran' : 'C' };
}

function parseShape(name: string, text: string): number[] {
  const dims = text
    .split(',')
    .map((part) => part.trim().replace(/L$/, ''))
    .filter((part) => part !== '');
  if (dims.length > MAX_RANK) throw malformed(name, `has ${dims.length} dimensions; at most ${MAX_RANK} are allowed`);
  return dims.map((part) => {
    const dim = /^\d{1,15}$/.test(part) ? Number(part) : NaN;
    if (!Number.isSafeInteger(dim)) throw malformed(name, `has the dimension '${part}'`);
    return dim;
  });
}

function checkSize(
  name: string,
  { dtype, shape }: Fields,
  { dataBytes, limits }: { readonly dataBytes: number; readonly limits: DatasetLimits },
): void {
  const needed = shape.reduce((product, dim) => product * BigInt(dim), BigInt(bytesPerElement[dtype]));
  if (needed > BigInt(limits.totalBytes))
    throw new AppError(
      'DATASET_TOO_LARGE',
      `Array '${name}' of shape ${formatShape(shape)} needs ${needed} bytes; at most ${formatBytes(limits.totalBytes)} are allowed.`,
    );
  if (needed !== BigInt(dataBytes))
    throw malformed(
      name,
      `declares ${dtype} ${formatShape(shape)}, which is ${needed} bytes, but holds ${Math.max(0, dataBytes)}`,
    );
}

function malformed(name: string, detail: string): AppError {
  return new AppError('DATASET_MALFORMED', `Array '${name}' ${detail}.`);
}
