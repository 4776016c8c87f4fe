import { AppError } from '../base/index.ts';

/** A named run of bytes: an archive's entry or a folder's file. */
export interface Entry {
  /** Relative path with `/`; checked: no traversal, no absolute path, no link. */
  readonly name: string;
  readonly sizeBytes: number;
}

/** Where bytes lie unchanged inside a file on disk. */
export interface PlainLocation {
  readonly path: string;
  readonly offset: number;
}

/** Entries by name with their contents on demand; what differs between a folder and an archive ends here. */
export interface Container {
  /** In the order of the names; hidden files are left out. */
  readonly entries: readonly Entry[];
  /** Chunks of at most 64 KiB; sizes, ratio and checksum are verified on the way. */
  stream(entry: Entry): AsyncIterable<Uint8Array>;
  /** Absent where the bytes are compressed. */
  plainLocation(entry: Entry): Promise<PlainLocation | undefined>;
  close(): Promise<void>;
}

/** Whole content of an entry, whose size was checked against the limits when the container was opened. */
export async function readEntry(container: Container, entry: Entry): Promise<Uint8Array> {
  const bytes = new Uint8Array(entry.sizeBytes);
  let offset = 0;
  for await (const chunk of container.stream(entry)) {
    if (offset + chunk.length > bytes.length)
      throw new AppError('DATASET_MALFORMED', `'${entry.name}' grew while it was read.`);
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return bytes.subarray(0, offset);
}
