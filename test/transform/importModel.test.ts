import { describe, expect, it } from 'vitest';
import { AppError, type ErrorCode } from '../../src/base/index.ts';
import { formatGraph } from '../../src/graph/index.ts';
import { readModel, writeModel, type ModelProto } from '../../src/onnx/index.ts';
import { tensor, type Tensor } from '../../src/tensor/index.ts';
import { exportModel, importModel, simplify, summarize, type ImportOptions } from '../../src/transform/index.ts';
import { f, float, floats, int, ints, modelOf, normal, op, positive, type Network } from './support/build.ts';

function failure(run: () => unknown): AppError {
  try {
    run();
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
const refusal = (network: Partial<Network>, options?: ImportOptions): AppError =>
  failure(() => importModel(modelOf({ inputs: image, outputs: ['y'], nodes: [], ...network }), options));

const image = { x: ['N', 3, 8, 8] };
const relu = op('Relu', 'x', 'y');
const imported = (network: Partial<Network>, options?: ImportOptions) =>
  importModel(modelOf({ inputs: image, outputs: ['y'], nodes: [relu], ...network }), options);

describe('the check before any compute', () => {
  it('lists every node that is not supported, with its name, operator and reason', () => {
    const error = refusal({
      nodes: [
        op('NonZero', 'x', 'a'),
        op('Cast', 'a', 'b', { to: 1 }),
        op('Det', 'b', 'c'),
        op('MaxPool', 'x', 'p i', { kernel_shape: [2, 2] }),
        op('Frobnicate', 'p', 'q', {}, 'my.domain'),
        op('Resize', 'x _ s', 'r', { mode: 'cubist' }),
        op('Concat', 'c q r i', 'y', { axis: 0 }),
      ],
      initializers: { s: floats(1, 1, 2, 2) },
    });
    expect(error.code).toBe('UNSUPPORTED_OPERATOR');
    expect(error.params.nodes).toEqual([
      { name: 'NonZero_a', opType: 'NonZero', domain: '', reason: 'the operator is not supported' },
      { name: 'Det_c', opType: 'Det', domain: '', reason: 'the operator is not supported' },
      { name: 'MaxPool_p', opType: 'MaxPool', domain: '', reason: 'its second output (indices) is not supported' },
      {
        name: 'Frobnicate_q',
        opType: 'Frobnicate',
        domain: 'my.domain',
        reason: "the operator of domain 'my.domain' is not supported",
      },
      { name: 'Resize_r', opType: 'Resize', domain: '', reason: "mode 'cubist' is not supported" },
    ]);
    expect(error.message).toContain("'Frobnicate_q' (Frobnicate): the operator of domain 'my.domain'");
  });

  it('names ten nodes in the sentence and all in the parameters', () => {
    const nodes = Array.from({ length: 40 }, (_, i) =>
      op('Det', i === 0 ? 'x' : `v${i - 1}`, i === 39 ? 'y' : `v${i}`),
    );
    const error = refusal({ nodes });
    expect(error.params.nodes).toHaveLength(40);
    expect(error.message).toContain('and 30 more');
  });

  it('does not mind nodes that no output needs', () => {
    expect(imported({ nodes: [relu, op('NonZero', 'x', 'a'), op('Loop', 'a', 'b')] }).nodes).toHaveLength(1);
  });

  it.each<[string, Partial<Network>]>([
    [
      'a Conv of volumes',
      {
        inputs: { x: ['N', 3, 8, 8, 8] },
        nodes: [op('Conv', 'x w', 'y')],
        initializers: { w: normal([2, 3, 1, 1, 1]) },
      },
    ],
    [
      'BatchNormalization that trains',
      {
        opset: 14,
        nodes: [op('BatchNormalization', 'x a a a v', 'y', { training_mode: 1 })],
        initializers: { a: normal([3]), v: positive([3]) },
      },
    ],
    ['a Dropout whose mask is read', { nodes: [op('Dropout', 'x', 'd m'), op('Where', 'm x d', 'y')] }],
    [
      'a target shape that depends on the data',
      {
        nodes: [op('Cast', 'x', 'i', { to: 7 }), op('Reshape', 'i flat', 'k'), op('Reshape', 'x k', 'y')],
        initializers: { flat: ints(-1) },
      },
    ],
  ])('refuses %s', (_, network) => {
    expect(refusal(network).code).toBe('UNSUPPORTED_OPERATOR');
  });
});

describe('operands of another type', () => {
  it.each<[string, Partial<Network>]>([
    ['weights of Conv', { nodes: [op('Conv', 'x w', 'y')], initializers: { w: tensor('int8', [4, 3, 1, 1]) } }],
    ['an image of indices', { nodes: [op('ArgMax', 'x', 'i', { axis: 1 }), op('LeakyRelu', 'i', 'y')] }],
    [
      'what is quantized',
      {
        nodes: [op('ArgMax', 'x', 'i', { axis: 1 }), op('QuantizeLinear', 'i s z', 'y')],
        initializers: { s: floats(1), z: tensor('uint8', [1]) },
      },
    ],
    [
      'one matrix of two',
      {
        nodes: [op('Flatten', 'x', 'f'), op('MatMul', 'f w', 'y')],
        initializers: { w: tensor('int8', [192, 2]) },
      },
    ],
    ['bounds of integers', { nodes: [op('Clip', 'x low', 'y')], initializers: { low: int(0) } }],
  ])('%s are refused', (_, network) => {
    const error = refusal(network);
    expect(error.code).toBe('SHAPE_MISMATCH');
    expect(error.message).toMatch(/ of (int8|int64|float32)\b/);
  });

  it('fractions where integers belong are refused', () => {
    const nodes = [op('Slice', 'x s e', 'y')];
    const error = refusal({ nodes, initializers: { s: floats(0, 0.5), e: floats(1, 2.5) } });
    expect(error.code).toBe('MODEL_INVALID');
    expect(error.message).toContain('must be integers');
  });
});

describe('what is out of scope', () => {
  it('an output that is an input', () => {
    const error = refusal({ nodes: [relu], outputs: ['y', 'x'] });
    expect(error.code).toBe('MODEL_OUT_OF_SCOPE');
    expect(error.message).toContain("'x' is a graph input");
  });

  it.each(['Loop', 'If', 'Scan', 'LSTM', 'GRU', 'SequenceAt', 'Optional'])('%s is said so in words', (opType) => {
    const error = refusal({ nodes: [op(opType, 'x', 'a'), op('Det', 'a', 'y')] });
    expect(error.code).toBe('MODEL_OUT_OF_SCOPE');
    expect(error.message).toContain(opType);
    expect(error.params.nodes).toEqual([{ name: `${opType}_a`, opType }]);
  });

  it.each<[string, ModelProto['graph']['inputs'][number]['type'], string]>([
    ['free dimensions besides the batch', { kind: 'tensor', elementType: 1, shape: ['N', 'len'] }, 'axis 1'],
    ['no rank', { kind: 'tensor', elementType: 1, shape: undefined }, 'no shape'],
    ['strings', { kind: 'tensor', elementType: 8, shape: [1] }, 'STRING'],
    ['a sequence', { kind: 'sequence' }, 'sequence'],
    ['no type', { kind: 'none' }, 'no type'],
  ])('an input of %s', (_, type, says) => {
    const model = modelOf({ inputs: image, outputs: ['y'], nodes: [relu] });
    const changed = { ...model, graph: { ...model.graph, inputs: [{ name: 'x', type }] } };
    const error = failure(() => importModel(changed));
    expect(error.code).toBe('MODEL_OUT_OF_SCOPE');
    expect(error.message).toContain(says);
  });
});

describe('shapes given with the upload', () => {
  const open = { inputs: { x: ['N', 3, 'H', 'W'] }, nodes: [relu] };

  it('fix what the file leaves open', () => {
    const graph = imported(open, { inputShapes: { x: [-1, 3, 32, 40] } });
    expect(graph.types.get('y')?.shape).toEqual([-1, 3, 32, 40]);
    expect(imported(open, { inputShapes: { x: [1, 3, 32, 40] } }).types.get('y')?.shape).toEqual([-1, 3, 32, 40]);
  });

  it.each<[string, Record<string, readonly number[]>]>([
    ['of another rank', { x: [1, 3, 8] }],
    ['that contradicts the file', { x: [1, 4, 8, 8] }],
    ['with a zero', { x: [1, 3, 0, 8] }],
    ['with a fraction', { x: [1, 3, 2.5, 8] }],
    ['of an input that is not there', { z: [1, 3, 8, 8] }],
  ])('%s are refused', (_, inputShapes) => {
    expect(refusal(open, { inputShapes }).code).toBe('SHAPE_MISMATCH');
  });
});

describe('a graph that is not consistent', () => {
  const [a, b] = [op('Relu', 'x', 'a'), op('Relu', 'a', 'y')];
  it.each<[string, Partial<Network>, ErrorCode]>([
    ['a value made twice', { nodes: [a, op('Abs', 'x', 'a'), b] }, 'MODEL_INVALID'],
    ['a value made and given', { nodes: [a, b], initializers: { a: float(1) } }, 'MODEL_INVALID'],
    ['an input that is made', { nodes: [op('Relu', 'y', 'x'), op('Relu', 'x', 'y')] }, 'MODEL_INVALID'],
    ['a cycle', { nodes: [op('Add', 'x b', 'a'), op('Relu', 'a', 'b'), op('Relu', 'b', 'y')] }, 'MODEL_INVALID'],
    ['a value that nothing makes', { nodes: [op('Add', 'x ghost', 'y')] }, 'MODEL_INVALID'],
    ['an output that nothing makes', { nodes: [a] }, 'MODEL_INVALID'],
    ['no outputs', { nodes: [a, b], outputs: [] }, 'MODEL_INVALID'],
    ['an output twice', { nodes: [a, b], outputs: ['y', 'y'] }, 'MODEL_INVALID'],
    ['no inputs', { inputs: {}, nodes: [op('Constant', '', 'y', { value: float(1) })] }, 'MODEL_INVALID'],
    ['a missing required input', { nodes: [op('Add', 'x', 'y')], opset: 13 }, 'MODEL_INVALID'],
    ['an attribute of another type', { nodes: [op('Concat', 'x x', 'y', { axis: 'one' })] }, 'MODEL_INVALID'],
    ['operator set 6', { opset: 6, nodes: [a, b] }, 'UNSUPPORTED_OPSET'],
    ['operator set 23', { opset: 23, nodes: [a, b] }, 'UNSUPPORTED_OPSET'],
    [
      'channels that do not fit',
      { nodes: [op('Conv', 'x w', 'y')], initializers: { w: normal([2, 4, 1, 1]) } },
      'SHAPE_MISMATCH',
    ],
    [
      'a group of zero',
      { nodes: [op('Conv', 'x w', 'y', { group: 0 })], initializers: { w: normal([2, 3, 1, 1]) } },
      'SHAPE_MISMATCH',
    ],
    [
      'a stride of zero',
      { nodes: [op('MaxPool', 'x', 'y', { kernel_shape: [1, 1], strides: [0, 1] })] },
      'SHAPE_MISMATCH',
    ],
    [
      'negative pads',
      { nodes: [op('MaxPool', 'x', 'y', { kernel_shape: [3, 3], pads: [-1, 0, 0, 0] })] },
      'SHAPE_MISMATCH',
    ],
    ['a kernel beyond the image', { nodes: [op('MaxPool', 'x', 'y', { kernel_shape: [9, 9] })] }, 'SHAPE_MISMATCH'],
    [
      'shapes that do not broadcast',
      { nodes: [op('Add', 'x w', 'y')], initializers: { w: normal([5]) } },
      'SHAPE_MISMATCH',
    ],
    ['an axis that is not there', { nodes: [op('Concat', 'x x', 'y', { axis: 4 })] }, 'SHAPE_MISMATCH'],
    [
      'a target of another size',
      { nodes: [op('Reshape', 'x t', 'y')], initializers: { t: ints(0, 7) } },
      'SHAPE_MISMATCH',
    ],
    [
      'an index beyond the axis',
      { nodes: [op('Gather', 'x i', 'y', { axis: 1 })], initializers: { i: int(3) } },
      'SHAPE_MISMATCH',
    ],
    [
      'a step of zero',
      { nodes: [op('Slice', 'x a a a z', 'y')], initializers: { a: ints(1), z: ints(0) } },
      'MODEL_INVALID',
    ],
  ])('%s is refused', (_, network, code) => {
    expect(refusal(network).code).toBe(code);
  });

  it.each([NaN, Infinity, -Infinity])('weights with %s are refused', (value) => {
    const error = refusal({ nodes: [op('Mul', 'x w', 'y')], initializers: { w: floats(1, value, 2, 3, 4, 5, 6, 7) } });
    expect(error.code).toBe('MODEL_NOT_FINITE');
    expect(error.params).toMatchObject({ value: 'w', element: 1 });
  });

  it('bounds may be infinite', () => {
    const graph = imported({
      nodes: [op('Clip', 'x lo hi', 'y')],
      initializers: { lo: float(0), hi: float(Infinity) },
    });
    expect(simplify(graph).nodes[0]?.opType).toBe('Relu');
  });
});

describe('a small file that asks for much', () => {
  const big = ints(1 << 20, 1 << 20, 1 << 20);
  it.each<[string, Partial<Network>]>([
    ['ConstantOfShape', { nodes: [op('ConstantOfShape', 's', 'c'), op('Add', 'x c', 'y')], initializers: { s: big } }],
    [
      'ConstantOfShape below the element limit, many times',
      {
        nodes: [
          ...[0, 1, 2, 3].map((i) => op('ConstantOfShape', 's', `c${i}`, { value: tensor('float64', [1]) as Tensor })),
          op('Sum', 'c0 c1 c2 c3', 'y'),
        ],
        initializers: { s: ints(1 << 27) },
      },
    ],
    ['Expand', { nodes: [op('Expand', 'k s', 'c'), op('Add', 'x c', 'y')], initializers: { s: big, k: float(1) } }],
    ['Tile', { nodes: [op('Tile', 'x r', 'y')], initializers: { r: ints(1, 1 << 20, 1 << 10, 1 << 10) } }],
    [
      'a chain of Tile',
      {
        nodes: Array.from({ length: 12 }, (_, i) =>
          op('Tile', `${i === 0 ? 'x' : `v${i - 1}`} r`, i === 11 ? 'y' : `v${i}`),
        ),
        initializers: { r: ints(1, 8, 8, 8) },
      },
    ],
    ['Resize', { nodes: [op('Resize', 'x _ s', 'y')], initializers: { s: floats(1, 1, 1e6, 1e6) } }],
    ['Upsample', { opset: 9, nodes: [op('Upsample', 'x s', 'y')], initializers: { s: floats(1, 1, 1e9, 1e9) } }],
    ['Pad', { nodes: [op('Pad', 'x p', 'y')], initializers: { p: ints(0, 0, 1e9, 1e9, 0, 0, 1e9, 1e9) } }],
    [
      'Range',
      {
        nodes: [op('Range', 'a b c', 'r'), op('Gather', 'x r', 'y', { axis: 1 })],
        initializers: { a: int(0), b: int(2 ** 40), c: int(1) },
      },
    ],
    [
      'a rank of 40',
      {
        nodes: [op('Unsqueeze', 'x a', 'y')],
        initializers: { a: ints(...Array.from({ length: 36 }, (_, i) => i + 1)) },
      },
    ],
    [
      'the padding of a Conv',
      {
        nodes: [op('Conv', 'x w', 'y', { pads: [1e6, 1e6, 1e6, 1e6] })],
        initializers: { w: normal([1, 3, 1, 1]) },
      },
    ],
    [
      'a matrix product of constants',
      {
        nodes: [
          op('ConstantOfShape', 's', 'c'),
          op('MatMul', 'c c', 'm'),
          op('ReduceMax', 'm', 'r', { keepdims: 0 }),
          op('Add', 'x r', 'y'),
        ],
        initializers: { s: ints(4096, 4096) },
      },
    ],
    [
      'windows of pooling',
      {
        inputs: { x: [1, 1, 4096, 4096] },
        nodes: [op('MaxPool', 'x', 'y', { kernel_shape: [4000, 4000], pads: [3999, 3999, 3999, 3999] })],
      },
    ],
    ['an input that nobody reads', { inputs: { ...image, z: ['N', 3, 2 ** 20, 2 ** 20] }, nodes: [relu] }],
    [
      'a batch that the file fixes and mixes',
      { inputs: { x: [2 ** 40, 3, 8, 8] }, nodes: [op('ReduceMean', 'x', 'y', { axes: [0] })] },
    ],
  ])('%s is refused before it is computed', (_, network) => {
    const began = performance.now();
    expect(refusal(network).code).toBe('MODEL_TOO_COMPLEX');
    expect(performance.now() - began).toBeLessThan(20_000);
  });

  it('does not copy weights that many nodes share beyond a limit', () => {
    const layers = Array.from({ length: 80 }, (_, i) => [
      op('Conv', `${i === 0 ? 'x' : `v${i - 1}`} w`, `c${i}`),
      op('Mul', `c${i} k`, i === 79 ? 'y' : `v${i}`),
    ]);
    const graph = imported({
      inputs: { x: ['N', 1024, 1, 1] },
      nodes: layers.flat(),
      initializers: { w: tensor('float32', [1024, 1024, 1, 1]), k: float(0.5) },
    });
    expect(failure(() => simplify(graph)).code).toBe('MODEL_TOO_COMPLEX');
  });
});

describe('the batch', () => {
  const shapeOf = (network: Partial<Network>) => imported(network).types.get('y')?.shape;

  it('is free where the file leaves it open, or says one', () => {
    expect(shapeOf({})).toEqual([-1, 3, 8, 8]);
    expect(shapeOf({ inputs: { x: [1, 3, 8, 8] } })).toEqual([-1, 3, 8, 8]);
    expect(shapeOf({ inputs: { x: [4, 3, 8, 8] } })).toEqual([-1, 3, 8, 8]);
    expect(shapeOf({ inputs: { x: [7] } })).toEqual([7]);
  });

  it.each<[string, Partial<Network>, readonly number[]]>([
    ['a transposition that moves it', { nodes: [op('Transpose', 'x', 'y', { perm: [1, 0, 2, 3] })] }, [3, 1, 8, 8]],
    ['a Gather of one sample', { nodes: [op('Gather', 'x i', 'y')], initializers: { i: int(0) } }, [3, 8, 8]],
    ['a Reshape that mixes samples', { nodes: [op('Reshape', 'x t', 'y')], initializers: { t: ints(3, -1) } }, [3, 64]],
    ['Softmax over samples', { opset: 13, nodes: [op('Softmax', 'x', 'y', { axis: 0 })] }, [1, 3, 8, 8]],
    ['a mean over samples', { nodes: [op('ReduceMean', 'x', 'y', { axes: [0], keepdims: 0 })] }, [3, 8, 8]],
    [
      'a sum with itself as another shape',
      {
        inputs: { x: [1, 3, 1, 1] },
        nodes: [op('Squeeze', 'x', 's'), op('Abs', 's', 'y')],
      },
      [3],
    ],
  ])('is one for %s', (_, network, shape) => {
    expect(shapeOf({ inputs: { x: [1, 3, 8, 8] }, ...network })).toEqual(shape);
  });

  it('follows several inputs', () => {
    const graph = imported({
      inputs: { x: ['N', 3, 8, 8], z: ['M', 3, 1, 1] },
      nodes: [op('Add', 'x z', 'y')],
    });
    expect(graph.types.get('y')?.shape).toEqual([-1, 3, 8, 8]);
  });
});

describe('the canonical graph', () => {
  it('has no inputs that are initializers', () => {
    const model = modelOf({
      inputs: { x: ['N', 3, 8, 8], k: [1] },
      outputs: ['y'],
      nodes: [op('Mul', 'x k', 'y')],
      initializers: { k: floats(2) },
    });
    expect(importModel(model).inputs).toEqual(['x']);
  });

  it('has a unique name for every node, the file’s own where it has one', () => {
    const unnamed = { ...op('Relu', 'x', 'a'), name: '' };
    const twice = [op('Relu', 'a', 'b'), op('Relu', 'b', 'c'), op('Relu', 'c', 'y')].map((node) => ({
      ...node,
      name: 'same',
    }));
    const names = imported({ nodes: [unnamed, ...twice] }).nodes.map(({ name }) => name);
    expect(names).toEqual(['Relu:a', 'same', 'same#2', 'same#3']);
  });

  it('is small after the shape arithmetic of exporters', async () => {
    const graph = imported({
      opset: 11,
      nodes: [
        op('Shape', 'x', 's'),
        op('Gather', 's zero', 'n'),
        op('Unsqueeze', 'n', 'n1', { axes: [0] }),
        op('Concat', 'n1 rest', 't', { axis: 0 }),
        op('Reshape', 'x t', 'r'),
        op('Clip', 'r', 'c', { min: f(0), max: f(6) }),
        op('Dropout', 'c', 'd'),
        op('Identity', 'd', 'y'),
      ],
      initializers: { zero: int(0), rest: ints(-1) },
    });
    await expect(`${formatGraph(graph)}\n`).toMatchFileSnapshot('golden/imported.txt');
  });

  it('keeps fractions in attributes that the operator does not have', () => {
    const graph = imported({ nodes: [op('Elu', 'x', 'y', { mode: f(0.5) })] });
    const [elu] = importModel(readModel(writeModel(exportModel(graph)))).nodes;
    expect(elu?.attributes.get('mode')).toBe(0.5);
  });

  it('is exported with its metadata, and reads the same again', () => {
    const model = modelOf({ opset: 9, inputs: image, outputs: ['y'], nodes: [op('Clip', 'x', 'y', { min: f(0) })] });
    const graph = importModel({ ...model, metadata: new Map([['octet.labels', '["a"]']]) });
    const written = exportModel(graph);
    expect(written.metadata.get('octet.labels')).toBe('["a"]');
    expect(written.opsetImports).toEqual([{ domain: '', version: 18 }]);
    expect(formatGraph(importModel(readModel(writeModel(written))))).toBe(formatGraph(graph));
  });

  it('is summed up', () => {
    const graph = imported({
      nodes: [
        op('Conv', 'x w b', 'c', { group: 1, strides: [2, 2] }),
        op('GlobalAveragePool', 'c', 'p'),
        op('Flatten', 'p', 'f'),
        op('Gemm', 'f v', 'y', { transB: 1 }),
      ],
      initializers: { w: normal([5, 3, 3, 3]), b: normal([5]), v: normal([7, 5]) },
    });
    expect(summarize(graph)).toEqual({
      inputs: [{ name: 'x', dtype: 'float32', shape: [-1, 3, 8, 8] }],
      outputs: [{ name: 'y', dtype: 'float32', shape: [-1, 7] }],
      operators: { Conv: 1, Flatten: 1, Gemm: 1, GlobalAveragePool: 1 },
      parameters: 5 * 27 + 5 + 35,
      macs: 9 * 5 * 27 + 35,
      opset: 13,
      producer: 'test',
    });
  });
});
