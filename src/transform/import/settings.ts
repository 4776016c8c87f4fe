/** What a small file may make the import allocate; a bomb is refused with MODEL_TOO_COMPLEX. */
export interface ImportLimits {
  /** Bytes of all tensors that constant folding makes. */
  readonly foldedBytes: number;
  /** Steps of the plain loops that constant folding may take. */
  readonly foldedSteps: number;
  /** Elements of one value, for one sample. */
  readonly valueElements: number;
  readonly rank: number;
  /** Products, window taps and elements of one sample through the whole network. */
  readonly steps: number;
}

export const defaultImportLimits: ImportLimits = {
  foldedBytes: 768 * 2 ** 20,
  foldedSteps: 2e9,
  valueElements: 2 ** 28,
  rank: 16,
  steps: 2e12,
};
