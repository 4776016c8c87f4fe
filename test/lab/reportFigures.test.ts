import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gaussian, seededRandom } from '../../src/base/index.ts';
import { ChannelExtremes } from '../../src/lab/channelExtremes.ts';
import { diagnose } from '../../src/lab/diagnosis.ts';
import { DisagreementList, KEPT_DISAGREEMENTS, probabilities } from '../../src/lab/disagreements.ts';
import { bestRange, condense, predictedSqnrDb } from '../../src/lab/histogramFigures.ts';
import { HISTOGRAM_BINS, LISTED_CHANNELS } from '../../src/lab/layerSchema.ts';
import { timesByRow } from '../../src/lab/floatTimes.ts';
import type { LayerAnalysis } from '../../src/lab/layers.ts';
import { weightRemedies } from '../../src/lab/remedies.ts';
import { channelRangesOf, channelSpread, channelSqnrDb, powerDistribution } from '../../src/lab/weightRanges.ts';
import { affineUint8, Histogram, quantParamsOf, recipeSchema, simulate, sqnr } from '../../src/quant/index.ts';
import { readModel } from '../../src/onnx/index.ts';
import { tensor } from '../../src/tensor/index.ts';
import { importModel, simplify } from '../../src/transform/index.ts';
import { colorNetwork } from '../support/networks.ts';

function normals(count: number, deviation = 1, seed = 1): Float32Array {
  const random = seededRandom(seed);
  return Float32Array.from({ length: count }, () => gaussian(random) * deviation);
}

describe('weights by channel', () => {
  const halves = { data: Float32Array.of(8, -8, 0.01, 0.01), shape: [2, 2], axis: 0 };

  it('a small channel that is lost counts as much as a large one that is kept', () => {
    const kept = Float32Array.of(8, -8, 0, 0);
    // Noise over signal is 0 for one channel and 1 for the other: 1/2 on average.
    expect(channelSqnrDb(halves, kept)).toBeCloseTo(10 * Math.log10(2), 6);
    expect(channelSqnrDb(halves, halves.data)).toBeNull();
  });

  it('counts columns where the channel is the last axis', () => {
    const columns = { data: Float32Array.of(8, 0.01, -8, 0.01), shape: [2, 2], axis: 1 };
    expect(channelSpread(columns)).toBeCloseTo(800, 1);
    expect(channelSpread(halves)).toBeCloseTo(800, 1);
    expect(channelRangesOf(columns, undefined).folded).toEqual({ min: [-8, 0.01], max: [8, 0.01] });
  });

  it('lists the widest first, and of many channels the first, the last and those between at even ranks', () => {
    const count = 200;
    const data = Float32Array.from({ length: count }, (_, channel) => channel + 1);
    const { index, folded, count: all } = channelRangesOf({ data, shape: [count, 1], axis: 0 }, undefined);
    expect(all).toBe(count);
    expect(index).toHaveLength(LISTED_CHANNELS);
    expect([index[0], index.at(-1)]).toEqual([count - 1, 0]);
    expect(folded.max).toEqual([...folded.max].sort((a, b) => b - a));
  });

  it('the power of equal weights is all in one octave, that of any weights adds up to 1', () => {
    const even = powerDistribution(new Float32Array(100).fill(0.3));
    expect(even.filter((share) => share > 0)).toEqual([1]);
    const sum = powerDistribution(normals(5_000)).reduce((a, b) => a + b, 0);
    expect(sum).toBeCloseTo(1, 2);
  });

  it('quantizes channels of different size again with a scale each, and measures what that gains', () => {
    const [channels, taps] = [8, 32];
    const data = normals(channels * taps).map((w, i) => w * 2 ** -Math.floor(i / taps));
    const weights = tensor('float32', [channels, taps], data);
    const recipe = recipeSchema.parse({ weights: { granularity: 'perTensor' } });
    const report = { shape: [channels, taps], bits: 8, scales: 1, sqnrDb: 40, channelSqnrDb: 12, min: -3, max: 3 };
    const found = weightRemedies(
      { tensor: weights, channelAxis: 0, report: { ...report, channelSpread: 128 } },
      recipe,
    );
    expect(found[0]?.kind).toBe('perChannel');
    expect(found[0]?.fromDb).toBe(12);
    // 8 bits over a range of about 2.5 deviations on both sides.
    expect(found[0]?.toDb).toBeGreaterThan(38);
  });
});

describe('activations', () => {
  it('names the channel without which the range would shrink the most', () => {
    const extremes = new ChannelExtremes(3);
    extremes.add(Float32Array.of(1, 2, 0, 40, -1, 0));
    extremes.add(Float32Array.of(3, 0, 1, 10, 2, -1));
    // [-1, 40] becomes [-1, 3] without channel 1.
    expect(extremes.dominant()).toEqual({ channel: 1, share: Number((1 - 4 / 41).toPrecision(3)) });
  });

  it('names none where the channels are alike', () => {
    const extremes = new ChannelExtremes(2);
    extremes.add(Float32Array.of(-1, 2, -1.1, 2.1));
    expect(extremes.dominant()).toBeUndefined();
  });

  it('a histogram in few bins keeps every value but the exact zeros, which it counts apart', () => {
    fc.assert(
      fc.property(fc.float32Array({ minLength: 1, maxLength: 300, noNaN: true, min: -1e6, max: 1e6 }), (values) => {
        const histogram = new Histogram();
        histogram.add(values);
        const condensed = condense(histogram);
        if (values.every((value) => value === 0)) return condensed === undefined;
        const { start, width, shares, zeros } = condensed!;
        expect(shares.length).toBeLessThanOrEqual(HISTOGRAM_BINS);
        expect(shares.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 1);
        expect(zeros).toBeCloseTo(values.filter((value) => value === 0).length / values.length, 2);
        const end = start + width * shares.length;
        const slack = width * 0.01 + 1e-3 * Math.max(Math.abs(start), Math.abs(end));
        expect(Math.min(...values, 0)).toBeGreaterThanOrEqual(start - slack);
        expect(Math.max(...values, 0)).toBeLessThanOrEqual(end + slack);
        return true;
      }),
    );
  });

  it('predicts from the histogram what quantizing the values gives', () => {
    const values = normals(20_000);
    const histogram = new Histogram();
    histogram.add(values);
    for (const threshold of [1, 2, 4, 8]) {
      const range = { min: -threshold, max: threshold };
      const params = quantParamsOf(range, affineUint8, 'values');
      const real = sqnr(
        values,
        Float32Array.from(values, (value) => simulate(value, params)),
      );
      expect(predictedSqnrDb(histogram, range, 255)).toBeCloseTo(real, 0);
    }
  });

  it('cuts off a lone outlier, and leaves alone what has none', () => {
    const values = normals(20_000);
    const even = new Histogram();
    even.add(Float32Array.from({ length: 20_000 }, (_, i) => i / 10_000 - 1));
    expect(bestRange(even, 255).range.max).toBeGreaterThan(0.95);
    const outlier = new Histogram();
    outlier.add(Float32Array.of(...values.subarray(0, 19_999), 60));
    const { range, db } = bestRange(outlier, 255);
    expect(range.max).toBeLessThan(60);
    expect(db).toBeGreaterThan(predictedSqnrDb(outlier, outlier, 255));
  });
});

describe('diagnosis', () => {
  const activation = { scale: 0.1, zeroPoint: 0, min: 0, max: 25.5, localSqnrDb: 12, clippedShare: 0 };
  const analysis = (changes: Partial<LayerAnalysis>): LayerAnalysis => ({
    layer: { name: 'a', opType: 'Conv', output: 'b', form: 'int8', activation },
    weightRemedies: [],
    activationRemedies: [],
    sharesRange: false,
    ...changes,
  });

  it('gives the gain of the best remedy, and none for one that is not worth it', () => {
    const found = diagnose([analysis({ activationRemedies: [{ kind: 'meanSquare', fromDb: 12, toDb: 20.04 }] })]);
    expect(found[0]).toMatchObject({ name: 'a', gain: { fromDb: 12, toDb: 20, basis: 'histogram' } });
    expect(found[0]?.advice).toContain("'mse'");
    const [idle] = diagnose([analysis({ activationRemedies: [{ kind: 'meanSquare', fromDb: 12, toDb: 12.4 }] })]);
    expect(idle?.gain).toBeUndefined();
    expect(idle?.advice).toContain('exclude');
  });

  it('names the channel that sets the range, and values that it is joined with', () => {
    const dominant = { ...activation, dominantChannel: { channel: 17, share: 0.94 } };
    const layer = { name: 'a', opType: 'Conv', output: 'b', form: 'int8', activation: dominant } as const;
    expect(diagnose([analysis({ layer })])[0]?.diagnosis).toContain('channel 17 sets 94 % of the range');
    expect(diagnose([analysis({ sharesRange: true })])[0]?.diagnosis).toContain('joined');
  });

  it('says nothing of layers that are not weak', () => {
    const layer = { ...analysis({}).layer, activation: { ...activation, localSqnrDb: 40 } };
    expect(diagnose([analysis({ layer })])).toEqual([]);
  });
});

describe('disagreements', () => {
  it('keeps a bounded number, the most confident first', () => {
    const list = new DisagreementList();
    const count = 100;
    const sure = Array.from({ length: count }, (_, i) => 0.5 + ((i * 37) % count) / (2 * count));
    const scores = (first: number): Float32Array =>
      Float32Array.from(sure.flatMap((p) => (first === 0 ? [p, 1 - p] : [1 - p, p])));
    list.add(
      [tensor('float32', [count, 2], scores(0)), tensor('float32', [count, 2], scores(1))],
      2,
      sure.map((_, index) => ({ index, label: 0 })),
    );
    expect(list.items).toHaveLength(KEPT_DISAGREEMENTS);
    const distances = list.items.map(({ distance }) => distance);
    expect(distances).toEqual([...distances].sort((a, b) => b - a));
    const [first] = list.items;
    expect(first?.index).toBe(sure.indexOf(Math.max(...sure)));
    expect(first).toMatchObject({ reference: { class: 0 }, candidate: { class: 1 }, label: 0 });
    expect(first?.reference.score).toBeCloseTo(Math.max(...sure), 6);
  });

  it('leaves out what both answer alike', () => {
    const list = new DisagreementList();
    const [a, b] = [Float32Array.of(3, 1, 2), Float32Array.of(9, 8, 7)];
    list.add([tensor('float32', [1, 3], a), tensor('float32', [1, 3], b)], 3, [{ index: 0, label: undefined }]);
    expect(list.items).toEqual([]);
  });

  it('takes a distribution as it is and anything else through softmax', () => {
    expect([...probabilities(Float64Array.of(0.25, 0.75))]).toEqual([0.25, 0.75]);
    const soft = probabilities(Float64Array.of(1_000, 1_000, -1_000));
    expect([...soft]).toEqual([0.5, 0.5, 0]);
    expect([...probabilities(Float64Array.of(Number.NaN, 1))]).toEqual([0, 0]);
  });
});

describe('times of the float network', () => {
  it('a row has the time of its node and of what is fused into it, by the name of either or of its value', () => {
    const graph = simplify(importModel(readModel(colorNetwork())));
    const conv = graph.nodes.find(({ opType }) => opType === 'Conv')!;
    const relu = graph.nodes.find(({ opType }) => opType === 'Relu')!;
    const runs = (...ms: number[]): readonly number[] => ms;
    const rows = timesByRow(
      [
        { name: conv.name, runs: runs(1, 2) },
        { name: relu.outputs[0]!, runs: runs(0.5, 0.25) },
        { name: 'ReorderOutput', runs: runs(9, 9) },
      ],
      graph,
      recipeSchema.parse({}),
    );
    expect([...rows]).toEqual([[conv.name, [1.5, 2.25]]]);
  });
});
