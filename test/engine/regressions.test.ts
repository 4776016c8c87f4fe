import { describe, it } from 'vitest';
import { seededRandom } from '../../src/base/index.ts';
import type { ConvOperation, LayoutOperation, QuantizedGraph } from '../../src/graph/index.ts';
import { tensor, type Tensor } from '../../src/tensor/index.ts';
import { operationOf } from '../suites/float/node.ts';
import { graphOf, int64, problemOf, quantized, type ExpectedKernel } from '../suites/problem.ts';
import { randomWeights } from '../suites/weights.ts';
import { simd } from './support/runners.ts';
import { expectSameBits } from './support/sameBits.ts';

/** Each case failed once. */
function expectExact(graph: QuantizedGraph, kernels: Readonly<Record<string, ExpectedKernel>> = {}, batch = 2): void {
  expectSameBits(problemOf({ graph, kernels, random: seededRandom(5), batch }), simd);
}

const clamp = { qmin: 0, qmax: 255 };
const usual = { regime: 'usual', asymmetric: false, bias: 'moderate' } as const;

function depthwise(channels: number, pads: ConvOperation['pads']): ConvOperation {
  return {
    ...{ kind: 'conv', name: 'conv', input: 'x', output: 'c', strides: [1, 1], dilations: [1, 1], pads, clamp },
    weights: randomWeights([channels, 1, 3, 3], channels, usual, { zeroPoint: 100, random: seededRandom(1) }),
    group: channels,
  };
}

function pad(
  amounts: readonly number[],
  fill?: number,
): { operation: LayoutOperation; constants: Record<string, Tensor> } {
  const inputs = ['x', 'pads', ...(fill === undefined ? [] : ['fill'])];
  const node = { name: 'pad', opType: 'Pad', domain: '', inputs, outputs: ['y'], attributes: new Map() };
  const value = fill === undefined ? {} : { fill: tensor('uint8', [], Uint8Array.of(fill)) };
  return {
    operation: { kind: 'layout', name: 'pad', input: 'x', output: 'y', node, outputIndex: 0 },
    constants: { pads: int64(amounts), ...value },
  };
}

const ends = { inputs: ['x'], outputs: ['y'] };

describe('padding', () => {
  it('on the left of many channels stays within the scratch memory', () => {
    // what lies behind the scratch memory is read again after the convolution
    const shape = [1, 320, 3, 3];
    const sum = { kind: 'add', name: 'sum', inputs: ['x', 'c'], output: 'y', clamp } as const;
    const values = { x: quantized(shape, 100), c: quantized(shape, 3), y: quantized(shape, 50) };
    for (const pads of [
      [1, 1, 1, 1],
      [2, 2, 0, 0],
    ] as const) {
      const graph = graphOf([depthwise(320, pads), sum], values, ends);
      expectExact(graph, { conv: () => /^conv\.depthwise3x3/ });
    }
  });

  it('of channels does not take what lies behind the channels of the source', () => {
    const { operation, constants } = pad([0, 0, 0, 0, 0, 8, 0, 0]);
    const values = { x: quantized([1, 8, 2, 2], 77), y: quantized([1, 16, 2, 2], 77) };
    expectExact(graphOf([operation], values, ends, constants), { pad: () => /^move\.copies$/ });
  });

  it('of whole blocks of channels is a few nested copies', () => {
    const { operation, constants } = pad([0, 16, 0, 0, 0, 32, 0, 0], 9);
    const values = { x: quantized([1, 32, 2, 2], 77), y: quantized([1, 80, 2, 2], 77) };
    expectExact(graphOf([operation], values, ends, constants), { pad: () => /^move\.copies$/ });
  });

  it('fills with its constant where that is not the zero point', () => {
    const { operation, constants } = pad([0, 0, 1, 1, 0, 0, 1, 1], 200);
    const values = { x: quantized([1, 16, 3, 3], 77), y: quantized([1, 16, 5, 5], 77) };
    expectExact(graphOf([operation], values, ends, constants));
  });
});

describe('a file that fixes a batch', () => {
  it('takes whole multiples of it', () => {
    const table = Uint8Array.from({ length: 256 }, (_, q) => 255 - q);
    const operation = { kind: 'table', name: 'table', opType: 'Neg', input: 'x', output: 'y', table } as const;
    const values = { x: quantized([3, 5, 2, 2], 0), y: quantized([3, 5, 2, 2], 255) };
    expectExact(graphOf([operation], values, ends), { table: () => /^table\./ });
  });

  it('has no pixels to add a vector of channels to', () => {
    const operation = { kind: 'add', name: 'sum', inputs: ['x', 'b'], output: 'y', clamp } as const;
    const values = { x: quantized([3, 8, 2, 2], 9), b: quantized([1, 8, 1, 1], 10), y: quantized([3, 8, 2, 2], 0) };
    const constants = { b: tensor('uint8', [1, 8, 1, 1], Uint8Array.of(1, 20, 3, 40, 5, 60, 7, 80)) };
    expectExact(graphOf([operation], values, ends, constants), { sum: () => /^reference\.add$/ });
  });
});

describe('fully connected', () => {
  it('of one value does not take its outputs for pixels', () => {
    const weights = randomWeights([6, 1], 6, usual, { zeroPoint: 9, random: seededRandom(2) });
    const operation = { kind: 'fullyConnected', name: 'layer', input: 'x', output: 'y', weights, clamp } as const;
    const values = { x: quantized([1, 1, 1, 1], 9), y: quantized([1, 1, 1, 6], 40) };
    expectExact(graphOf([operation], values, ends), { layer: () => /^reference\./ });
  });
});

describe('scales whose ratio overflows', () => {
  it.each(['add', 'sub', 'mul'] as const)('%s gives 0 · ∞ as 0', (kind) => {
    const operation = { kind, name: 'binary', inputs: ['x', 'b'], output: 'y', clamp } as const;
    const shape = [1, 16, 2, 2];
    const values = { x: quantized(shape, 4, 1e30), b: quantized(shape, 4, 1e30), y: quantized(shape, 7, 1e-30) };
    const bytes = Uint8Array.from({ length: 64 }, (_, index) => index % 8);
    const graph = graphOf([operation], values, ends, { b: tensor('uint8', shape, bytes) });
    expectExact(graph, { binary: () => /\.same$/ });
  });

  it('average pooling gives 0 · ∞ as 0', () => {
    const window = { kernel: [2, 2], strides: [2, 2], pads: [0, 0, 0, 0], countIncludePad: false } as const;
    const operation = { kind: 'averagePool', name: 'pool', input: 'x', output: 'y', ...window, clamp } as const;
    const values = { x: quantized([1, 16, 4, 4], 0, 1e30), y: quantized([1, 16, 2, 2], 7, 1e-30) };
    const graph = graphOf([operation], values, ends);
    const zeros = problemOf({
      ...{ graph, kernels: { pool: () => /^averagePool/ }, random: seededRandom(1), batch: 1 },
      feed: (_, count) => new Uint8Array(count),
    });
    expectSameBits(zeros, simd);
  });
});

describe('float images', () => {
  it('keep the sign of zero on their way in and out', () => {
    const float = { kind: 'float', dtype: 'float32', shape: [1, 3, 11, 2] } as const;
    const graph = graphOf([operationOf('Mul', 'product', ['x', 'zeros'], ['y'])], { x: float, y: float }, ends, {
      zeros: tensor('float32', [2], new Float32Array(2)),
    });
    expectExact(graph);
  });
});
