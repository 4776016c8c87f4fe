import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../src/base/index.ts';
import type { Graph, Operation, QuantizedGraph } from '../../src/graph/index.ts';
import { runQuantized } from '../../src/reference/index.ts';
import { tensor } from '../../src/tensor/index.ts';
import { lowerQdq } from '../../src/transform/index.ts';
import { assertAccumulatorFits } from '../../src/transform/qdq/weights.ts';
import { f, int, ints } from './support/build.ts';
import { randomFeeds, runBytes } from './support/oracle.ts';
import { QdqBuilder, type Quantization } from './support/qdqBuilder.ts';

const image = ['N', 4, 6, 6] as const;
const inputParams: Quantization = { scale: 0.03, zeroPoint: 120 };
const outputParams: Quantization = { scale: 0.05, zeroPoint: 110 };

function kinds(graph: QuantizedGraph): string[] {
  return graph.operations.map((operation) =>
    operation.kind === 'table' || operation.kind === 'float'
      ? `${operation.kind}:${operation.kind === 'table' ? operation.opType : operation.node.opType}`
      : operation.kind,
  );
}

function operation<K extends Operation['kind']>(graph: QuantizedGraph, kind: K): Operation & { readonly kind: K } {
  const found = graph.operations.find((candidate) => candidate.kind === kind);
  if (!found) throw new Error(`no ${kind} among ${kinds(graph).join(', ')}`);
  return found as Operation & { readonly kind: K };
}

/** Largest difference from onnxruntime on the same file, in real numbers. */
async function difference(graph: Graph, bytes: Uint8Array, lowered = lowerQdq(graph)): Promise<number> {
  const feeds = randomFeeds(graph, { batch: 3, seed: 5 });
  const expected = await runBytes(bytes, feeds, 'none');
  const actual = runQuantized(lowered, feeds);
  let worst = 0;
  for (const name of graph.outputs) {
    const [want, got] = [expected.get(name), actual.get(name)];
    expect(got?.shape).toEqual(want?.shape);
    want?.data.forEach((value, i) => {
      worst = Math.max(worst, Math.abs(Number(value) - Number(got?.data[i])));
    });
  }
  return worst;
}

/** One quantized image input; `body` makes the network and returns its output. */
function network(
  body: (b: QdqBuilder, x: string) => string,
  params = inputParams,
): { graph: Graph; bytes: Uint8Array } {
  const b = new QdqBuilder();
  const x = b.qdq(b.input('image', image), params);
  return b.build([body(b, x)]);
}

describe('fusion', () => {
  it('makes Conv, Relu and Clip one operation with a clamp', async () => {
    const { graph, bytes } = network((b, x) => {
      const conv = b.node('Conv', [x, b.weights([5, 4, 3, 3], 0), b.reals([5])], { pads: [1, 1, 1, 1] });
      const high = b.constant(tensor('float32', [], Float32Array.of(2)));
      return b.qdq(b.node('Clip', [b.node('Relu', [conv]), '', high]), outputParams);
    });
    const lowered = lowerQdq(graph);
    expect(kinds(lowered)).toEqual(['quantize', 'conv', 'dequantize']);
    expect(operation(lowered, 'conv').clamp).toEqual({ qmin: 110, qmax: 150 });
    expect(await difference(graph, bytes)).toBeLessThan(outputParams.scale * 1.01);
  });

  const capsOf = (b: QdqBuilder, caps: readonly number[]): string =>
    b.constant(tensor('float32', [1, caps.length, 1, 1], Float32Array.from(caps)));

  it('makes Conv, Relu and one Min a channel one operation with caps', async () => {
    const { graph, bytes } = network((b, x) => {
      const conv = b.node('Conv', [x, b.weights([5, 4, 3, 3], 0), b.reals([5])], { pads: [1, 1, 1, 1] });
      return b.qdq(b.node('Min', [b.node('Relu', [conv]), capsOf(b, [2, 0.5, 1, 100, -1])]), outputParams);
    });
    const lowered = lowerQdq(graph);
    expect(kinds(lowered)).toEqual(['quantize', 'conv', 'dequantize']);
    expect(operation(lowered, 'conv').clamp).toEqual({ qmin: 110, qmax: 255 });
    expect(operation(lowered, 'conv').caps).toEqual(Uint8Array.of(150, 120, 130, 255, 90));
    expect(await difference(graph, bytes)).toBeLessThan(outputParams.scale * 1.01);
  });

  it('binds caps by the limits of a later Clip, and by later caps', async () => {
    const { graph, bytes } = network((b, x) => {
      const conv = b.node('Conv', [x, b.weights([3, 4, 1, 1], 0), b.reals([3])]);
      const [low, high] = [0.5, 2].map((limit) => b.constant(tensor('float32', [], Float32Array.of(limit))));
      const first = b.node('Min', [conv, capsOf(b, [0, 1, 5])]);
      return b.qdq(b.node('Min', [b.node('Clip', [first, low!, high!]), capsOf(b, [9, 9, 1.5])]), outputParams);
    });
    const lowered = lowerQdq(graph);
    expect(operation(lowered, 'conv').clamp).toEqual({ qmin: 120, qmax: 150 });
    expect(operation(lowered, 'conv').caps).toEqual(Uint8Array.of(120, 130, 140));
    expect(await difference(graph, bytes)).toBeLessThan(outputParams.scale * 1.01);
  });

  it.each([
    ['a sum', (b: QdqBuilder, x: string) => b.node('Add', [x, x]), [1, 4, 1, 1]],
    [
      'a convolution, by pixel',
      (b: QdqBuilder, x: string) => b.node('Conv', [x, b.weights([4, 4, 1, 1], 0)]),
      [1, 1, 6, 1],
    ],
  ])('leaves Min after %s in float', async (_, body, shape) => {
    const { graph, bytes } = network((b, x) => {
      const count = shape.reduce((product, dim) => product * dim, 1);
      const caps = b.constant(tensor('float32', shape, new Float32Array(count).fill(0.5)));
      return b.qdq(b.node('Min', [body(b, x), caps]), outputParams);
    });
    expect(kinds(lowerQdq(graph))).toContain('float:Min');
    expect(await difference(graph, bytes)).toBeLessThan(outputParams.scale * 1.01);
  });

  it.each([
    ['without', undefined],
    ['with', { scale: 1 / 255 }],
  ])('makes SiLU one table, %s quantization inside', async (_, between) => {
    const { graph, bytes } = network((b, x) => {
      const gate = b.node('Sigmoid', [x]);
      return b.qdq(b.node('Mul', [x, between ? b.qdq(gate, between) : gate]), outputParams);
    });
    expect(kinds(lowerQdq(graph))).toEqual(['quantize', 'table:Sigmoid+Mul', 'dequantize']);
    expect(await difference(graph, bytes)).toBeLessThan(outputParams.scale * 1.01);
  });

  it('makes HardSwish that is written out one table', async () => {
    const { graph, bytes } = network((b, x) => {
      const scalar = (value: number): string => b.constant(tensor('float32', [1], Float32Array.of(value)));
      const clipped = b.node('Clip', [b.node('Add', [x, scalar(3)]), scalarOf(b, 0), scalarOf(b, 6)]);
      return b.qdq(b.node('Div', [b.node('Mul', [x, clipped]), scalar(6)]), outputParams);
    });
    expect(kinds(lowerQdq(graph))).toEqual(['quantize', 'table:Add+Clip+Mul+Div', 'dequantize']);
    expect(await difference(graph, bytes)).toBeLessThan(outputParams.scale * 1.01);
  });

  it('keeps a product of two different values a product', async () => {
    const { graph, bytes } = network((b, x) => {
      const pooled = b.qdq(b.node('GlobalAveragePool', [x]), { scale: 0.01, zeroPoint: 128 });
      return b.qdq(b.node('Mul', [x, b.qdq(b.node('Sigmoid', [pooled]), { scale: 1 / 255 })]), outputParams);
    });
    expect(kinds(lowerQdq(graph))).toEqual(['quantize', 'averagePool', 'table:Sigmoid', 'mul', 'dequantize']);
    expect(await difference(graph, bytes)).toBeLessThan(outputParams.scale * 1.01);
  });

  it('drops what copies bytes: Relu above the zero point, a repeated quantization', () => {
    const { graph } = network((b, x) => b.qdq(b.qdq(b.node('Relu', [x]), { scale: 0.03 }), { scale: 0.03 }), {
      scale: 0.03,
    });
    expect(kinds(lowerQdq(graph))).toEqual(['quantize', 'dequantize']);
  });

  it('changes scales by a table', async () => {
    const { graph, bytes } = network((b, x) => b.qdq(b.qdq(x, { scale: 0.07, zeroPoint: 90 }), outputParams));
    expect(kinds(lowerQdq(graph))).toEqual(['quantize', 'table:Requantize', 'table:Requantize', 'dequantize']);
    expect(await difference(graph, bytes)).toBe(0);
  });

  it('moves bytes where there is no quantization after a layout operator', async () => {
    const { graph, bytes } = network((b, x) => {
      const flat = b.node('Flatten', [b.node('MaxPool', [x], { kernel_shape: [2, 2], strides: [2, 2] })]);
      const product = b.node('Gemm', [flat, b.weights([3, 36], 0), b.reals([3])], { transB: 1 });
      return b.qdq(product, outputParams);
    });
    expect(kinds(lowerQdq(graph))).toEqual(['quantize', 'maxPool', 'layout', 'fullyConnected', 'dequantize']);
    expect(await difference(graph, bytes)).toBeLessThan(outputParams.scale * 1.01);
  });

  it('takes the Add after a MatMul for its bias', async () => {
    const { graph, bytes } = network((b, x) => {
      const product = b.node('MatMul', [b.node('Flatten', [x]), b.weights([144, 3], 1)]);
      return b.qdq(b.node('Add', [b.reals([3]), product]), outputParams);
    });
    expect(kinds(lowerQdq(graph))).toEqual(['quantize', 'layout', 'fullyConnected', 'dequantize']);
    expect(await difference(graph, bytes)).toBeLessThan(outputParams.scale * 1.01);
  });

  it('transposes weights that are stored the other way', async () => {
    const { graph, bytes } = network((b, x) => {
      const weights = b.node('Transpose', [b.weights([3, 144], 0)], { perm: [1, 0] });
      return b.qdq(b.node('MatMul', [b.node('Flatten', [x]), weights]), outputParams);
    });
    expect(operation(lowerQdq(graph), 'fullyConnected').weights.shape).toEqual([3, 144]);
    expect(await difference(graph, bytes)).toBeLessThan(outputParams.scale * 1.01);
  });

  it('brings operands of Concat to one scale, by tables where theirs differ', async () => {
    const { graph, bytes } = network((b, x) => {
      const same = b.qdq(b.node('MaxPool', [x], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }), inputParams);
      const other = b.qdq(b.node('Tanh', [x]), { scale: 0.01, zeroPoint: 128 });
      return b.qdq(b.node('Concat', [same, other, x], { axis: -3 }), inputParams);
    });
    const lowered = lowerQdq(graph);
    expect(kinds(lowered)).toEqual(['quantize', 'maxPool', 'table:Tanh', 'table:Requantize', 'concat', 'dequantize']);
    expect(operation(lowered, 'concat').axis).toBe(1);
    expect(await difference(graph, bytes)).toBeLessThan(inputParams.scale * 1.01);
  });

  it('shuffles channels in bytes', async () => {
    const { graph, bytes } = network((b, x) => {
      b.nodeTo('left right', 'Split', [x, b.constant(ints(2, 2))], { axis: 1 });
      const pair = b.node('Concat', [b.qdq('right', inputParams), b.qdq('left', inputParams)], { axis: 1 });
      const rows = b.node('Reshape', [b.qdq(pair, inputParams), b.constant(ints(-1, 2, 2, 6, 6))]);
      const turned = b.node('Transpose', [rows], { perm: [0, 2, 1, 3, 4] });
      return b.qdq(b.node('Reshape', [turned, b.constant(ints(-1, 4, 6, 6))]), inputParams);
    });
    const lowered = lowerQdq(graph);
    expect(kinds(lowered)).toEqual([
      'quantize',
      'layout',
      'layout',
      'concat',
      'layout',
      'layout',
      'layout',
      'dequantize',
    ]);
    expect(await difference(graph, bytes)).toBe(0);
  });

  it('pads with the byte that means the pad value, at the output scale', async () => {
    const { graph, bytes } = network((b, x) => {
      const fill = b.constant(tensor('float32', [], Float32Array.of(-1)));
      return b.qdq(b.node('Pad', [x, b.constant(ints(0, 0, 1, 1, 0, 0, 1, 0)), fill]), outputParams);
    });
    expect(kinds(lowerQdq(graph))).toEqual(['quantize', 'table:Requantize', 'layout', 'dequantize']);
    expect(await difference(graph, bytes)).toBe(0);
  });
});

function scalarOf(b: QdqBuilder, value: number): string {
  return b.constant(tensor('float32', [], Float32Array.of(value)));
}

describe('float islands', () => {
  it('runs what has float weights or no integer form in float', async () => {
    const { graph, bytes } = network((b, x) => {
      const conv = b.qdq(b.node('Conv', [x, b.reals([4, 4, 1, 1])]), outputParams);
      return b.qdq(b.node('Softmax', [conv], { axis: 1 }), { scale: 1 / 255 });
    });
    const lowered = lowerQdq(graph);
    expect(kinds(lowered)).toEqual([
      'quantize',
      'dequantize',
      'float:Conv',
      'quantize',
      'dequantize',
      'float:Softmax',
      'quantize',
      'dequantize',
    ]);
    expect(await difference(graph, bytes)).toBeLessThan(1.01 / 255);
  });

  it('takes a Conv of one pixel for fully connected, but not where its stride lands on padding', async () => {
    for (const pads of [
      [0, 0, 0, 0],
      [1, 0, 1, 0],
    ]) {
      const { graph, bytes } = network((b, x) => {
        const pixel = b.node('MaxPool', [x], { kernel_shape: [6, 6] });
        const attributes = { pads, strides: [3, 3] };
        return b.node('Conv', [b.qdq(pixel, inputParams), b.weights([3, 4, 1, 1], 0), b.reals([3])], attributes);
      });
      expect(kinds(lowerQdq(graph)).includes('fullyConnected')).toBe(pads[0] === 0);
      expect(await difference(graph, bytes)).toBeLessThan(1e-3);
    }
  });

  it('lowers an fp32 network to float operations', async () => {
    const b = new QdqBuilder();
    const x = b.input('image', image);
    const { graph, bytes } = b.build([b.node('Relu', [b.node('Conv', [x, b.reals([2, 4, 3, 3])])])]);
    expect(kinds(lowerQdq(graph))).toEqual(['float:Conv', 'float:Relu']);
    expect(await difference(graph, bytes)).toBeLessThan(1e-4);
  });

  it('dequantizes the weights of a weight-only network once', async () => {
    const b = new QdqBuilder();
    const x = b.input('image', image);
    const weights = b.weights([2, 4, 3, 3], 0);
    const { graph, bytes } = b.build([b.node('Conv', [x, weights])]);
    const lowered = lowerQdq(graph);
    expect(kinds(lowered)).toEqual(['float:Conv']);
    expect(lowered.constants.get(weights)?.dtype).toBe('float32');
    expect(await difference(graph, bytes)).toBeLessThan(1e-4);
  });

  it('computes a value in float for everyone when somebody needs it in float', async () => {
    const b = new QdqBuilder();
    const x = b.qdq(b.input('image', image), inputParams);
    const conv = b.node('Conv', [x, b.weights([4, 4, 1, 1], 0)]);
    const { graph, bytes } = b.build([conv, b.qdq(conv, outputParams)]);
    expect(kinds(lowerQdq(graph))).toEqual(['quantize', 'dequantize', 'float:Conv', 'quantize', 'dequantize']);
    expect(await difference(graph, bytes)).toBeLessThan(outputParams.scale * 1.01);
  });

  it('leaves quantization along an axis of an activation to float', async () => {
    const { graph, bytes } = network((b, x) => {
      const scales = b.constant(tensor('float32', [4], Float32Array.of(0.1, 0.2, 0.3, 0.4)));
      const zeros = b.constant(tensor('uint8', [4], Uint8Array.of(1, 2, 3, 4)));
      const q = b.node('QuantizeLinear', [x, scales, zeros], { axis: 1 });
      return b.node('DequantizeLinear', [q, scales, zeros], { axis: 1 });
    });
    expect(kinds(lowerQdq(graph))).toEqual([
      'quantize',
      'dequantize',
      'float:QuantizeLinear',
      'float:DequantizeLinear',
    ]);
    expect(await difference(graph, bytes)).toBeLessThan(1e-6);
  });
});

describe('readers of one value', () => {
  it('share equal quantizations and get their own where they differ', async () => {
    const b = new QdqBuilder();
    const x = b.qdq(b.input('image', image), inputParams);
    const conv = b.node('Conv', [x, b.weights([4, 4, 1, 1], 0)]);
    const coarse = { scale: 0.2, zeroPoint: 60 };
    const outputs = [outputParams, outputParams, coarse].map((params) => b.node('Relu', [b.qdq(conv, params)]));
    const { graph, bytes } = b.build(outputs.map((output) => b.qdq(output, { scale: 0.04 })));
    const found = kinds(lowerQdq(graph));
    expect(found.filter((kind) => kind === 'conv')).toHaveLength(2);
    expect(await difference(graph, bytes)).toBeLessThan(0.4 * 1.01);
  });
});

describe('int8 activations', () => {
  it('are shifted to uint8, and back where the graph returns them', async () => {
    const b = new QdqBuilder();
    const signed: Quantization = { scale: 0.03, zeroPoint: -7, dtype: 'int8' };
    const x = b.qdq(b.input('image', image), signed);
    const result: Quantization = { scale: 0.05, zeroPoint: 0, dtype: 'int8' };
    const returned = b.quantize(b.node('Conv', [x, b.weights([4, 4, 3, 3], 0)]), result);
    const { graph } = b.build([returned]);
    const lowered = lowerQdq(graph);
    expect(lowered.values.get(operation(lowered, 'conv').input)).toMatchObject({ zeroPoint: 121, storedAs: 'int8' });
    expect(lowered.values.get(returned)).toMatchObject({ zeroPoint: 128, storedAs: 'int8' });
    const feeds = randomFeeds(graph, { batch: 1, seed: 3 });
    expect(runQuantized(lowered, feeds).get(returned)?.dtype).toBe('int8');
  });
});

describe('QLinear operators', () => {
  it('become the same operations', async () => {
    const b = new QdqBuilder();
    const p = b.params(inputParams);
    const q = b.params(outputParams);
    const x = b.node('QuantizeLinear', [b.input('image', image), ...p]);
    const scales = b.constant(tensor('float32', [4], Float32Array.of(0.01, 0.02, 0.005, 0.01)));
    const weights = b.constant(b.bytes('int8', [4, 4, 3, 3]));
    const bias = b.constant(tensor('int32', [4], Int32Array.of(100, -2000, 3000, 5)));
    const zeros = b.constant(tensor('int8', [4]));
    const conv = b.node('QLinearConv', [x, ...p, weights, scales, zeros, ...q, bias], { pads: [1, 1, 1, 1] });
    const pooled = b.node('MaxPool', [conv], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] });
    const added = b.node('QLinearAdd', [conv, ...q, pooled, ...q, ...q], {}, 'com.microsoft');
    const gate = b.params({ scale: 1 / 256 });
    const sigmoid = b.node('QLinearSigmoid', [added, ...q, ...gate], {}, 'com.microsoft');
    const scaled = b.node('QLinearMul', [added, ...q, sigmoid, ...gate, ...q], {}, 'com.microsoft');
    const joined = b.node('QLinearConcat', [...q, scaled, ...q, x, ...p], { axis: 1 }, 'com.microsoft');
    const average = b.node('QLinearGlobalAveragePool', [joined, ...q, ...q], {}, 'com.microsoft');
    const flat = b.node('Reshape', [average, b.constant(ints(-1, 8))]);
    const matrix = b.constant(b.bytes('int8', [8, 3]));
    const matrixScale = b.constant(tensor('float32', [3], Float32Array.of(0.01, 0.02, 0.03)));
    const product = b.node('QLinearMatMul', [flat, ...q, matrix, matrixScale, b.constant(tensor('int8', [3])), ...q]);
    const { graph, bytes } = b.build([b.node('DequantizeLinear', [product, ...q])]);
    const lowered = lowerQdq(graph);
    expect(kinds(lowered)).toEqual([
      ...['quantize', 'conv', 'maxPool', 'add', 'table:Sigmoid+Mul', 'table:Requantize', 'concat', 'averagePool'],
      ...['layout', 'fullyConnected', 'dequantize'],
    ]);
    expect(operation(lowered, 'conv').weights.bias).toEqual(Int32Array.of(100, -2000, 3000, 5));
    expect(await difference(graph, bytes)).toBeLessThan(outputParams.scale * 2.01);
  });

  it('of com.microsoft QGemm and LeakyRelu too', async () => {
    const b = new QdqBuilder();
    const p = b.params(inputParams);
    const q = b.params(outputParams);
    const x = b.node('QuantizeLinear', [b.input('rows', ['N', 8]), ...p]);
    const scale = b.constant(tensor('float32', [], Float32Array.of(0.01)));
    const weights = b.constant(b.bytes('int8', [5, 8]));
    const bias = b.constant(tensor('int32', [5], Int32Array.of(1, 20, 300, -4000, 500)));
    const zero = b.constant(tensor('int8', []));
    const gemm = b.node('QGemm', [x, ...p, weights, scale, zero, bias, ...q], { transB: 1 }, 'com.microsoft');
    const leaky = b.node('QLinearLeakyRelu', [gemm, ...q, ...q], { alpha: f(0.1) }, 'com.microsoft');
    const { graph, bytes } = b.build([b.node('DequantizeLinear', [leaky, ...q])]);
    expect(kinds(lowerQdq(graph))).toEqual(['quantize', 'fullyConnected', 'table:LeakyRelu', 'dequantize']);
    expect(await difference(graph, bytes)).toBeLessThan(outputParams.scale * 1.01);
  });
});

describe('bounds', () => {
  it('an accumulator that cannot overflow passes, one step more does not', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 255 }),
        fc.integer({ min: 1, max: 300 }),
        fc.nat(),
        (zeroPoint, taps, seed) => {
          const data = Int8Array.from({ length: taps }, (_, i) => ((i * 37 + seed) % 255) - 127);
          const sum = data.reduce((total, w) => total + Math.abs(w), 0) * Math.max(zeroPoint, 255 - zeroPoint);
          const check = (bias: number): void => {
            assertAccumulatorFits(
              { name: 'n', opType: 'Conv' },
              { data, zeroPoints: Int32Array.of(0), bias: Int32Array.of(bias) },
              zeroPoint,
              () => 0,
            );
          };
          const room = 2 ** 31 - 1 - sum;
          for (const sign of [1, -1]) {
            expect(() => check(sign * room)).not.toThrow();
            if (sum > 0) expect(() => check(sign * (room + 1))).toThrow(AppError);
          }
        },
      ),
    );
  });

  it('refuses a bias that does not fit int32, by node and channel', () => {
    const { graph } = network((b, x) => {
      const bias = b.constant(tensor('float32', [4], Float32Array.of(0, 0, 3e6, 0)));
      return b.qdq(b.node('Conv', [x, b.weights([4, 4, 1, 1], 0), bias]), outputParams);
    });
    expect(() => lowerQdq(graph)).toThrow(/channel 2/);
  });

  it.each([0, -0.1, NaN, Infinity])('refuses the scale %d', (scale) => {
    const { graph } = network((b, x) => b.qdq(x, { scale }));
    const act = (): unknown => lowerQdq(graph);
    expect(act).toThrow(AppError);
    expect(act).toThrow(/scale/);
  });

  it('refuses scales whose ratio is not a float32', () => {
    const { graph } = network((b, x) => b.qdq(b.node('Conv', [x, b.weights([4, 4, 1, 1], 0)]), { scale: 1e-38 }), {
      scale: 1e10,
    });
    expect(() => lowerQdq(graph)).toThrow(/multiplied by/);
  });

  it('reads a scalar gather index as a layout', async () => {
    const { graph, bytes } = network((b, x) =>
      b.qdq(b.node('Gather', [x, b.constant(int(2))], { axis: 1 }), inputParams),
    );
    expect(kinds(lowerQdq(graph))).toEqual(['quantize', 'layout', 'dequantize']);
    expect(await difference(graph, bytes)).toBe(0);
  });
});
