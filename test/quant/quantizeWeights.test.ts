import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError, gaussian, seededRandom } from '../../src/base/index.ts';
import { sqnr, symmetricInt8, type QuantizerSpec } from '../../src/quant/quantizer.ts';
import {
  channelRanges,
  dequantizeWeights,
  quantizeWeights,
  type WeightOptions,
} from '../../src/quant/quantizeWeights.ts';
import { tensor, type TensorOf } from '../../src/tensor/index.ts';

const affineInt8: QuantizerSpec = { bits: 8, signed: true, symmetric: false, narrowRange: false };

function weightsOf(shape: readonly number[], seed: number, scaleOf: (channel: number) => number): TensorOf<'float32'> {
  const random = seededRandom(seed);
  const inner = shape.slice(1).reduce((a, b) => a * b, 1);
  const weights = tensor('float32', shape);
  for (let i = 0; i < weights.data.length; i++) weights.data[i] = gaussian(random) * scaleOf(Math.floor(i / inner));
  return weights;
}

function quantized(weights: TensorOf<'float32'>, options: Partial<WeightOptions> = {}): Float32Array {
  return dequantizeWeights(
    quantizeWeights(weights, { spec: symmetricInt8, axis: 0, calibrator: 'minMax', name: 'w', ...options }),
  );
}

describe('weights', () => {
  it('err by half a step of their channel, whatever axis counts the channels', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 }),
        fc.nat(),
        fc.boolean(),
        fc.nat(),
        (shape, seed, symmetric, axisSeed) => {
          const axis = axisSeed % shape.length;
          const weights = weightsOf(shape, seed, (channel) => 2 ** (channel % 7));
          const spec = symmetric ? symmetricInt8 : affineInt8;
          const result = quantizeWeights(weights, { spec, axis, calibrator: 'minMax', name: 'w' });
          expect(result.scales.length).toBe(shape[axis]);
          const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
          dequantizeWeights(result).forEach((w, i) => {
            const channel = Math.floor(i / inner) % shape[axis]!;
            expect(Math.abs(w - weights.data[i]!)).toBeLessThanOrEqual(result.scales[channel]! * 0.5001);
          });
          if (symmetric) {
            expect(result.data.every((q) => q >= -127)).toBe(true);
            expect(result.zeroPoints.every((zero) => zero === 0)).toBe(true);
          }
        },
      ),
    );
  });

  it('per channel do not care how far channels lie apart; per tensor they do', () => {
    const even = weightsOf([8, 3, 3, 3], 1, () => 1);
    const spread = weightsOf([8, 3, 3, 3], 1, (channel) => 2 ** channel);
    const worst = (weights: TensorOf<'float32'>, axis: number | undefined): number => {
      const approximate = quantized(weights, { axis });
      const channel = (c: number) => (data: Float32Array) => data.subarray(c * 27, (c + 1) * 27);
      return Math.min(...[0, 3, 7].map((c) => sqnr(channel(c)(weights.data), channel(c)(approximate))));
    };
    expect(worst(spread, 0)).toBeCloseTo(worst(even, 0), 6);
    expect(worst(even, undefined)).toBeGreaterThan(30);
    expect(worst(spread, undefined)).toBeLessThan(10);
  });

  it('that lie on one side lose less with a zero point', () => {
    const weights = weightsOf([4, 1, 5, 5], 3, () => 1);
    weights.data.forEach((w, i) => (weights.data[i] = Math.abs(w)));
    expect(sqnr(weights.data, quantized(weights, { spec: affineInt8 }))).toBeGreaterThan(
      3 + sqnr(weights.data, quantized(weights)),
    );
  });

  it('of a dead channel are zeros at a usable scale', () => {
    const weights = weightsOf([3, 2, 1, 1], 5, (channel) => (channel === 1 ? 0 : 1));
    const result = quantizeWeights(weights, { spec: symmetricInt8, axis: 0, calibrator: 'minMax', name: 'w' });
    expect(result.scales[1]).toBe(1);
    expect([...dequantizeWeights(result).subarray(2, 4)]).toEqual([0, 0]);
  });

  it('take at least the scale that their bias needs', () => {
    const weights = weightsOf([2, 4], 6, () => 1e-9);
    const least = 1e-6;
    const { scales } = quantizeWeights(weights, {
      ...{ spec: symmetricInt8, axis: 0, calibrator: 'minMax', name: 'w' },
      leastScales: [least, 0],
    });
    expect(scales[0]).toBeGreaterThanOrEqual(least);
    expect(scales[1]).toBeLessThan(least);
  });

  it('by least squares err no more than by extremes', () => {
    const weights = weightsOf([4, 200], 8, () => 1);
    weights.data[10] = 12;
    const spec: QuantizerSpec = { ...symmetricInt8, bits: 4 };
    const error = (calibrator: 'minMax' | 'mse'): number =>
      sqnr(weights.data, quantized(weights, { spec, calibrator }));
    expect(error('mse')).toBeGreaterThan(error('minMax'));
  });

  it.each([NaN, Infinity])('with %d are refused by name', (odd) => {
    const weights = weightsOf([2, 2], 1, () => 1);
    weights.data[3] = odd;
    for (const axis of [0, undefined]) {
      const act = (): unknown =>
        quantizeWeights(weights, { spec: symmetricInt8, axis, calibrator: 'minMax', name: 'conv1.weight' });
      expect(act).toThrow(AppError);
      expect(act).toThrow(/conv1\.weight/);
    }
  });

  it('have ranges that hold 0', () => {
    expect(channelRanges(tensor('float32', [2, 2], Float32Array.of(1, 2, -3, -1)), 0)).toEqual([
      { min: 0, max: 2 },
      { min: -3, max: 0 },
    ]);
  });
});
