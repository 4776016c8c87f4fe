import fc from 'fast-check';
import { seededRandom } from '../../src/base/index.ts';
import type { AttributeValue, ConcatOperation, LayoutOperation, Node } from '../../src/graph/index.ts';
import { runNode } from '../../src/reference/index.ts';
import { tensor, type Tensor } from '../../src/tensor/index.ts';
import { constantOf, floatProblem } from './float/node.ts';
import {
  batches,
  bytes,
  graphOf,
  int64,
  problemOf,
  quantized,
  seeds,
  upTo,
  type Problem,
  type Suite,
} from './problem.ts';

/** A node to move bytes with: further inputs are constants. */
interface Move {
  readonly opType: string;
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  readonly constants?: readonly (Tensor | undefined)[];
  readonly outputs?: number;
}

/** Whole blocks of 16 channels, and everything else. */
const channels = fc.oneof(fc.constantFrom(8, 16, 32, 48), upTo(40));
const image = fc.tuple(fc.constant(1), channels, upTo(6), upTo(6));
const shapes = fc.oneof(
  { weight: 4, arbitrary: image },
  { weight: 1, arbitrary: fc.tuple(fc.constant(1), channels) },
  { weight: 1, arbitrary: fc.tuple(fc.constant(1), upTo(7), upTo(7)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant(1), upTo(3), upTo(4), upTo(4), upTo(4)) },
);

type MovesOf = (shape: readonly number[]) => fc.Arbitrary<Move>;

const transposes: MovesOf = (shape) =>
  fc
    .shuffledSubarray(
      shape.slice(1).map((_, axis) => axis + 1),
      { minLength: shape.length - 1 },
    )
    .map((perm) => ({ opType: 'Transpose', attributes: { perm: [0, ...perm] } }));

const reshapes: MovesOf = (shape) => {
  const [, ...rest] = shape;
  const count = rest.reduce((product, size) => product * size, 1);
  return fc.constantFrom(
    { opType: 'Reshape', constants: [int64([1, -1])] },
    { opType: 'Reshape', constants: [int64([1, 1, ...rest])] },
    { opType: 'Reshape', constants: [int64([1, ...rest.toReversed()])] },
    { opType: 'Reshape', constants: [int64([1, count, 1, 1])] },
    { opType: 'Flatten', attributes: { axis: 1 } },
    { opType: 'Unsqueeze', constants: [int64([2])] },
  );
};

const slices: MovesOf = (shape) =>
  fc
    .tuple(...shape.slice(1).map((size) => fc.tuple(fc.nat(size - 1), upTo(size), fc.constantFrom(1, 1, 2, -1))))
    .map((ranges) => {
      const starts = ranges.map(([start, , step], axis) => (step < 0 ? shape[axis + 1]! - 1 : start));
      const ends = ranges.map(([start, count, step], axis) =>
        step < 0 ? -shape[axis + 1]! - 1 : Math.min(shape[axis + 1]!, start + count),
      );
      const axes = ranges.map((_, axis) => axis + 1);
      const constants = [starts, ends, axes, ranges.map(([, , step]) => step)].map(int64);
      return { opType: 'Slice', constants };
    });

const splits: MovesOf = (shape) =>
  fc.nat(shape.length - 2).chain((axis) => {
    const size = shape[axis + 1]!;
    return fc.nat(size - 1).map((first) => ({
      opType: 'Split',
      attributes: { axis: axis + 1 },
      constants: [int64(first === 0 ? [size] : [first, size - first])],
      outputs: first === 0 ? 1 : 2,
    }));
  });

const pads: MovesOf = (shape) =>
  fc
    .tuple(fc.array(fc.nat(5), { minLength: 2 * shape.length, maxLength: 2 * shape.length }), fc.option(bytes))
    .map(([amounts, fill]) => ({
      opType: 'Pad',
      constants: [
        int64(amounts.map((amount, index) => (index % shape.length === 0 ? 0 : amount))),
        fill === null ? undefined : tensor('uint8', [], Uint8Array.of(fill)),
      ],
    }));

/** A shortcut that widens: channels are added at the end alone. */
const channelPads: MovesOf = (shape) =>
  fc.tuple(upTo(24), bytes).map(([amount, fill]) => ({
    opType: 'Pad',
    constants: [
      int64([...shape.map(() => 0), ...shape.map((_, axis) => (axis === 1 ? amount : 0))]),
      tensor('uint8', [], Uint8Array.of(fill)),
    ],
  }));

const gathers: MovesOf = (shape) =>
  fc.array(fc.nat(shape[1]! - 1), { minLength: 1, maxLength: 40 }).map((indices) => ({
    opType: 'Gather',
    attributes: { axis: 1 },
    constants: [int64(indices)],
  }));

/** Nearest resize of an image by whole factors. */
const resizes: MovesOf = (shape) =>
  fc.tuple(upTo(3), upTo(3)).map(([high, wide]) => ({
    opType: 'Resize',
    attributes: { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' },
    constants: [
      undefined,
      tensor(
        'float32',
        [shape.length],
        Float32Array.of(...shape.map((_, axis) => (axis === 2 ? high : axis === 3 ? wide : 1))),
      ),
    ],
  }));

const makers: readonly MovesOf[] = [transposes, reshapes, slices, splits, pads, channelPads, gathers];

function moveProblem(shape: readonly number[], move: Move, common: Common): Problem {
  const constants = (move.constants ?? []).map((value, index): [string, Tensor | undefined] => [`c${index}`, value]);
  const outputs = Array.from({ length: move.outputs ?? 1 }, (_, index) => `y${index}`);
  const node: Node = {
    ...{ name: 'move', opType: move.opType, domain: '', outputs },
    inputs: ['x', ...constants.map(([name, value]) => (value ? name : ''))],
    attributes: new Map(Object.entries(move.attributes ?? {})),
  };
  const zero = tensor('uint8', shape);
  const operands: (Tensor | undefined)[] = [zero, ...constants.map(([, value]) => value)];
  const results = runNode(node, operands);
  const operations = outputs.map((output, outputIndex): LayoutOperation => {
    return { kind: 'layout', name: `move${outputIndex}`, input: 'x', output, node, outputIndex };
  });
  const x = quantized(shape, common.zeroPoint);
  const made = outputs.map((name, index) => [name, quantized(results[index]!.shape, common.zeroPoint)] as const);
  const held = constants.flatMap(([name, value]) => (value ? [[name, value] as const] : []));
  return problemOf({
    graph: graphOf(
      operations,
      { x, ...Object.fromEntries(made) },
      { inputs: ['x'], outputs },
      Object.fromEntries(held),
    ),
    kernels: Object.fromEntries(operations.map(({ name }) => [name, () => /^move\./])),
    ...{ random: seededRandom(common.seed), batch: common.batch },
  });
}

interface Common {
  readonly zeroPoint: number;
  readonly batch: number;
  readonly seed: number;
}

const common: fc.Arbitrary<Common> = fc.record({ zeroPoint: bytes, batch: batches, seed: seeds });

const moves = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(shapes, fc.constantFrom(...makers)).chain(([shape, maker]) => withShape(shape, maker)),
  },
  { weight: 1, arbitrary: image.chain((shape) => withShape(shape, resizes)) },
);

function withShape(shape: readonly number[], maker: MovesOf): fc.Arbitrary<[readonly number[], Move]> {
  return maker(shape).map((move) => [shape, move]);
}

const concats = fc
  .tuple(shapes, fc.nat(2), fc.array(fc.constantFrom(1, 2, 8, 16, 32), { minLength: 1, maxLength: 4 }), common)
  .map(([shape, at, sizes, { zeroPoint, batch, seed }]): Problem => {
    const axis = 1 + (at % (shape.length - 1));
    const inputs = sizes.map((_, index) => `x${index}`);
    const sized = (size: number): number[] => shape.map((dim, d) => (d === axis ? size : dim));
    const operation: ConcatOperation = { kind: 'concat', name: 'concat', inputs, output: 'y', axis };
    const values = Object.fromEntries(sizes.map((size, index) => [`x${index}`, quantized(sized(size), zeroPoint)]));
    const y = quantized(sized(sizes.reduce((sum, size) => sum + size, 0)), zeroPoint);
    return problemOf({
      graph: graphOf([operation], { ...values, y }, { inputs, outputs: ['y'] }),
      kernels: { concat: () => /^move\./ },
      ...{ random: seededRandom(seed), batch, sizes: { shape, axis, sizes } },
    });
  });

/** Channels of groups dealt out in turn, after one image or two side by side: what a network does between groups. */
const channelShuffles = fc
  .tuple(fc.record({ groups: upTo(4), each: upTo(20), height: upTo(4), width: upTo(4) }), fc.boolean(), common)
  .map(([{ groups, each, height, width }, joined, { zeroPoint, batch, seed }]): Problem => {
    const channels = groups * each;
    const image = [1, channels, height, width];
    const half = Math.ceil(channels / 2);
    const parts = joined && channels > 1 ? [half, channels - half] : [];
    const inputs = parts.length > 0 ? parts.map((_, index) => `x${index}`) : ['x'];
    const layout = (opType: string, [input, output]: readonly [string, string], operand: string): LayoutOperation => ({
      ...{ kind: 'layout', name: output, input, output, outputIndex: 0 },
      node: {
        ...{ name: output, opType, domain: '', outputs: [output], inputs: operand === '' ? [input] : [input, operand] },
        attributes: new Map<string, AttributeValue>(opType === 'Transpose' ? [['perm', [0, 2, 1, 3, 4]]] : []),
      },
    });
    const concat: ConcatOperation = { kind: 'concat', name: 'x', inputs, output: 'x', axis: 1 };
    const operations = [
      ...(parts.length > 0 ? [concat] : []),
      layout('Reshape', ['x', 'split'], 'apart'),
      layout('Transpose', ['split', 'turned'], ''),
      layout('Reshape', ['turned', 'y'], 'together'),
    ];
    const values = {
      ...Object.fromEntries(parts.map((part, index) => [`x${index}`, quantized([1, part, height, width], zeroPoint)])),
      ...{ x: quantized(image, zeroPoint), y: quantized(image, zeroPoint) },
      split: quantized([1, groups, each, height, width], zeroPoint),
      turned: quantized([1, each, groups, height, width], zeroPoint),
    };
    const constants = { apart: int64([1, groups, each, height, width]), together: int64(image) };
    return problemOf({
      graph: graphOf(operations, values, { inputs, outputs: ['y'] }, constants),
      kernels: { y: () => /^move\./ },
      ...{ random: seededRandom(seed), batch, sizes: { groups, each, height, width, joined } },
    });
  });

/** The same on float32, whose images lie without padding. */
function floatMoveProblem(shape: readonly number[], move: Move, common: Common): Problem {
  const constants = (move.constants ?? []).map((value) =>
    value?.dtype === 'uint8' ? tensor('float32', [], Float32Array.of(value.data[0]! / 8)) : value,
  );
  return floatProblem(
    { opType: move.opType, attributes: move.attributes ?? {}, inputs: [shape, ...constants] },
    common,
    { kernel: /^move\./, outputs: move.outputs ?? 1 },
  );
}

/** Float values and a constant side by side: anchors of a detector. */
const floatConcats = fc
  .tuple(shapes, fc.nat(2), fc.array(upTo(9), { minLength: 2, maxLength: 4 }), common)
  .map(([shape, at, sizes, rest]): Problem => {
    const axis = 1 + (at % (shape.length - 1));
    const sized = sizes.map((size) => shape.map((dim, d) => (d === axis ? size : dim)));
    const [first = [], ...others] = sized;
    const inputs = [constantOf(first, seededRandom(rest.seed + 1)), ...others];
    return floatProblem({ opType: 'Concat', attributes: { axis }, inputs }, rest, { kernel: /^move\./ });
  });

export const moveSuites: readonly Suite[] = [
  {
    name: 'layout operators',
    problems: fc.tuple(moves, common).map(([[shape, move], rest]) => moveProblem(shape, move, rest)),
    runs: 80,
  },
  { name: 'concat', problems: concats, runs: 30 },
  { name: 'channel shuffles', problems: channelShuffles, runs: 40 },
  {
    name: 'layout operators on floats',
    problems: fc.tuple(moves, common).map(([[shape, move], rest]) => floatMoveProblem(shape, move, rest)),
    runs: 60,
  },
  { name: 'concat of floats', problems: floatConcats, runs: 20 },
];
