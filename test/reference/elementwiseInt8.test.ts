import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AveragePoolOperation, BinaryOperation, MaxPoolOperation, Node } from '../../src/graph/index.ts';
import { runQuantized } from '../../src/reference/index.ts';
import { tensor } from '../../src/tensor/index.ts';
import { graphOf, quantized, runBytes, wholeByte } from './operations.ts';

const f32 = Math.fround;
const byte = fc.integer({ min: 0, max: 255 });
/** Scales with random mantissas. */
const scale = fc.integer({ min: 2 ** 23, max: 2 ** 24 - 1 }).map((mantissa) => f32(mantissa * 2 ** -28));
const params = fc.record({ scale, zeroPoint: byte });
const bytes = fc.uint8Array({ minLength: 1, maxLength: 64 });
const kinds = fc.constantFrom('add' as const, 'sub' as const, 'mul' as const);

interface Params {
  readonly scale: number;
  readonly zeroPoint: number;
}

function runBinary(
  kind: BinaryOperation['kind'],
  a: Params,
  b: Params,
  y: Params,
  qa: Uint8Array,
  qb: Uint8Array,
): number[] {
  const value = (p: Params, count: number) => quantized([1, count], p.scale, p.zeroPoint);
  const operation: BinaryOperation = { kind, name: kind, inputs: ['a', 'b'], output: 'y', clamp: wholeByte };
  const graph = graphOf(
    operation,
    { a: value(a, qa.length), b: value(b, qb.length) },
    value(y, Math.max(qa.length, qb.length)),
  );
  return runBytes(graph, { a: qa, b: qb });
}

describe('8-bit add, sub and mul', () => {
  it('are what f32x4 code computes, rounding by adding 1.5 · 2²³ after clamping', () => {
    const magic = 12582912;
    fc.assert(
      fc.property(kinds, params, params, params, bytes, byte, (kind, a, b, y, qa, qb) => {
        const ka = f32(a.scale / y.scale);
        const kb = f32(b.scale / y.scale);
        const k = f32(f32(a.scale * b.scale) / y.scale);
        const expected = Array.from(qa, (q) => {
          const [da, db] = [q - a.zeroPoint, qb - b.zeroPoint];
          const [left, right] = [f32(da * ka), f32(db * kb)];
          const real = kind === 'mul' ? f32(f32(da * db) * k) : f32(kind === 'add' ? left + right : left - right);
          const clamped = Math.min(Math.max(real, -y.zeroPoint), 255 - y.zeroPoint);
          return f32(f32(clamped + magic) - magic) + y.zeroPoint;
        });
        expect(runBinary(kind, a, b, y, qa, Uint8Array.of(qb))).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  it('err by at most half a step of the real result', () => {
    fc.assert(
      fc.property(kinds, params, params, params, bytes, byte, (kind, a, b, y, qa, qb) => {
        const result = runBinary(kind, a, b, y, qa, Uint8Array.of(qb));
        qa.forEach((q, i) => {
          const left = a.scale * (q - a.zeroPoint);
          const right = b.scale * (qb - b.zeroPoint);
          const real = kind === 'mul' ? left * right : kind === 'add' ? left + right : left - right;
          const exact = Math.min(Math.max(real / y.scale, -y.zeroPoint), 255 - y.zeroPoint);
          expect(Math.abs(result[i]! - y.zeroPoint - exact)).toBeLessThanOrEqual(0.501);
        });
      }),
    );
  });

  it('do not care for the order of a sum or product', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('add' as const, 'mul' as const),
        params,
        params,
        params,
        bytes,
        (kind, a, b, y, qa) => {
          const qb = Uint8Array.from(qa, (q) => 255 - q);
          expect(runBinary(kind, a, b, y, qa, qb)).toEqual(runBinary(kind, b, a, y, qb, qa));
        },
      ),
    );
  });

  it('give the zero point for a − a and for 0 · b', () => {
    fc.assert(
      fc.property(params, params, params, bytes, (a, b, y, qa) => {
        const zeros = new Uint8Array(qa.length).fill(a.zeroPoint);
        expect(new Set(runBinary('sub', a, a, y, qa, qa))).toEqual(new Set([y.zeroPoint]));
        expect(new Set(runBinary('mul', a, b, y, zeros, qa))).toEqual(new Set([y.zeroPoint]));
      }),
    );
  });

  it('broadcast as NumPy does', () => {
    const value = quantized([1, 2, 2], 1, 0);
    const operation: BinaryOperation = { kind: 'add', name: 'add', inputs: ['a', 'b'], output: 'y', clamp: wholeByte };
    const graph = graphOf(operation, { a: value, b: quantized([1, 2, 1], 1, 0) }, value);
    // Channel 0 gains 10, channel 1 gains 20.
    expect(runBytes(graph, { a: Uint8Array.of(1, 2, 3, 4), b: Uint8Array.of(10, 20) })).toEqual([11, 12, 23, 24]);
  });
});

const image = quantized([1, 1, 3, 3], 0.5, 100);
const pixels = Uint8Array.of(101, 102, 103, 104, 105, 106, 107, 108, 109);

describe('8-bit pooling', () => {
  const averagePool: AveragePoolOperation = {
    ...{ kind: 'averagePool', name: 'pool', input: 'x', output: 'y', clamp: wholeByte },
    ...{ kernel: [2, 2], strides: [2, 2], pads: [1, 1, 0, 0], countIncludePad: false },
  };

  it('averages the taps inside the input', () => {
    const graph = graphOf(averagePool, { x: image }, quantized([1, 1, 2, 2], 0.5, 50));
    // 0, 0 sees 1;  0, 1 sees 2, 3: 2.5 → 2;  1, 0 sees 4, 7: 5.5 → 6;  1, 1 sees 5, 6, 8, 9: 7
    expect(runBytes(graph, { x: pixels })).toEqual([51, 52, 56, 57]);
  });

  it('averages over the whole kernel when padding counts', () => {
    const graph = graphOf({ ...averagePool, countIncludePad: true }, { x: image }, quantized([1, 1, 2, 2], 0.5, 50));
    // 1 / 4 → 0;  5 / 4 → 1;  11 / 4 → 3;  28 / 4 = 7
    expect(runBytes(graph, { x: pixels })).toEqual([50, 51, 53, 57]);
  });

  it('of everything is requantized once, by f32(f32(scaleX / scaleY) / count)', () => {
    fc.assert(
      fc.property(params, params, fc.uint8Array({ minLength: 1, maxLength: 300 }), (from, to, x) => {
        const operation: AveragePoolOperation = {
          ...averagePool,
          kernel: [1, x.length],
          strides: [1, 1],
          pads: [0, 0, 0, 0],
        };
        const shape = [1, 1, 1, x.length];
        const graph = graphOf(
          operation,
          { x: quantized(shape, from.scale, from.zeroPoint) },
          quantized([1, 1, 1, 1], to.scale, to.zeroPoint),
        );
        const acc = x.reduce((sum, q) => sum + q - from.zeroPoint, 0);
        const scaled = f32(f32(acc) * f32(f32(from.scale / to.scale) / x.length));
        const clamped = Math.min(Math.max(scaled, -to.zeroPoint), 255 - to.zeroPoint);
        expect(runBytes(graph, { x })).toEqual([f32(f32(clamped + 12582912) - 12582912) + to.zeroPoint]);
      }),
    );
  });

  it('takes the maximum of the taps inside the input', () => {
    const operation: MaxPoolOperation = {
      ...{ kind: 'maxPool', name: 'pool', input: 'x', output: 'y' },
      ...{ kernel: [2, 2], strides: [1, 2], pads: [1, 0, 0, 1], dilations: [1, 1] },
    };
    const graph = graphOf(operation, { x: image }, quantized([1, 1, 3, 2], 0.5, 100));
    expect(runBytes(graph, { x: pixels })).toEqual([102, 103, 105, 106, 108, 109]);
  });
});

function node(opType: string, inputs: readonly string[], attributes: Record<string, number | string> = {}): Node {
  return { name: opType, opType, domain: '', inputs, outputs: ['y'], attributes: new Map(Object.entries(attributes)) };
}

const integers = (...values: number[]) => tensor('int64', [values.length], BigInt64Array.from(values, BigInt));

describe('moving and converting bytes', () => {
  it('pads with the zero point, which is real 0', () => {
    const operation = {
      kind: 'layout',
      name: 'pad',
      input: 'x',
      output: 'y',
      outputIndex: 0,
      node: node('Pad', ['x', 'pads']),
    } as const;
    const graph = graphOf(operation, { x: quantized([1, 2], 1, 7) }, quantized([1, 4], 1, 7), {
      pads: integers(0, 1, 0, 1),
    });
    expect(runBytes(graph, { x: Uint8Array.of(1, 2) })).toEqual([7, 1, 2, 7]);
  });

  it('pads with the byte of another constant', () => {
    const operation = {
      kind: 'layout',
      name: 'pad',
      input: 'x',
      output: 'y',
      outputIndex: 0,
      node: node('Pad', ['x', 'pads', 'fill']),
    } as const;
    const constants = { pads: integers(0, 1, 0, 1), fill: tensor('uint8', [], Uint8Array.of(9)) };
    const graph = graphOf(operation, { x: quantized([1, 2], 1, 7) }, quantized([1, 4], 1, 7), constants);
    expect(runBytes(graph, { x: Uint8Array.of(1, 2) })).toEqual([9, 1, 2, 9]);
  });

  it('takes one output of Split', () => {
    const split = { ...node('Split', ['x', 'sizes'], { axis: 1 }), outputs: ['a', 'y'] };
    const operation = { kind: 'layout', name: 'split', input: 'x', output: 'y', outputIndex: 1, node: split } as const;
    const graph = graphOf(operation, { x: quantized([1, 5], 1, 7) }, quantized([1, 3], 1, 7), {
      sizes: integers(2, 3),
    });
    expect(runBytes(graph, { x: Uint8Array.of(1, 2, 3, 4, 5) })).toEqual([3, 4, 5]);
  });

  it('looks tables up', () => {
    const table = Uint8Array.from({ length: 256 }, (_, q) => 255 - q);
    const operation = { kind: 'table', name: 'table', opType: 'Neg', input: 'x', output: 'y', table } as const;
    const graph = graphOf(operation, { x: quantized([1, 3], 1, 0) }, quantized([1, 3], 1, 0));
    expect(runBytes(graph, { x: Uint8Array.of(0, 1, 255) })).toEqual([255, 254, 0]);
  });

  it('concatenates', () => {
    const operation = { kind: 'concat', name: 'concat', inputs: ['a', 'b'], output: 'y', axis: 2 } as const;
    const graph = graphOf(
      operation,
      { a: quantized([1, 2, 1], 1, 0), b: quantized([1, 2, 2], 1, 0) },
      quantized([1, 2, 3], 1, 0),
    );
    expect(runBytes(graph, { a: Uint8Array.of(1, 4), b: Uint8Array.of(2, 3, 5, 6) })).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('quantizes and dequantizes: back within half a step, and exactly from bytes', () => {
    fc.assert(
      fc.property(params, fc.array(fc.float({ noNaN: true, min: -50, max: 50 }), { minLength: 1 }), (p, reals) => {
        const shape = [1, reals.length];
        const q = quantized(shape, p.scale, p.zeroPoint);
        const quantize = graphOf({ kind: 'quantize', name: 'q', input: 'x', output: 'y' }, {}, q);
        const float = { kind: 'float', dtype: 'float32', shape } as const;
        const graph = { ...quantize, inputs: ['x'], values: new Map([...quantize.values, ['x', float] as const]) };
        const x = tensor('float32', shape, Float32Array.from(reals));
        const bytesOfReals = runQuantized(graph, new Map([['x', x]])).get('y')!.data as Uint8Array;
        const dequantize = graphOf({ kind: 'dequantize', name: 'dq', input: 'x', output: 'y' }, { x: q }, float);
        const back = runBytes(dequantize, { x: bytesOfReals });
        bytesOfReals.forEach((value, i) => {
          expect(back[i]).toBe(f32((value - p.zeroPoint) * p.scale));
          const inRange = Math.min(Math.max(x.data[i]!, -p.zeroPoint * p.scale), (255 - p.zeroPoint) * p.scale);
          expect(Math.abs(back[i]! - inRange)).toBeLessThanOrEqual(0.501 * p.scale);
        });
      }),
    );
  });
});
