import type { Tensor } from '../tensor/index.ts';

/** One sample's place in a data set; its content is decoded when asked for. */
export interface Sample {
  /** Entry name in the archive or folder, or `#17` in an array file. For messages and reports, never a path to open. */
  readonly name: string;
  /** Class index, where the set is labelled. */
  readonly label?: number;
  /** sha-256 (hex) of the sample's own bytes: two samples with one hash are duplicates. */
  readonly contentHash: string;
}

/** Encoded image bytes, or tensors by network input name ('' for the only input). */
export type SampleContent =
  | { readonly kind: 'image'; readonly bytes: Uint8Array }
  | { readonly kind: 'tensors'; readonly tensors: ReadonlyMap<string, Tensor> };

/**
 * An immutable set of samples. Opening reads the index and hashes; contents are read one at a time, so memory does not
 * grow with the number of samples.
 */
export interface Dataset {
  readonly kind: 'images' | 'tensors';
  readonly samples: readonly Sample[];
  /** Class names by index, where the labels have names. */
  readonly classNames?: readonly string[];
  read(index: number): Promise<SampleContent>;
  close(): Promise<void>;
}

/** What a network input takes, for one sample. */
export interface InputSpec {
  readonly name: string;
  readonly dtype: 'float32' | 'uint8';
  /** Dimension 0 is 1. */
  readonly shape: readonly number[];
  readonly layout: 'NCHW' | 'NHWC';
}
