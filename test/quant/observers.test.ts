import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gaussian, seededRandom } from '../../src/base/index.ts';
import { EntropyObserver, entropyThresholdBins } from '../../src/quant/observers/entropy.ts';
import { extremesOf } from '../../src/quant/observers/extremes.ts';
import { binCount, Histogram } from '../../src/quant/observers/histogram.ts';
import { MeanSquareObserver } from '../../src/quant/observers/meanSquare.ts';
import {
  MinMaxObserver,
  momentum,
  MovingMinMaxObserver,
  samplesPerMiniBatch,
} from '../../src/quant/observers/minMax.ts';
import { countedPerSample, sparseStride, type Observer } from '../../src/quant/observers/observer.ts';
import { PercentileObserver } from '../../src/quant/observers/percentile.ts';

const anyFloats = fc.float32Array({ noNaN: true, noDefaultInfinity: true, minLength: 1, maxLength: 200 });

function normals(count: number, seed: number, scale = 1): Float32Array {
  const random = seededRandom(seed);
  return Float32Array.from({ length: count }, () => gaussian(random) * scale);
}

describe('extremes', () => {
  it('are the smallest and largest of the values and 0', () => {
    fc.assert(
      fc.property(anyFloats, (values) => {
        const { min, max, finite } = extremesOf(values);
        expect(finite).toBe(true);
        expect(min + 0).toBe(Math.min(0, ...values) + 0);
        expect(max).toBe(Math.max(0, ...values) + 0);
      }),
    );
  });

  it.each([NaN, Infinity, -Infinity])('tell that %d is among the values', (odd) => {
    const values = normals(33, 1);
    for (const at of [0, 16, 32]) expect(extremesOf(values.with(at, odd)).finite).toBe(false);
  });

  it('of nothing are 0', () => {
    expect(extremesOf(new Float32Array())).toEqual({ min: 0, max: 0, finite: true });
  });
});

/** Counts with a given width, the plain way. */
function exactHistogram(values: Float32Array, width: number): number[] {
  const counts = new Array<number>(2 * binCount).fill(0);
  for (const x of values) counts[Math.floor(x / width) + binCount]!++;
  return counts;
}

describe('streaming histogram', () => {
  it('equals the histogram that knew the final width from the start', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 300 }), fc.integer({ min: -12, max: 12 })), {
          minLength: 1,
          maxLength: 6,
        }),
        fc.nat(),
        (parts, seed) => {
          const arrays = parts.map(([count, power], i) => normals(count, seed + i, 2 ** power));
          const streamed = new Histogram();
          for (const values of arrays) streamed.add(values);
          const all = Float32Array.from(arrays.flatMap((values) => [...values]));
          expect([...streamed.counts]).toEqual(exactHistogram(all, streamed.width));
          expect(streamed.total).toBe(all.length);
          expect(streamed.max).toBe(Math.max(0, ...all));
        },
      ),
      { numRuns: 50 },
    );
  });

  it('does not depend on how the values are split', () => {
    const values = normals(5000, 3);
    const whole = new Histogram();
    whole.add(values);
    const split = new Histogram();
    for (let at = 0; at < values.length; at += 37) split.add(values.subarray(at, at + 37));
    expect(split.width).toBe(whole.width);
    expect([...split.counts]).toEqual([...whole.counts]);
  });

  it('uses at least half of its bins', () => {
    fc.assert(
      fc.property(fc.float({ min: Math.fround(1e-30), max: Math.fround(1e30), noNaN: true }), (x) => {
        const histogram = new Histogram();
        histogram.add(Float32Array.of(x));
        expect(x / histogram.width).toBeGreaterThanOrEqual(binCount / 2);
        expect(x / histogram.width).toBeLessThan(binCount);
      }),
    );
  });

  it('counts zeros that come before any other value', () => {
    const histogram = new Histogram();
    histogram.add(new Float32Array(10));
    expect(histogram.width).toBe(0);
    histogram.add(Float32Array.of(1, 0));
    expect(histogram.positive()[0]).toBe(11);
    expect(histogram.total).toBe(12);
  });

  it('folds both signs together', () => {
    const histogram = new Histogram();
    histogram.add(Float32Array.of(-1.5, 1.5, 0.25, -0.25, -0.25));
    const magnitudes = histogram.magnitudes();
    expect(magnitudes[Math.floor(0.25 / histogram.width)]! + magnitudes[Math.floor(0.25 / histogram.width) - 1]!).toBe(
      3,
    );
    expect(magnitudes.reduce((a, b) => a + b)).toBe(5);
    expect(histogram.negative().reduce((a, b) => a + b)).toBe(3);
  });

  it('takes few values of large samples, in steps that no dimension divides', () => {
    for (const shape of [
      [96, 112, 112],
      [32, 28, 28],
      [64, 55, 55],
      [3, 300, 300],
    ]) {
      const length = shape.reduce((a, b) => a * b, 1);
      const stride = sparseStride(length);
      expect(length / stride).toBeLessThanOrEqual(countedPerSample);
      if (stride > 1) for (const dim of shape) expect(dim % stride === 0 || stride % dim === 0).toBe(false);
    }
    expect(sparseStride(1000)).toBe(1);
  });

  it('counts every stride-th value, but sees all extremes', () => {
    const values = Float32Array.from({ length: 101 }, (_, i) => i);
    const histogram = new Histogram();
    histogram.add(values, 3);
    expect(histogram.total).toBe(34);
    expect(histogram.counts.reduce((a, b) => a + b)).toBe(34);
    expect(histogram.max).toBe(100);
  });

  it('notices values that are not finite', () => {
    for (const observer of [new EntropyObserver(8), new PercentileObserver(99), new MeanSquareObserver(8)]) {
      observer.observe(Float32Array.of(1, NaN));
      observer.observe(Float32Array.of(1, 2));
      expect(observer.range().max).toBeNaN();
    }
  });
});

/** The threshold by the definition: build P and Q for every candidate, compare them bin by bin. */
function bruteForceThreshold(counts: ArrayLike<number>, levels: number): { best: number; divergences: number[] } {
  const total = Array.from(counts).reduce((a, b) => a + b, 0);
  let best = -1;
  let least = Infinity;
  const divergences: number[] = [];
  for (let bins = 128; bins <= counts.length; bins++) {
    const kept = Array.from({ length: bins }, (_, i) => counts[i]!);
    const keptTotal = kept.reduce((a, b) => a + b, 0);
    const p = [...kept];
    p[bins - 1]! += total - keptTotal;
    const mass = new Map<number, number>();
    const filled = new Map<number, number>();
    kept.forEach((count, j) => {
      const level = Math.floor((j * levels) / bins);
      mass.set(level, (mass.get(level) ?? 0) + count);
      filled.set(level, (filled.get(level) ?? 0) + (count > 0 ? 1 : 0));
    });
    let divergence = 0;
    p.forEach((count, j) => {
      if (count === 0) return;
      const level = Math.floor((j * levels) / bins);
      const q = kept[j]! > 0 ? mass.get(level)! / filled.get(level)! / keptTotal : 1e-4 / total;
      divergence += (count / total) * Math.log(count / total / q);
    });
    divergences.push(divergence);
    if (divergence < least) [least, best] = [divergence, bins];
  }
  return { best, divergences };
}

describe('divergence threshold', () => {
  const shapes: Record<string, (x: number, random: () => number) => number> = {
    normal: (x) => 4000 * Math.exp(-((x / 300) ** 2)),
    longTail: (x) => 100000 / (1 + x) ** 1.5,
    sparse: (x, random) => (random() < 0.9 ? 0 : 1000 * Math.exp(-x / 200)),
    spikeFarOut: (x) => (x === 1900 ? 50 : x < 200 ? 300 - x : 0),
    uniform: () => 10,
  };

  it.each(Object.keys(shapes))('is the one that the definition gives: %s', (name) => {
    for (const levels of [127, 255, 7]) {
      const random = seededRandom(levels);
      const counts = Float64Array.from({ length: binCount }, (_, x) => Math.floor(shapes[name]!(x, random)));
      const { best, divergences } = bruteForceThreshold(counts, levels);
      const found = entropyThresholdBins(counts, levels);
      // Candidates whose divergences differ by rounding alone may change places.
      expect(divergences[found - 128]).toBeCloseTo(divergences[best - 128]!, 9);
    }
  });

  it('cuts a lonely outlier off and keeps an even distribution whole', () => {
    const values = normals(100_000, 5);
    values[77] = 60;
    const observer = new EntropyObserver(8);
    observer.observe(values);
    const { min, max } = observer.range();
    expect(max).toBeGreaterThan(3);
    expect(max).toBeLessThan(8);
    expect(min).toBe(Math.max(-max, extremesOf(values).min));
    const even = new EntropyObserver(8);
    even.observe(Float32Array.from({ length: 50_000 }, (_, i) => i / 50_000));
    expect(even.range().max).toBeGreaterThan(0.99);
  });
});

describe('ranges', () => {
  it('of min-max are the extremes of everything', () => {
    fc.assert(
      fc.property(fc.array(anyFloats, { minLength: 1, maxLength: 5 }), (arrays) => {
        const observer = new MinMaxObserver();
        for (const values of arrays) observer.observe(values);
        const all = arrays.flatMap((values) => [...values]);
        expect(observer.range().min + 0).toBe(Math.min(0, ...all) + 0);
        expect(observer.range().max).toBe(Math.max(0, ...all) + 0);
      }),
    );
  });

  it('of moving min-max follow the recurrence over full mini-batches', () => {
    const random = seededRandom(11);
    const batches = Array.from({ length: 150 }, () => Array.from({ length: samplesPerMiniBatch }, () => random() * 10));
    const observer = new MovingMinMaxObserver();
    let expected = 0;
    for (const [t, batch] of batches.entries()) {
      for (const max of batch) observer.observe(new Float32Array(), { min: -max, max, finite: true });
      expected += Math.max(1 / (t + 1), momentum) * (Math.max(...batch) - expected);
      expect(observer.range().max).toBeCloseTo(expected, 9);
      expect(observer.range().min).toBeCloseTo(-expected, 9);
    }
    observer.observe(Float32Array.of(-1000, 1000));
    expect(observer.range().max).toBeCloseTo(expected, 9);
  });

  it('of moving min-max with fewer samples than a mini-batch are their extremes', () => {
    const observer = new MovingMinMaxObserver();
    observer.observe(Float32Array.of(-1, 4));
    observer.observe(Float32Array.of(-2, 3));
    expect(observer.range()).toEqual({ min: -2, max: 4 });
  });

  it('by percentile keep the stated share, within one bin', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(95, 99, 99.9, 100),
        fc.nat({ max: 1000 }),
        fc.boolean(),
        (percentile, seed, oneSided) => {
          const values = normals(20_000, seed).map((x) => (oneSided ? Math.abs(x) : x));
          const observer = new PercentileObserver(percentile);
          observer.observe(values);
          const { min, max } = observer.range();
          const kept = values.filter((x) => x >= min && x <= max).length / values.length;
          expect(kept).toBeGreaterThanOrEqual(percentile / 100 - 1e-9);
          const width = observer.histogram.width;
          const less =
            values.filter((x) => x >= Math.min(0, min + width) && x <= Math.max(0, max - width)).length / values.length;
          if (percentile < 100) expect(less).toBeLessThan(percentile / 100 + 2e-3);
        },
      ),
      { numRuns: 20 },
    );
  });

  it('by mean square beat the extremes on a long tail', () => {
    const values = normals(50_000, 9).map((x) => x ** 3);
    const observer = new MeanSquareObserver(4);
    observer.observe(values);
    const { min, max } = observer.range();
    const error = (low: number, high: number): number => {
      const scale = (high - low) / 15;
      return values.reduce((sum, x) => {
        const clipped = Math.min(Math.max(x, low), high);
        return sum + (x - Math.round(clipped / scale) * scale) ** 2;
      }, 0);
    };
    const extremes = extremesOf(values);
    expect(error(min, max)).toBeLessThan(0.5 * error(extremes.min, extremes.max));
    const best = Math.min(
      ...Array.from({ length: 60 }, (_, i) => ((i + 1) / 60) * extremes.max).map((t) =>
        error(Math.max(-t, extremes.min), Math.min(t, extremes.max)),
      ),
    );
    expect(error(min, max)).toBeLessThan(1.1 * best);
  });

  it('of a tensor of zeros are empty', () => {
    const observers: Observer[] = [
      ...[new MinMaxObserver(), new MovingMinMaxObserver(), new EntropyObserver(8)],
      ...[new PercentileObserver(99), new MeanSquareObserver(8)],
    ];
    for (const observer of observers) {
      observer.observe(new Float32Array(100));
      expect(observer.range()).toEqual({ min: 0, max: 0 });
    }
  });
});
