/** What a small file may make the import allocate; a bomb is refused with MODEL_TOO_COMPLEX. */
export interface ImportLimits {
  /** Bytes of all tensors that constant folding makes. */
  readonly foldedBytes: number;
  /** Elements of one value, for one sample. */
  readonly valueElements: number;
  /** Multiply-accumulates, comparisons and additions of one sample. */
  readonly operationCount: number;
}

export const defaultImportLimits: ImportLimits = {
  foldedBytes: 768 * 2 ** 20,
  valueElements: 2 ** 28,
  operationCount: 2e12,
};
