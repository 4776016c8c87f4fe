import { AppError } from '../base/index.ts';

/** Parts of the same upload by the exact name that the model gives; a name is never made into a path. */
export type ExternalParts = ReadonlyMap<string, Uint8Array>;

export interface ExternalLocation {
  readonly tensorName: string;
  /** Entries of `external_data`; unknown keys are ignored. */
  readonly entries: ReadonlyMap<string, string>;
  /** What the tensor's shape and type need. */
  readonly byteLength: number;
}

/**
 * The bytes of an external tensor as a view of its part.
 *
 * @throws AppError EXTERNAL_DATA_INVALID for a part that was not sent, or an offset or length that does not fit
 */
export function readExternalData(location: ExternalLocation, parts: ExternalParts): Uint8Array {
  const { entries, byteLength } = location;
  const name = entries.get('location');
  if (name === undefined || name === '') throw invalid(location, 'has no location');
  const part = parts.get(name);
  if (!part) {
    const sent = parts.size === 0 ? 'no parts were sent' : `the parts sent are ${[...parts.keys()].join(', ')}`;
    throw invalid(location, `is in '${name}'; ${sent}`);
  }
  const offset = integer(location, 'offset', 0);
  const length = integer(location, 'length', byteLength);
  if (length !== byteLength) throw invalid(location, `has length ${length}; its shape needs ${byteLength} bytes`);
  if (offset + length > part.length)
    throw invalid(location, `ends at byte ${offset + length} of '${name}', which has ${part.length}`);
  return part.subarray(offset, offset + length);
}

function integer(location: ExternalLocation, key: string, fallback: number): number {
  const text = location.entries.get(key);
  if (text === undefined) return fallback;
  if (!/^\d{1,15}$/.test(text)) throw invalid(location, `has ${key} '${text}', which is not a whole number of bytes`);
  return Number(text);
}

function invalid({ tensorName, entries }: ExternalLocation, what: string): AppError {
  return new AppError('EXTERNAL_DATA_INVALID', `External tensor '${tensorName}' ${what}.`, {
    tensor: tensorName,
    location: entries.get('location'),
  });
}
