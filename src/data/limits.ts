const KiB = 1_024;
const MiB = 1_024 * KiB;
const GiB = 1_024 * MiB;

/** What a data set may cost before it is refused. Every bound is checked before the memory or time is spent. */
export interface DatasetLimits {
  /** Entries of an archive, or files of a folder, the ignored ones too. */
  readonly entries: number;
  /** Bytes of one entry that is not an array: an image, a table of labels. */
  readonly entryBytes: number;
  /** Bytes of all entries together, expanded. */
  readonly totalBytes: number;
  /** Expanded bytes for each compressed byte, of each entry and of the whole archive. */
  readonly ratio: number;
  /** Width times height of an image, known from its header before it is decoded. */
  readonly pixels: number;
}

/** 100,000 entries: twice the largest validation set in common use (ImageNet's 50,000). */
export const defaultLimits: DatasetLimits = {
  entries: 100_000,
  entryBytes: 64 * MiB,
  totalBytes: 16 * GiB,
  ratio: 100,
  pixels: 50_000_000,
};

/** Bytes that an entry may expand to whatever its ratio: small texts compress beyond 100:1 without harm. */
export const RATIO_SLACK_BYTES = 64 * KiB;

/** An array in Fortran order is turned into C order in memory; larger ones must be saved in C order. */
export const MAX_FORTRAN_BYTES = 256 * MiB;

/** Rows of one sample: what loading one sample may allocate. */
export const MAX_SAMPLE_BYTES = 256 * MiB;

export function formatBytes(bytes: number): string {
  if (bytes >= GiB) return `${(bytes / GiB).toFixed(1)} GiB`;
  if (bytes >= MiB) return `${(bytes / MiB).toFixed(1)} MiB`;
  return bytes >= KiB ? `${(bytes / KiB).toFixed(1)} KiB` : `${bytes} bytes`;
}
