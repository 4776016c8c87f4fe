import type { Local } from '../../../wasm/index.ts';

/** What a lookup of 16 bytes is given; it leaves the results on the stack. */
export interface LookUp {
  /** The bytes to look up. */
  readonly index: Local;
  /** Pushes the table's entries that share a high nibble. */
  readonly row: (nibble: number) => void;
  /** Called between instructions, for others that may run beside them. */
  readonly afterLookUp?: () => void;
}
