import { Histogram, sparseStride } from '../quant/index.ts';
import { ChannelExtremes } from './channelExtremes.ts';
import { condense } from './histogramFigures.ts';
import { ErrorTally } from './outputError.ts';
import type { QuantizedActivation } from './qdqStructure.ts';
import type { LayerReport } from './report.ts';

export interface ActivationFigures {
  /** Absent where the value stays float. */
  readonly activation: LayerReport['activation'];
  readonly accumulatedSqnrDb: number | null;
  /** Of the float network; fine enough to try other ranges on. */
  readonly histogram: Histogram | undefined;
}

/** Error of one value: its own quantizer's on exact numbers, and all that has accumulated up to it. Fixed memory. */
export class ActivationTally {
  readonly #params: QuantizedActivation | undefined;
  readonly #local = new ErrorTally();
  readonly #accumulated = new ErrorTally();
  readonly #histogram: Histogram | undefined;
  readonly #channels: ChannelExtremes | undefined;
  #clipped = 0;
  #count = 0;

  /** @param shape  of the value, channels second */
  constructor(params: QuantizedActivation | undefined, shape: readonly number[]) {
    this.#params = params;
    if (params === undefined) return;
    this.#histogram = new Histogram();
    const channels = shape[1] ?? 0;
    if (channels > 1 && (shape.length === 2 || shape.length === 4)) this.#channels = new ChannelExtremes(channels);
  }

  /** One sample. */
  add(exact: Float32Array, simulated: Float32Array): void {
    this.#accumulated.addFloats(exact, simulated);
    if (this.#params === undefined) return;
    this.#histogram?.add(exact, sparseStride(exact.length));
    this.#channels?.add(exact);
    const { scale, zeroPoint, qmin, qmax } = this.#params;
    const rounded = new Float32Array(exact.length);
    // Half a step beyond the range is rounding, not clipping.
    const [lowest, highest] = [qmin - zeroPoint - 0.5, qmax - zeroPoint + 0.5];
    for (let i = 0; i < exact.length; i++) {
      const steps = (exact[i] ?? 0) / scale;
      if (steps < lowest || steps > highest) this.#clipped++;
      rounded[i] = Math.min(Math.max(Math.round(steps), qmin - zeroPoint), qmax - zeroPoint) * scale;
    }
    this.#local.addFloats(exact, rounded);
    this.#count += exact.length;
  }

  figures(): ActivationFigures {
    const accumulatedSqnrDb = this.#accumulated.figures().sqnrDb;
    if (this.#params === undefined) return { activation: undefined, accumulatedSqnrDb, histogram: undefined };
    const { scale, zeroPoint, qmin, qmax } = this.#params;
    const histogram = this.#histogram && condense(this.#histogram);
    const dominantChannel = this.#channels?.dominant();
    return {
      accumulatedSqnrDb,
      histogram: this.#histogram,
      activation: {
        scale,
        zeroPoint,
        min: (qmin - zeroPoint) * scale,
        max: (qmax - zeroPoint) * scale,
        localSqnrDb: this.#local.figures().sqnrDb,
        clippedShare: this.#count === 0 ? 0 : this.#clipped / this.#count,
        ...(histogram === undefined ? {} : { histogram }),
        ...(dominantChannel === undefined ? {} : { dominantChannel }),
      },
    };
  }
}
