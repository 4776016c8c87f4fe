/** What one file may cost before it is refused with MODEL_TOO_COMPLEX. */
export interface ReadLimits {
  /** Bytes of the file; protobuf itself ends at 2 GiB. */
  readonly fileBytes: number;
  /** Sub-messages and strings together: each becomes a JavaScript object of some dozen bytes. */
  readonly itemCount: number;
  readonly nodeCount: number;
  readonly initializerCount: number;
  /** Numbers in attributes and dims, which grow from one byte in the file to eight in memory. */
  readonly numberCount: number;
  /** UTF-8 bytes of one name or string attribute. */
  readonly stringBytes: number;
  /** UTF-8 bytes of one metadata value. */
  readonly metadataBytes: number;
  readonly rank: number;
  /** Elements of one tensor. */
  readonly elementCount: number;
  /** Bytes that typed data (varints, 32-bit fields for narrow types) may take once decoded, over the whole file. */
  readonly decodedBytes: number;
}

export const defaultReadLimits: ReadLimits = {
  fileBytes: 2 ** 31 - 1,
  itemCount: 2_000_000,
  nodeCount: 100_000,
  initializerCount: 100_000,
  numberCount: 4_000_000,
  stringBytes: 65_536,
  metadataBytes: 16 * 2 ** 20,
  rank: 16,
  elementCount: 2 ** 31 - 1,
  decodedBytes: 2 ** 30,
};
