import { describe, expect, it } from 'vitest';
import type { Graph, Node, QuantizedGraph } from '../../src/graph/index.ts';
import { referenceExecutor, runNode, runQuantized } from '../../src/reference/index.ts';
import { tensor, type Tensor } from '../../src/tensor/index.ts';
import { quantized } from './operations.ts';

const node = (opType: string, inputs: readonly string[], output: string): Node => ({
  ...{ name: `${opType} of ${inputs.join()}`, opType, domain: '', inputs, outputs: [output], attributes: new Map() },
});

/** y = relu(x + w) · w, with the sum and the Relu as intermediate values. */
const graph: Graph = {
  ...{ name: 'small', inputs: ['x'], outputs: ['y'], metadata: new Map(), producer: 'octet-test', opset: 18 },
  nodes: [node('Add', ['x', 'w'], 'sum'), node('Relu', ['sum'], 'relu'), node('Mul', ['relu', 'w'], 'y')],
  constants: new Map([['w', tensor('float32', [2], Float32Array.of(2, -3))]]),
  types: new Map(['x', 'sum', 'relu', 'y'].map((name) => [name, { dtype: 'float32' as const, shape: [-1, 2] }])),
};

const x = tensor('float32', [2, 2], Float32Array.of(1, 1, -5, 7));

describe('the reference executor', () => {
  it('runs any batch and returns intermediate values', async () => {
    const session = await referenceExecutor.load(graph, ['y', 'sum', 'w', 'x']);
    const results = await session.run(new Map([['x', x]]));
    expect([...results.get('sum')!.data]).toEqual([3, -2, -3, 4]);
    expect([...results.get('y')!.data].map((value) => Number(value) + 0)).toEqual([6, 0, 0, -12]);
    expect(results.get('y')!.shape).toEqual([2, 2]);
    expect([...results.keys()]).toEqual(['y', 'sum', 'w', 'x']);
    await session.close();
  });

  it('gives each sample what it would give it alone', async () => {
    const session = await referenceExecutor.load(graph, ['y']);
    const whole = await session.run(new Map([['x', x]]));
    const second = await session.run(new Map([['x', tensor('float32', [1, 2], x.data.slice(2))]]));
    expect([...second.get('y')!.data]).toEqual([...whole.get('y')!.data].slice(2));
  });

  it('names a missing input', async () => {
    const session = await referenceExecutor.load(graph, ['y']);
    await expect(session.run(new Map())).rejects.toMatchObject({ code: 'INFERENCE_INVALID', message: /'x'/ });
  });
});

describe('a node that cannot run', () => {
  it.each([
    ['an operator that is not known', node('Frobnicate', ['x'], 'y'), [x], 'UNSUPPORTED_OPERATOR', /Frobnicate/],
    [
      'an operator named like a method of objects',
      node('constructor', ['x'], 'y'),
      [x],
      'UNSUPPORTED_OPERATOR',
      /constructor/,
    ],
    ['a missing input', node('Add', ['x', ''], 'y'), [x, undefined], 'MODEL_INVALID', /input 1/],
    [
      'shapes that do not broadcast',
      node('Add', ['x', 'y'], 'z'),
      [x, tensor('float32', [3])],
      'MODEL_INVALID',
      /\[2, 2\] and \[3\]/,
    ],
    [
      'a kernel larger than its input',
      node('Conv', ['x', 'w'], 'y'),
      [tensor('float32', [1, 1, 2, 2]), tensor('float32', [1, 1, 3, 3])],
      'MODEL_INVALID',
      /larger/,
    ],
  ] as const)('%s', (_name, bad, inputs: readonly (Tensor | undefined)[], code, message) => {
    expect(() => runNode(bad, inputs)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) as string }) as Error,
    );
  });
});

/** x int8 (shifted by 128 in memory) → table that adds 1 → y int8. */
function increment(shape: readonly number[]): QuantizedGraph {
  const value = { ...quantized(shape, 1, 128), storedAs: 'int8' as const };
  const table = Uint8Array.from({ length: 256 }, (_, q) => Math.min(q + 1, 255));
  return {
    ...{ name: 'increment', inputs: ['x'], outputs: ['y'], constants: new Map() },
    operations: [{ kind: 'table', name: 'increment', opType: 'Add', input: 'x', output: 'y', table }],
    values: new Map([
      ['x', value],
      ['y', value],
    ]),
  };
}

describe('a quantized graph', () => {
  const bytes = tensor('int8', [2, 3], Int8Array.of(-128, 0, 127, 1, 2, 3));

  it('takes and returns bytes as the file stores them, in any batch', () => {
    const y = runQuantized(increment([1, 3]), new Map([['x', bytes]])).get('y')!;
    expect({ dtype: y.dtype, shape: y.shape, data: [...y.data] }).toEqual({
      ...{ dtype: 'int8', shape: [2, 3], data: [-127, 1, 127, 2, 3, 4] },
    });
  });

  it('takes the batch that a file fixes, and multiples of it', () => {
    const four = tensor('int8', [4, 3], Int8Array.of(...bytes.data, ...bytes.data));
    const y = runQuantized(increment([2, 3]), new Map([['x', four]])).get('y')!;
    expect(y.shape).toEqual([4, 3]);
    expect([...y.data]).toEqual([-127, 1, 127, 2, 3, 4, -127, 1, 127, 2, 3, 4]);
  });

  it('shows every value of every sample as uint8', () => {
    const seen: [string, number[]][] = [];
    runQuantized(increment([1, 3]), new Map([['x', bytes]]), {
      observe: (name, value) => seen.push([name, Array.from(value.data as Uint8Array)]),
    });
    expect(seen).toEqual([
      ['y', [1, 129, 255]],
      ['y', [130, 131, 132]],
    ]);
  });

  it.each([
    ['a missing feed', new Map<string, Tensor>(), /missing/],
    ['another dtype', new Map<string, Tensor>([['x', tensor('float32', [1, 3])]]), /float32.*must be int8 \[N, 3\]/],
    ['another shape', new Map<string, Tensor>([['x', tensor('int8', [1, 4])]]), /\[1, 4\].*\[N, 3\]/],
    ['an empty batch', new Map<string, Tensor>([['x', tensor('int8', [0, 3])]]), /\[0, 3\]/],
  ])('refuses %s', (_name, feeds, message) => {
    expect(() => runQuantized(increment([1, 3]), feeds)).toThrow(message);
  });
});
