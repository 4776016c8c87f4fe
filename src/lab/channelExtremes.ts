import type { LayerReport } from './report.ts';
import { significant } from './significant.ts';

type DominantChannel = NonNullable<NonNullable<LayerReport['activation']>['dominantChannel']>;

/** A channel is named when the range would be narrower by this share without it. */
const DOMINANT_SHARE = 0.2;

/** Smallest and largest value of each channel of an activation, over many samples. */
export class ChannelExtremes {
  readonly #low: Float64Array;
  readonly #high: Float64Array;

  constructor(channels: number) {
    this.#low = new Float64Array(channels);
    this.#high = new Float64Array(channels);
  }

  /** One sample: channels one after the other, equally long. */
  add(values: Float32Array): void {
    const inner = values.length / this.#low.length;
    for (let channel = 0; channel < this.#low.length; channel++) {
      let low = this.#low[channel] ?? 0;
      let high = this.#high[channel] ?? 0;
      for (let i = channel * inner; i < (channel + 1) * inner; i++) {
        const value = values[i] ?? 0;
        if (value < low) low = value;
        if (value > high) high = value;
      }
      this.#low[channel] = low;
      this.#high[channel] = high;
    }
  }

  /** The channel without which the range, which holds 0, would shrink the most. */
  dominant(): DominantChannel | undefined {
    const [low, lowRest, lowest] = twoLargest(this.#low.map((value) => -value));
    const [high, highRest, highest] = twoLargest(this.#high);
    const range = high + low;
    const without = (channel: number): number =>
      (channel === highest ? highRest : high) + (channel === lowest ? lowRest : low);
    const channel = without(highest) <= without(lowest) ? highest : lowest;
    const share = range > 0 ? 1 - without(channel) / range : 0;
    return this.#low.length > 1 && share >= DOMINANT_SHARE ? { channel, share: significant(share, 3) } : undefined;
  }
}

/** The largest and the second largest of values of at least 0, and where the largest is. */
function twoLargest(values: Float64Array): readonly [first: number, second: number, place: number] {
  let [first, second, place] = [0, 0, 0];
  for (const [i, value] of values.entries())
    if (value > first) [first, second, place] = [value, first, i];
    else if (value > second) second = value;
  return [first, second, place];
}
