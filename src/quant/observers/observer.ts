import type { Range } from '../quantizer.ts';

/** Collects statistics of one tensor over many samples in fixed memory, and proposes the range to quantize. */
export interface Observer {
  /** Values of one sample or of several. */
  observe(values: Float32Array): void;
  /** Holds 0. Not finite once a value was not. */
  range(): Range;
}

/** An observer that needs no more than each sample's extremes, which a runtime can compute by itself. */
export interface ExtremesObserver extends Observer {
  /** Extremes of one sample. */
  observeExtremes(min: number, max: number): void;
}

export function isExtremesObserver(observer: Observer): observer is ExtremesObserver {
  return 'observeExtremes' in observer;
}

export const unusableRange: Range = { min: NaN, max: NaN };
