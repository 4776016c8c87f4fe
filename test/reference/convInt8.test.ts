import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ConvOperation, FullyConnectedOperation } from '../../src/graph/index.ts';
import { convProblem, graphOf, quantized, runBytes, runConv, wholeByte, type ConvProblem } from './operations.ts';

/** The input with its padding written out as the zero point. */
function padded({ operation, from, x }: ConvProblem): { x: Uint8Array; shape: number[] } {
  const [top, left, bottom, right] = operation.pads;
  const [, channels = 1, height = 1, width = 1] = from.shape;
  const shape = [1, channels, height + top + bottom, width + left + right];
  const result = new Uint8Array(channels * shape[2]! * shape[3]!).fill(from.zeroPoint);
  for (let c = 0; c < channels; c++)
    for (let h = 0; h < height; h++)
      for (let w = 0; w < width; w++)
        result[(c * shape[2]! + h + top) * shape[3]! + w + left] = x[(c * height + h) * width + w]!;
  return { x: result, shape };
}

/** One output element from the definition, with unbounded integers and the sums expanded over both zero points. */
function expandedSum(problem: ConvProblem, m: number, oy: number, ox: number): number {
  const { operation, from } = problem;
  const { data, shape, zeroPoints, bias } = operation.weights;
  const [filters = 1, perGroup = 1, kernelH = 1, kernelW = 1] = shape;
  const input = padded(problem);
  const first = Math.floor(m / (filters / operation.group)) * perGroup;
  const [products, sumX, sumW] = [[0n], [0n], [0n]];
  let taps = 0n;
  for (let c = 0; c < perGroup; c++)
    for (let ky = 0; ky < kernelH; ky++)
      for (let kx = 0; kx < kernelW; kx++) {
        const iy = oy * operation.strides[0] + ky * operation.dilations[0];
        const ix = ox * operation.strides[1] + kx * operation.dilations[1];
        const x = BigInt(input.x[((first + c) * input.shape[2]! + iy) * input.shape[3]! + ix]!);
        const w = BigInt(data[((m * perGroup + c) * kernelH + ky) * kernelW + kx]!);
        products[0]! += x * w;
        sumX[0]! += x;
        sumW[0]! += w;
        taps++;
      }
  const [zx, zw] = [BigInt(from.zeroPoint), BigInt(zeroPoints[m]!)];
  return Number(products[0]! - zw * sumX[0]! - zx * sumW[0]! + taps * zx * zw + BigInt(bias[m]!));
}

function roundTies(x: number): number {
  const below = Math.floor(x);
  if (x - below !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}

describe('8-bit convolution', () => {
  it('gives the numbers worked out by hand', () => {
    // One channel 3 × 3, zero point 10, kernel 2 × 2, pad 1 above: row 0 of the output sees the padding.
    const from = quantized([1, 1, 3, 3], 1, 10);
    const to = quantized([1, 1, 3, 2], 1, 100);
    const operation: ConvOperation = {
      ...{ kind: 'conv', name: 'conv', input: 'x', output: 'y', group: 1, clamp: { qmin: 100, qmax: 150 } },
      ...{ strides: [1, 1], dilations: [1, 1], pads: [1, 0, 0, 0] },
      weights: {
        ...{ data: Int8Array.of(1, 2, 3, 4), shape: [1, 1, 2, 2], zeroPoints: Int32Array.of(0) },
        ...{ scales: Float32Array.of(1), bias: Int32Array.of(1), multipliers: Float32Array.of(0.5) },
      },
    };
    // x − 10:           0  1  2 /  3  4  5 /  6  7 −1
    const x = Uint8Array.of(10, 11, 12, 13, 14, 15, 16, 17, 9);
    // y = 0, 0: 3·0 + 4·1 + 1 = 5, half is 2.5, rounds to 2;  0, 1: 3·1 + 4·2 + 1 = 12 → 6
    // y = 1, 0: 1·0 + 2·1 + 3·3 + 4·4 + 1 = 28 → 14;          1, 1: 1·1 + 2·2 + 3·4 + 4·5 + 1 = 38 → 19
    // y = 2, 0: 1·3 + 2·4 + 3·6 + 4·7 + 1 = 58 → 29;          2, 1: 1·4 + 2·5 + 3·7 − 4·1 + 1 = 32 → 16
    expect(runBytes(graphOf(operation, { x: from }, to), { x })).toEqual([102, 106, 114, 119, 129, 116]);
  });

  it('is the expanded sum over both zero points, rounded once', () => {
    fc.assert(
      fc.property(convProblem(), (problem) => {
        const { operation, to } = problem;
        const [, filters = 1, height = 1, width = 1] = to.shape;
        const y = runConv(problem);
        for (let m = 0; m < filters; m++)
          for (let oy = 0; oy < height; oy++)
            for (let ox = 0; ox < width; ox++) {
              const acc = expandedSum(problem, m, oy, ox);
              const scaled = Math.fround(Math.fround(acc) * operation.weights.multipliers[m]!);
              const q = Math.min(Math.max(roundTies(scaled) + to.zeroPoint, 0), 255);
              expect({ m, oy, ox, acc, q: y[(m * height + oy) * width + ox] }).toEqual({ m, oy, ox, acc, q });
            }
      }),
      { numRuns: 60 },
    );
  });

  it('does not change when weights and their zero points move together', () => {
    fc.assert(
      fc.property(convProblem(), (problem) => {
        const { weights } = problem.operation;
        const data = weights.data.map((w) => Math.min(w, 126));
        const base = { ...problem, operation: { ...problem.operation, weights: { ...weights, data } } };
        const moved = {
          ...problem.operation,
          weights: { ...weights, data: data.map((w) => w + 1), zeroPoints: weights.zeroPoints.map((zero) => zero + 1) },
        };
        expect(runConv({ ...problem, operation: moved })).toEqual(runConv(base));
      }),
      { numRuns: 50 },
    );
  });

  it('of groups is one convolution per group', () => {
    fc.assert(
      fc.property(convProblem(), ({ operation, from, to, x }) => {
        const { group, weights } = operation;
        const [filters = 1, perGroup = 1, ...kernel] = weights.shape;
        const each = filters / group;
        const plane = x.length / (group * perGroup);
        const parts = Array.from({ length: group }, (_, g) => {
          const channels = <T extends { slice(a: number, b: number): T }>(values: T): T =>
            values.slice(g * each, (g + 1) * each);
          const size = weights.data.length / group;
          const part: ConvOperation = {
            ...operation,
            group: 1,
            weights: {
              ...{ data: weights.data.slice(g * size, (g + 1) * size), shape: [each, perGroup, ...kernel] },
              ...{ zeroPoints: channels(weights.zeroPoints), scales: channels(weights.scales) },
              ...{ bias: channels(weights.bias), multipliers: channels(weights.multipliers) },
            },
          };
          const input = { ...from, shape: [1, perGroup, ...from.shape.slice(2)] };
          const output = { ...to, shape: [1, each, ...to.shape.slice(2)] };
          const slice = x.slice(g * perGroup * plane, (g + 1) * perGroup * plane);
          return runBytes(graphOf(part, { x: input }, output), { x: slice });
        });
        expect(parts.flat()).toEqual(runConv({ operation, from, to, x, seed: 0 }));
      }),
      { numRuns: 50 },
    );
  });

  it('keeps each channel below its own cap, after the clamp', () => {
    fc.assert(
      fc.property(convProblem(), fc.integer({ min: 0, max: 255 }), (problem, qmin) => {
        const { operation, to } = problem;
        const channels = operation.weights.bias.length;
        const plane = (to.shape[2] ?? 1) * (to.shape[3] ?? 1);
        const caps = Uint8Array.from({ length: channels }, (_, c) => (c * 97 + qmin) % 256);
        const bounded = runConv({ ...problem, operation: { ...operation, clamp: { qmin, qmax: 255 }, caps } });
        const capped = (q: number, at: number): number => Math.min(Math.max(q, qmin), caps[Math.floor(at / plane)]!);
        expect(bounded).toEqual(runConv(problem).map(capped));
      }),
      { numRuns: 50 },
    );
  });

  it('clamps to the bounds of a fused activation', () => {
    fc.assert(
      fc.property(
        convProblem(),
        fc.integer({ min: 0, max: 255 }),
        fc.integer({ min: 0, max: 255 }),
        (problem, a, b) => {
          const clamp = { qmin: Math.min(a, b), qmax: Math.max(a, b) };
          const bounded = runConv({ ...problem, operation: { ...problem.operation, clamp } });
          expect(bounded).toEqual(runConv(problem).map((q) => Math.min(Math.max(q, clamp.qmin), clamp.qmax)));
        },
      ),
      { numRuns: 50 },
    );
  });

  it('transposed equals a convolution of the spread input with the kernel turned around', () => {
    fc.assert(
      fc.property(convProblem(), (problem) => {
        const { operation, from, x } = problem;
        const { weights, strides, dilations } = operation;
        const [filters = 1, perGroup = 1, kernelH = 1, kernelW = 1] = weights.shape;
        const [, channels = 1, height = 1, width = 1] = from.shape;
        // A plain transposed convolution of one group: weights [filters, perGroup, kH, kW] → inputs filters, outputs perGroup.
        const inShape = [1, filters, height, width];
        const input = Uint8Array.from(
          { length: filters * height * width },
          (_, i) => x[i % (channels * height * width)]!,
        );
        const outH = (height - 1) * strides[0] + (kernelH - 1) * dilations[0] + 1;
        const outW = (width - 1) * strides[1] + (kernelW - 1) * dilations[1] + 1;
        const per = { bias: weights.bias.slice(0, 1), multipliers: weights.multipliers.slice(0, 1) };
        const single = <T extends Int32Array | Float32Array>(values: T): T =>
          new (values.constructor as new (n: number) => T)(perGroup).fill(values[0]!) as T;
        const common = {
          zeroPoints: single(weights.zeroPoints),
          scales: single(weights.scales),
          bias: single(per.bias),
          multipliers: single(per.multipliers),
        };
        const transposed: ConvOperation = {
          ...{ ...operation, kind: 'convTranspose', group: 1, pads: [0, 0, 0, 0] },
          weights: { ...weights, ...common },
        };
        const output = { ...problem.to, shape: [1, perGroup, outH, outW] };
        const actual = runBytes(graphOf(transposed, { x: { ...from, shape: inShape } }, output), { x: input });

        const spreadH = (height - 1) * strides[0] + 1;
        const spreadW = (width - 1) * strides[1] + 1;
        const spread = new Uint8Array(filters * spreadH * spreadW).fill(from.zeroPoint);
        input.forEach((q, i) => {
          const [c, h, w] = [Math.floor(i / (height * width)), Math.floor(i / width) % height, i % width];
          spread[(c * spreadH + h * strides[0]) * spreadW + w * strides[1]] = q;
        });
        const turned = new Int8Array(weights.data.length);
        weights.data.forEach((value, i) => {
          const [c, m, ky, kx] = [
            Math.floor(i / (perGroup * kernelH * kernelW)),
            Math.floor(i / (kernelH * kernelW)) % perGroup,
            Math.floor(i / kernelW) % kernelH,
            i % kernelW,
          ];
          turned[((m * filters + c) * kernelH + kernelH - 1 - ky) * kernelW + kernelW - 1 - kx] = value;
        });
        const [padH, padW] = [(kernelH - 1) * dilations[0], (kernelW - 1) * dilations[1]];
        const direct: ConvOperation = {
          ...{ ...operation, group: 1, strides: [1, 1], pads: [padH, padW, padH, padW] },
          weights: { ...common, data: turned, shape: [perGroup, filters, kernelH, kernelW] },
        };
        const shape = [1, filters, spreadH, spreadW];
        expect(actual).toEqual(runBytes(graphOf(direct, { x: { ...from, shape } }, output), { x: spread }));
      }),
      { numRuns: 50 },
    );
  });

  it('of one pixel is the fully connected layer', () => {
    fc.assert(
      fc.property(convProblem(), ({ operation, from, to, x }) => {
        const { weights } = operation;
        const [filters = 1] = weights.shape;
        const depth = weights.data.length / filters;
        const bytes = Uint8Array.from({ length: depth }, (_, i) => x[i % x.length]!);
        const flat = { ...weights, shape: [filters, depth] };
        const layer: FullyConnectedOperation = {
          kind: 'fullyConnected',
          name: 'fc',
          input: 'x',
          output: 'y',
          weights: flat,
          clamp: wholeByte,
        };
        const pixel: ConvOperation = {
          ...{ ...operation, group: 1, strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0] },
          weights: { ...weights, shape: [filters, depth, 1, 1] },
        };
        const asLayer = runBytes(
          graphOf(layer, { x: { ...from, shape: [1, depth] } }, { ...to, shape: [1, filters] }),
          { x: bytes },
        );
        const asConv = runBytes(
          graphOf(pixel, { x: { ...from, shape: [1, depth, 1, 1] } }, { ...to, shape: [1, filters, 1, 1] }),
          { x: bytes },
        );
        expect(asLayer).toEqual(asConv);

        // The same layer where its result is read in float: its bytes are those reals, rounded.
        const float = { kind: 'float', dtype: 'float32', shape: [1, filters] } as const;
        const reals = runBytes(graphOf(layer, { x: { ...from, shape: [1, depth] } }, float), { x: bytes });
        expect(reals.map((real) => Math.min(Math.max(roundTies(real) + to.zeroPoint, 0), 255))).toEqual(asLayer);
      }),
      { numRuns: 50 },
    );
  });
});
