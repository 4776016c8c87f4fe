import type { NodeProto } from '../../src/onnx/index.ts';
import { seededRandom, gaussian } from '../../src/base/index.ts';
import type { Graph } from '../../src/graph/index.ts';
import { elementCount, tensor, type Tensor, type TensorMap } from '../../src/tensor/index.ts';
import { importModel, simplify } from '../../src/transform/index.ts';
import { float, ints, modelOf, normal, op } from '../transform/support/build.ts';

/** A network by its nodes; every initializer is given by name. */
export function networkOf(
  nodes: readonly NodeProto[],
  outputs: readonly string[],
  initializers: Readonly<Record<string, Tensor>>,
  input: readonly (number | string)[] = ['N', 3, 8, 8],
): Graph {
  return simplify(importModel(modelOf({ opset: 18, inputs: { image: input }, outputs, nodes, initializers })));
}

/** Weights of a layer, small enough that values stay near 1. */
export function layer(shape: readonly number[], seed: number): Tensor {
  const fan = elementCount(shape.slice(1));
  return tensor(
    'float32',
    shape,
    normal(shape, seed).data.map((w) => w / Math.sqrt(fan)),
  );
}

/**
 * A little of everything: stem with Relu6, depthwise, residual Add with Relu, SiLU, squeeze-and-excite product, max
 * pool, Concat, average pool, a classifier and Softmax.
 */
export function variedNetwork(): Graph {
  const pad = { pads: [1, 1, 1, 1] };
  const nodes = [
    op('Conv', 'image w1 b1', 'stem', pad),
    op('Clip', 'stem low high', 'stem6'),
    op('Conv', 'stem6 w2', 'deep', { ...pad, group: 8 }),
    op('Sigmoid', 'deep', 'gate'),
    op('Mul', 'deep gate', 'silu'),
    op('Conv', 'silu w3 b3', 'project'),
    op('Add', 'project stem6', 'sum'),
    op('Relu', 'sum', 'joined'),
    op('GlobalAveragePool', 'joined', 'squeezed'),
    op('Conv', 'squeezed w4', 'excited'),
    op('HardSigmoid', 'excited', 'weight'),
    op('Mul', 'joined weight', 'scaled'),
    op('MaxPool', 'scaled', 'pooled', { kernel_shape: [2, 2], strides: [2, 2] }),
    op('Conv', 'pooled w5', 'left'),
    op('Concat', 'left pooled', 'both', { axis: 1 }),
    op('Conv', 'both w6 b6', 'last'),
    op('Relu', 'last', 'features'),
    op('GlobalAveragePool', 'features', 'mean'),
    op('Flatten', 'mean', 'flat'),
    op('Gemm', 'flat w7 b7', 'logits', { transB: 1 }),
    op('Softmax', 'logits', 'probabilities', { axis: 1 }),
  ];
  return networkOf(nodes, ['probabilities'], {
    ...{ w1: layer([8, 3, 3, 3], 1), b1: normal([8], 2), low: float(0), high: float(6), w2: layer([8, 1, 3, 3], 3) },
    ...{ w3: layer([8, 8, 1, 1], 4), b3: normal([8], 5), w4: layer([8, 8, 1, 1], 6), w5: layer([4, 8, 1, 1], 7) },
    ...{ w6: layer([16, 12, 3, 3], 8), b6: normal([16], 9), w7: layer([10, 16], 10), b7: normal([10], 11) },
  });
}

/** Two layers without an activation: the second undoes what the first does to its channels. */
export function spreadNetwork(spread: number): Graph {
  const w1 = layer([8, 3, 3, 3], 21).data as Float32Array;
  const w2 = layer([6, 8, 3, 3], 22).data as Float32Array;
  const factor = (channel: number): number => 2 ** ((channel * spread) / 7);
  return networkOf(
    [op('Conv', 'image w1 b1', 'middle', { pads: [1, 1, 1, 1] }), op('Conv', 'middle w2', 'result')],
    ['result'],
    {
      w1: tensor(
        'float32',
        [8, 3, 3, 3],
        w1.map((w, i) => w * factor(Math.floor(i / 27))),
      ),
      b1: tensor(
        'float32',
        [8],
        normal([8], 23).data.map((b, i) => b * factor(i)),
      ),
      w2: tensor(
        'float32',
        [6, 8, 3, 3],
        w2.map((w, i) => w / factor(Math.floor(i / 9) % 8)),
      ),
    },
  );
}

export function image(seed: number, batch = 1, shape: readonly number[] = [3, 8, 8]): TensorMap {
  const random = seededRandom(seed);
  const full = [batch, ...shape];
  const data = Float32Array.from({ length: elementCount(full) }, () => gaussian(random));
  return new Map([['image', tensor('float32', full, data)]]);
}

/** Samples 0, 1, 2 … in batches; the same samples whatever the batch size. */
export async function* samples(count: number, batchSize = 1): AsyncGenerator<{ feeds: TensorMap }> {
  const size = 3 * 8 * 8;
  for (let first = 0; first < count; first += batchSize) {
    const taken = Math.min(batchSize, count - first);
    const data = new Float32Array(taken * size);
    for (let i = 0; i < taken; i++) data.set(image(first + i).get('image')!.data as Float32Array, i * size);
    yield { feeds: new Map([['image', tensor('float32', [taken, 3, 8, 8], data)]]) };
  }
}

export { float, ints, normal, op };
