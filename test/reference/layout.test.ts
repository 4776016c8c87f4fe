import { describe, it } from 'vitest';
import { dataTypeOf } from '../../src/onnx/index.ts';
import { tensor, type Tensor } from '../../src/tensor/index.ts';
import { expectAsOracle, floats, int64s, scalar, Tensors, type OperatorCase } from './oracle.ts';

type Attributes = NonNullable<OperatorCase['attributes']>;

const tensors = new Tensors(3);
const image = tensors.float([2, 4, 5, 6]);
const bytes = tensors.uint8([2, 4, 5, 6]);

function on(
  opType: string,
  x: Tensor,
  operands: readonly (Tensor | undefined)[] = [],
  attributes: Attributes = {},
): OperatorCase {
  return { opType, inputs: [x, ...operands], attributes };
}

/** The same on float32 and on bytes: layouts move any dtype. */
function both(opType: string, operands: readonly (Tensor | undefined)[], attributes: Attributes = {}): OperatorCase[] {
  return [on(opType, image, operands, attributes), on(opType, bytes, operands, attributes)];
}

const shaping: Record<string, OperatorCase[]> = {
  'Reshape with 0 and -1': both('Reshape', [int64s(0, -1, 3)]),
  'Reshape, allowzero': [on('Reshape', tensor('float32', [0, 3]), [int64s(3, 0)], { allowzero: 1 })],
  Flatten: [0, 1, 2, 4, -1].flatMap((axis) => both('Flatten', [], { axis })),
  Squeeze: [
    on('Squeeze', tensors.float([1, 3, 1, 2])),
    on('Squeeze', tensors.float([1, 3, 1, 2]), [int64s(-2)]),
    on('Squeeze', tensors.float([1, 3, 1, 2]), [int64s(0, 2)]),
  ],
  Unsqueeze: [
    on('Unsqueeze', tensors.float([3, 2]), [int64s(0, 3)]),
    on('Unsqueeze', tensors.float([3, 2]), [int64s(-1)]),
  ],
  Transpose: [
    ...both('Transpose', []),
    ...both('Transpose', [], { perm: [0, 2, 3, 1] }),
    ...both('Transpose', [], { perm: [3, 1, 0, 2] }),
  ],
  Expand: [on('Expand', tensors.float([3, 1]), [int64s(2, 1, 4)]), on('Expand', tensors.float([3, 1]), [int64s(1)])],
  Tile: both('Tile', [int64s(1, 2, 1, 3)]),
  Shape: [on('Shape', image), on('Shape', image, [], { start: 1, end: -1 })],
  ConstantOfShape: [on('ConstantOfShape', int64s(2, 3), [], { value: tensor('int64', [1], BigInt64Array.of(7n)) })],
  Cast: [
    on('Cast', floats(-1.5, 0, 2.9, 127), [], { to: dataTypeOf.int32 }),
    on('Cast', floats(-1.5, 0, 2.9, 127), [], { to: dataTypeOf.int64 }),
    on('Cast', floats(-1.5, 0, 2.9, 127), [], { to: dataTypeOf.bool }),
    on('Cast', floats(1.1, 65504, 1e-7), [], { to: dataTypeOf.float16 }),
    on('Cast', int64s(-3, 5), [], { to: dataTypeOf.float32 }),
    on('Cast', bytes, [], { to: dataTypeOf.float32 }),
  ],
};

const selecting: Record<string, OperatorCase[]> = {
  Slice: [
    ...both('Slice', [int64s(1, 2), int64s(3, 100), int64s(1, 2)]),
    ...both('Slice', [int64s(-1, -1), int64s(-100, -100), int64s(2, 3), int64s(-1, -2)]),
    ...both('Slice', [int64s(0, 1, 0, 0), int64s(2, 4, -1, 6), undefined, int64s(1, 1, 2, 3)]),
    ...both('Slice', [int64s(3), int64s(2), int64s(1)]),
  ],
  Split: [
    ...both('Split', [int64s(1, 3)], { axis: 1 }).map((operator) => ({ ...operator, outputs: 2 })),
    ...both('Split', [], { axis: -1, num_outputs: 3 }).map((operator) => ({ ...operator, outputs: 3 })),
    ...both('Split', [], { axis: 2, num_outputs: 3 }).map((operator) => ({ ...operator, outputs: 3 })),
  ],
  Gather: [
    ...both('Gather', [int64s(3, 0, -1, 2)], { axis: 1 }),
    ...both('Gather', [tensor('int64', [], BigInt64Array.of(2n))], { axis: 2 }),
    ...both('Gather', [tensor('int32', [2, 2], Int32Array.of(0, 5, -6, 1))], { axis: -1 }),
  ],
  Concat: [0, 1, -1].flatMap((axis) => {
    const other = tensors.float(image.shape.map((dim, d) => (d === (axis + 4) % 4 ? dim + 1 : dim)));
    return [on('Concat', image, [other, image], { axis })];
  }),
  DepthToSpace: ['DCR', 'CRD'].flatMap((mode) => both('DepthToSpace', [], { blocksize: 2, mode })),
  SpaceToDepth: [on('SpaceToDepth', tensors.float([1, 2, 4, 6]), [], { blocksize: 2 })],
};

const pads = int64s(0, 1, 2, 0, 0, 0, 1, 3);

const padding: Record<string, OperatorCase[]> = {
  'Pad with a constant': [
    on('Pad', image, [pads, scalar(1.5)]),
    on('Pad', image, [pads]),
    on('Pad', bytes, [pads, tensor('uint8', [], Uint8Array.of(128))]),
  ],
  'Pad by edge, reflection and wrapping': ['edge', 'reflect'].flatMap((mode) => both('Pad', [pads], { mode })),
  'Pad of negative width': both('Pad', [int64s(0, 0, -1, 2, 0, -1, 0, -3)]),
  'Pad of some axes': [on('Pad', image, [int64s(1, 2, 0, 1), scalar(-1), int64s(3, -2)])],
};

const reducing: Record<string, OperatorCase[]> = {
  ...Object.fromEntries(
    ['ReduceMean', 'ReduceSum', 'ReduceMax', 'ReduceMin', 'ReduceL2', 'ReduceProd', 'ReduceSumSquare', 'ReduceL1'].map(
      (opType) => [
        opType,
        [
          on(opType, image, [int64s(2, 3)], { keepdims: 0 }),
          on(opType, image, [int64s(-1)], {}),
          on(opType, image),
          on(opType, image, [], { noop_with_empty_axes: 1 }),
          // ReduceSum took axes as an input before the others did.
        ].map((operator) => (opType === 'ReduceSum' ? { ...operator, opset: 13 } : operator)),
      ],
    ),
  ),
  ...Object.fromEntries(
    ['ArgMax', 'ArgMin'].map((opType) => [
      opType,
      [
        on(opType, tensors.uint8([3, 4, 5], 0, 3), [], { axis: 1 }),
        on(opType, image, [], { axis: -1, keepdims: 0 }),
        on(opType, tensors.float([2, 9]).shape.length === 2 ? floats(1, 3, 3, 0) : image, [], {
          axis: 0,
          select_last_index: 1,
        }),
      ],
    ]),
  ),
};

const families = { shaping, selecting, padding, reducing };

describe.each(Object.entries(families))('%s as onnxruntime computes it', (_, cases) => {
  it.each(Object.entries(cases))('%s', async (_name, operators) => {
    for (const operator of operators) await expectAsOracle(operator);
  });
});
