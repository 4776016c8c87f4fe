import type { Graph } from '../../../src/graph/index.ts';
import type { Tensor } from '../../../src/tensor/index.ts';
import { f, float, ints, normal, op, positive, type Network } from './build.ts';
import { foldAfterLinear } from '../../../src/transform/simplify/foldAfterLinear.ts';
import { foldBeforeConv } from '../../../src/transform/simplify/foldBeforeConv.ts';
import { foldPad } from '../../../src/transform/simplify/foldPad.ts';
import { recognizeHardSwish } from '../../../src/transform/simplify/hardSwish.ts';
import { matMulToGemm } from '../../../src/transform/simplify/matMulToGemm.ts';
import { normalizeActivations } from '../../../src/transform/simplify/activations.ts';
import { batchNormToConv } from '../../../src/transform/simplify/standaloneBatchNorm.ts';

export interface PassCase {
  readonly pass: (graph: Graph) => Graph;
  readonly network: Network;
  /** Operator types that the pass must leave, in order. */
  readonly leaves: readonly string[];
}

const bn = (channels: number, seed = 0): Record<string, Tensor> => ({
  gamma: normal([channels], seed + 1),
  beta: normal([channels], seed + 2),
  mean: normal([channels], seed + 3),
  variance: positive([channels], seed + 4),
});
const bnNode = (input: string, output: string) =>
  op('BatchNormalization', `${input} gamma beta mean variance`, output, { epsilon: f(0.01) });
const image = { x: ['N', 4, 5, 6] };

function network(nodes: Network['nodes'], initializers: Record<string, Tensor>, rest: Partial<Network> = {}): Network {
  return { opset: 18, inputs: image, outputs: ['y'], nodes, initializers, ...rest };
}

export const passCases: Readonly<Record<string, PassCase>> = {
  'Conv, BatchNormalization': {
    pass: foldAfterLinear,
    network: network([op('Conv', 'x w', 'c', { pads: [1, 1, 1, 1] }), bnNode('c', 'y')], {
      w: normal([3, 4, 3, 3]),
      ...bn(3),
    }),
    leaves: ['Conv'],
  },
  'grouped Conv with bias, BatchNormalization, Mul, Add': {
    pass: foldAfterLinear,
    network: network(
      [op('Conv', 'x w b', 'c', { group: 2 }), bnNode('c', 'n'), op('Mul', 'k n', 'm'), op('Add', 'm s', 'y')],
      { w: normal([6, 2, 2, 2]), b: normal([6], 9), k: normal([6, 1, 1]), s: normal([1, 6, 1, 1]), ...bn(6) },
    ),
    leaves: ['Conv'],
  },
  'Conv, Div by a number, constant minus': {
    pass: foldAfterLinear,
    network: network([op('Conv', 'x w', 'c'), op('Div', 'c d', 'q'), op('Sub', 'k q', 'y')], {
      w: normal([3, 4, 1, 1]),
      d: float(3),
      k: normal([3, 1, 1]),
    }),
    leaves: ['Conv'],
  },
  'ConvTranspose in groups, BatchNormalization': {
    pass: foldAfterLinear,
    network: network([op('ConvTranspose', 'x w b', 'c', { group: 2, strides: [2, 2] }), bnNode('c', 'y')], {
      w: normal([4, 3, 2, 3]),
      b: normal([6]),
      ...bn(6),
    }),
    leaves: ['ConvTranspose'],
  },
  'Gemm with alpha and beta, BatchNormalization': {
    pass: foldAfterLinear,
    network: network(
      [op('Gemm', 'x w b', 'g', { alpha: f(0.5), beta: f(2), transB: 1 }), bnNode('g', 'y')],
      { w: normal([3, 4]), b: normal([1, 3]), ...bn(3) },
      { inputs: { x: ['N', 4] } },
    ),
    leaves: ['Gemm'],
  },
  'BatchNormalization behind a value that the caller reads': {
    pass: foldAfterLinear,
    network: network(
      [op('Conv', 'x w', 'c'), bnNode('c', 'y')],
      { w: normal([3, 4, 1, 1]), ...bn(3) },
      { outputs: ['y', 'c'] },
    ),
    leaves: ['Conv', 'BatchNormalization'],
  },
  'BatchNormalization behind a value with two readers': {
    pass: foldAfterLinear,
    network: network([op('Conv', 'x w', 'c'), bnNode('c', 'n'), op('Add', 'c n', 'y')], {
      w: normal([3, 4, 1, 1]),
      ...bn(3),
    }),
    leaves: ['Conv', 'BatchNormalization', 'Add'],
  },
  'one set of statistics and weights used twice': {
    pass: foldAfterLinear,
    network: network(
      [
        op('Conv', 'x w', 'c', {}),
        bnNode('c', 'n'),
        op('Relu', 'n', 'r'),
        op('Conv', 'r w', 'd', { pads: [1, 1, 1, 1], strides: [2, 2] }),
        bnNode('d', 'y'),
      ],
      { w: normal([4, 4, 2, 2]), ...bn(4) },
    ),
    leaves: ['Conv', 'Relu', 'Conv'],
  },
  'Add of a value that varies over the image': {
    pass: foldAfterLinear,
    network: network([op('Conv', 'x w', 'c'), op('Add', 'c k', 'y')], {
      w: normal([3, 4, 1, 1]),
      k: normal([1, 1, 6]),
    }),
    leaves: ['Conv', 'Add'],
  },
  'Add that widens the channels': {
    pass: foldAfterLinear,
    network: network([op('Conv', 'x w', 'c'), op('Add', 'c k', 'y')], {
      w: normal([1, 4, 1, 1]),
      k: normal([3, 1, 1]),
    }),
    leaves: ['Conv', 'Add'],
  },
  'BatchNormalization, Conv without padding': {
    pass: foldBeforeConv,
    network: network([bnNode('x', 'n'), op('Conv', 'n w b', 'y', { group: 2, strides: [2, 1] })], {
      w: normal([6, 2, 3, 2]),
      b: normal([6]),
      ...bn(4),
    }),
    leaves: ['Conv'],
  },
  'shift, padded Conv': {
    pass: foldBeforeConv,
    network: network([bnNode('x', 'n'), op('Conv', 'n w', 'y', { pads: [0, 1, 0, 0] })], {
      w: normal([2, 4, 2, 2]),
      ...bn(4),
    }),
    leaves: ['BatchNormalization', 'Conv'],
  },
  'scale, padded Conv': {
    pass: foldBeforeConv,
    network: network([op('Mul', 'x k', 'n'), op('Conv', 'n w', 'y', { pads: [1, 1, 1, 1] })], {
      w: normal([2, 4, 3, 3]),
      k: normal([1, 4, 1, 1]),
    }),
    leaves: ['Conv'],
  },
  'normalization of the input, Conv': {
    pass: foldBeforeConv,
    network: network([op('Sub', 'x m', 'a'), op('Div', 'a s', 'b'), op('Conv', 'b w', 'y')], {
      w: normal([2, 4, 3, 3]),
      m: normal([4, 1, 1]),
      s: positive([4, 1, 1]),
    }),
    leaves: ['Conv'],
  },
  'BatchNormalization that two convolutions read': {
    pass: foldBeforeConv,
    network: network([bnNode('x', 'n'), op('Conv', 'n w', 'a'), op('Conv', 'n v', 'b'), op('Add', 'a b', 'y')], {
      w: normal([2, 4, 1, 1], 1),
      v: normal([2, 4, 1, 1], 2),
      ...bn(4),
    }),
    leaves: ['BatchNormalization', 'Conv', 'Conv', 'Add'],
  },
  'standalone BatchNormalization': {
    pass: batchNormToConv,
    network: network([op('Relu', 'x', 'r'), bnNode('r', 'n'), op('Relu', 'n', 'y')], bn(4)),
    leaves: ['Relu', 'Conv', 'Relu'],
  },
  'BatchNormalization whose scales are its shifts, too': {
    pass: batchNormToConv,
    network: network([op('BatchNormalization', 'x gamma gamma mean variance', 'y', { epsilon: f(0.01) })], bn(4)),
    leaves: ['Conv'],
  },
  'BatchNormalization of a vector': {
    pass: batchNormToConv,
    network: network([bnNode('x', 'y')], bn(4), { inputs: { x: ['N', 4] } }),
    leaves: ['BatchNormalization'],
  },
  'Clip from zero up': {
    pass: normalizeActivations,
    network: network([op('Clip', 'x lo hi', 'y')], { lo: float(0), hi: float(3.4028234663852886e38) }),
    leaves: ['Relu'],
  },
  'Relu, Clip': {
    pass: normalizeActivations,
    network: network([op('Relu', 'x', 'r'), op('Clip', 'r lo hi', 'y')], { lo: float(-1), hi: float(1) }),
    leaves: ['Clip'],
  },
  'Clip, Clip that do not overlap': {
    pass: normalizeActivations,
    network: network([op('Clip', 'x a b', 'r'), op('Clip', 'r c d', 'y')], {
      a: float(-1),
      b: float(0),
      c: float(0.5),
      d: float(2),
    }),
    leaves: ['Clip'],
  },
  'Max, Min with numbers': {
    pass: normalizeActivations,
    network: network([op('Max', 'x a', 'r'), op('Min', 'r b', 'y')], { a: float(0), b: float(0.8) }),
    leaves: ['Clip'],
  },
  'Clip without bounds inside': {
    pass: normalizeActivations,
    network: network([op('Clip', 'x', 'c'), op('Abs', 'c', 'y')], {}),
    leaves: ['Abs'],
  },
  'Clip with bounds that are shared': {
    pass: normalizeActivations,
    network: network(
      [op('Clip', 'x lo hi', 'a'), op('Relu', 'a', 'r'), op('Clip', 'x lo hi', 'b'), op('Add', 'r b', 'y')],
      { lo: float(-1), hi: float(1) },
    ),
    leaves: ['Clip', 'Clip', 'Add'],
  },
  'MatMul with weights': {
    pass: matMulToGemm,
    network: network([op('MatMul', 'x w', 'y')], { w: normal([4, 3]) }, { inputs: { x: ['N', 4] } }),
    leaves: ['Gemm'],
  },
  'MatMul of more dimensions': {
    pass: matMulToGemm,
    network: network([op('MatMul', 'x w', 'y')], { w: normal([6, 3]) }),
    leaves: ['MatMul'],
  },
  'Pad, padded Conv': {
    pass: foldPad,
    network: network([op('Pad', 'x p', 'q'), op('Conv', 'q w', 'y', { strides: [2, 2], pads: [1, 0, 0, 0] })], {
      p: ints(0, 0, 0, 1, 0, 0, 2, 3),
      w: normal([2, 4, 3, 3]),
    }),
    leaves: ['Conv'],
  },
  'Pad with ones, Conv': {
    pass: foldPad,
    network: network([op('Pad', 'x p v', 'q'), op('Conv', 'q w', 'y')], {
      p: ints(0, 0, 1, 1, 0, 0, 1, 1),
      v: float(1),
      w: normal([2, 4, 3, 3]),
    }),
    leaves: ['Pad', 'Conv'],
  },
  'Pad of channels, Conv': {
    pass: foldPad,
    network: network([op('Pad', 'x p', 'q'), op('Conv', 'q w', 'y')], {
      p: ints(0, 1, 0, 0, 0, 0, 0, 0),
      w: normal([2, 5, 3, 3]),
    }),
    leaves: ['Pad', 'Conv'],
  },
  'x times clip(x + 3) over 6': {
    pass: recognizeHardSwish,
    network: network(
      [op('Add', 'x three', 'a'), op('Clip', 'a zero six', 'c'), op('Mul', 'c x', 'm'), op('Div', 'm six', 'y')],
      { three: float(3), zero: float(0), six: float(6) },
    ),
    leaves: ['HardSwish'],
  },
  'clip(x + 3) over 6, times x': {
    pass: recognizeHardSwish,
    network: network(
      [op('Add', 'three x', 'a'), op('Clip', 'a zero six', 'c'), op('Mul', 'c sixth', 'g'), op('Mul', 'x g', 'y')],
      { three: float(3), zero: float(0), six: float(6), sixth: float(1 / 6) },
    ),
    leaves: ['HardSwish'],
  },
  'clip(x + 3) over 6 as the gate of another value': {
    pass: recognizeHardSwish,
    network: network(
      [
        op('Add', 'x three', 'a'),
        op('Clip', 'a zero six', 'c'),
        op('Div', 'c six', 'g'),
        op('Tanh', 'x', 't'),
        op('Mul', 't g', 'y'),
      ],
      { three: float(3), zero: float(0), six: float(6) },
    ),
    leaves: ['HardSigmoid', 'Tanh', 'Mul'],
  },
  'HardSigmoid of other slopes': {
    pass: recognizeHardSwish,
    network: network([op('HardSigmoid', 'x', 'g', { alpha: f(0.2) }), op('Mul', 'x g', 'y')], {}),
    leaves: ['HardSigmoid', 'Mul'],
  },
  'six over clip(x + 3)': {
    pass: recognizeHardSwish,
    network: network([op('Add', 'x three', 'a'), op('Clip', 'a one six', 'c'), op('Div', 'six c', 'y')], {
      three: float(3),
      one: float(1),
      six: float(6),
    }),
    leaves: ['Add', 'Clip', 'Div'],
  },
};
