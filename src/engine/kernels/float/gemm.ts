import { numberAttribute } from '../../../graph/index.ts';
import { elementCount, type Tensor } from '../../../tensor/index.ts';
import type { NhwcLayout } from '../../plan/layout.ts';
import { isFloat32, type FloatPlanner } from './planner.ts';
import { productStep } from './product/step.ts';

/** Rows of a unit. */
const ROWS = 32;

/** Gemm and MatMul by a constant matrix: sums from 0 in order, the bias at the end. */
export const planGemm: FloatPlanner = (operation, context) => {
  const { node, output } = operation;
  if (node.domain !== '' || (node.opType !== 'Gemm' && node.opType !== 'MatMul')) return undefined;
  const [from = '', weightName = '', biasName = ''] = node.inputs;
  const x = context.graph.values.get(from);
  const weights = context.graph.constants.get(weightName);
  const bias = biasName === '' ? undefined : context.graph.constants.get(biasName);
  if (!x || !isFloat32(context, from) || !isFloat32(context, output)) return undefined;
  if (weights?.dtype !== 'float32' || weights.shape.length !== 2) return undefined;
  if (context.layouts.get(from)?.kind !== 'plain' || context.layouts.get(output)?.kind !== 'plain') return undefined;
  const transposed = numberAttribute(node, 'transB', 0) !== 0;
  const [first = 1, second = 1] = weights.shape;
  const [depth, columns] = transposed ? [second, first] : [first, second];
  const rows = elementCount(x.shape) / depth;
  const plainSum = numberAttribute(node, 'alpha', 1) === 1 && numberAttribute(node, 'transA', 0) === 0;
  if (!plainSum || x.shape.at(-1) !== depth || (biasName !== '' && !isRow(bias, columns))) return undefined;
  const beta = Math.fround(numberAttribute(node, 'beta', 1));
  const added = (bias?.data ?? []) as ArrayLike<number>;
  const pixels = Math.min(ROWS, rows);
  const pixelStep = depth * 4;
  const units = { count: Math.ceil(rows / pixels), pixels, total: rows, step: pixels * pixelStep };
  const image: NhwcLayout = {
    ...{
      kind: 'nhwc',
      height: 1,
      width: rows,
      channels: depth,
      channelStride: pixelStep,
      byteLength: rows * pixelStep,
    },
  };
  return productStep(operation, {
    shape: {
      ...{ units, pixelStep, runs: [{ offset: 0, length: depth }], groups: { count: 1, step: 0 }, columns },
      bias: bias && beta !== 0 ? 'last' : 'none',
    },
    input: { name: from, image, border: { pads: [0, 0, 0, 0] } },
    kernel: `float.${node.opType.toLowerCase()}`,
    weightAt: (_, k, n) => weights.data[transposed ? n * depth + k : k * columns + n]!,
    biasAt: (column) => Math.fround(beta * added[added.length === 1 ? 0 : column]!),
  });
};

/** A bias that is the same for every row: [N], [1, N] or a single number. */
function isRow(bias: Tensor | undefined, columns: number): boolean {
  if (bias?.dtype !== 'float32') return false;
  const count = elementCount(bias.shape);
  return count === 1 || (count === columns && bias.shape.at(-1) === columns);
}
