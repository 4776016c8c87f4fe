import { numberAttribute, type FloatOperation } from '../../../graph/index.ts';
import { elementCount, type Tensor } from '../../../tensor/index.ts';
import type { NhwcLayout } from '../../plan/layout.ts';
import type { PlanContext } from '../../plan/step.ts';
import { isFloat32, type FloatPlanner } from './planner.ts';
import { integersOf } from './product/integers.ts';
import type { WeightAt } from './product/pack.ts';
import { productStep, type ProductParts } from './product/step.ts';

/** Rows of a unit. */
const ROWS = 32;

interface FloatGemm {
  readonly rows: number;
  readonly depth: number;
  readonly columns: number;
  /** Whether the weights are [columns, depth]. */
  readonly transposed: boolean;
  readonly weights: Float32Array;
  /** Times beta; one number a column, or one for all. */
  readonly bias: Float32Array | undefined;
}

/** A Gemm or MatMul node by a constant matrix, alpha 1; undefined for any other. */
export function gemmOf({ node, output }: FloatOperation, context: PlanContext): FloatGemm | undefined {
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
  const plainSum = numberAttribute(node, 'alpha', 1) === 1 && numberAttribute(node, 'transA', 0) === 0;
  if (!plainSum || x.shape.at(-1) !== depth || (biasName !== '' && !isRow(bias, columns))) return undefined;
  const beta = Math.fround(numberAttribute(node, 'beta', 1));
  const added = beta === 0 ? undefined : (bias?.data as Float32Array | undefined)?.map((element) => beta * element);
  return { rows: elementCount(x.shape) / depth, depth, columns, transposed, weights: weights.data, bias: added };
}

/** Gemm and MatMul by a constant matrix: sums from 0 in order, the bias at the end. */
export const planGemm: FloatPlanner = (operation, context) => {
  const gemm = gemmOf(operation, context);
  if (!gemm) return undefined;
  const { rows, depth, columns, transposed, bias } = gemm;
  const [from = '', weightName = ''] = operation.node.inputs;
  const elements =
    (data: ArrayLike<number>): WeightAt =>
    (_, k, n) =>
      data[transposed ? n * depth + k : k * columns + n]!;
  const pixels = Math.min(ROWS, rows);
  const channelStride = depth * 4;
  const units = { count: Math.ceil(rows / pixels), pixels, total: rows, step: pixels * channelStride };
  const image: NhwcLayout = {
    ...{
      kind: 'nhwc',
      height: 1,
      width: rows,
      channels: depth,
      channelStride,
      pixelStride: channelStride,
      byteLength: rows * channelStride,
    },
  };
  const parts: ProductParts = {
    shape: {
      ...{ units, pixelStep: channelStride, runs: [{ offset: 0, length: depth }], groups: { count: 1, step: 0 } },
      ...{ columns, bias: bias ? 'last' : 'none' },
    },
    input: { name: from, image, border: { pads: [0, 0, 0, 0] } },
    kernel: `float.${operation.node.opType.toLowerCase()}`,
    weightAt: elements(gemm.weights),
    integers: integersOf(weightName, transposed ? 0 : 1, context, elements),
    biasAt: (column) => bias?.[bias.length === 1 ? 0 : column] ?? 0,
  };
  return productStep(operation, parts, context);
};

/** A bias that is the same for every row: [N], [1, N] or a single number. */
function isRow(bias: Tensor | undefined, columns: number): boolean {
  if (bias?.dtype !== 'float32') return false;
  const count = elementCount(bias.shape);
  return count === 1 || (count === columns && bias.shape.at(-1) === columns);
}
