import { numberAttribute, type Node } from '../../graph/index.ts';
import { tensor, type TensorOf } from '../../tensor/index.ts';
import { broadcastIndices, broadcastShape } from '../broadcast.ts';
import { floatInput, type Kernel } from '../kernel.ts';
import { optionalFloat } from '../kernel.ts';
import { invalid } from '../spatial.ts';

const f32 = Math.fround;

/**
 * out[M, N] += a[M, K] · b[K, N], all row-major, in float32: each product and each sum rounded, k in order. The innermost
 * loop runs along rows of b and out.
 */
export function multiplyInto(
  out: Float32Array,
  a: Float32Array,
  b: Float32Array,
  size: { readonly m: number; readonly k: number; readonly n: number },
): void {
  const { m, k, n } = size;
  for (let row = 0; row < m; row++) {
    for (let inner = 0; inner < k; inner++) {
      const factor = a[row * k + inner]!;
      for (let column = 0; column < n; column++) out[row * n + column]! += f32(factor * b[inner * n + column]!);
    }
  }
}

/** The same sums with out[M, N] += a[M, K] · b[N, K]ᵀ, both read along their rows. */
function multiplyRowsInto(
  out: Float32Array,
  a: Float32Array,
  b: Float32Array,
  size: { readonly m: number; readonly k: number; readonly n: number },
): void {
  const { m, k, n } = size;
  for (let row = 0; row < m; row++) {
    for (let column = 0; column < n; column++) {
      let sum = out[row * n + column]!;
      for (let inner = 0; inner < k; inner++) sum = f32(sum + f32(a[row * k + inner]! * b[column * k + inner]!));
      out[row * n + column] = sum;
    }
  }
}

function transposed(x: TensorOf<'float32'>): Float32Array {
  const [rows = 1, columns = 1] = x.shape;
  const result = new Float32Array(x.data.length);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) result[column * rows + row] = x.data[row * columns + column]!;
  return result;
}

/** y = alpha · A' · B' + beta · C, A' and B' transposed where transA, transB say; C broadcast to [M, N]. */
export const gemm: Kernel = (node, inputs) => {
  const a = floatInput(node, inputs, 0);
  const b = floatInput(node, inputs, 1);
  const c = optionalFloat(inputs, 2);
  const transA = numberAttribute(node, 'transA', 0) !== 0;
  const transB = numberAttribute(node, 'transB', 0) !== 0;
  const alpha = f32(numberAttribute(node, 'alpha', 1));
  const beta = f32(numberAttribute(node, 'beta', 1));
  if (a.shape.length !== 2 || b.shape.length !== 2)
    throw invalid(node, `takes matrices, not [${a.shape.join(', ')}] and [${b.shape.join(', ')}]`);
  const [m = 1, k = 1] = transA ? [...a.shape].reverse() : a.shape;
  const [kOfB = 1, n = 1] = transB ? [...b.shape].reverse() : b.shape;
  if (k !== kOfB) throw invalid(node, `multiplies ${k} columns by ${kOfB} rows`);
  const y = tensor('float32', [m, n]);
  (transB ? multiplyRowsInto : multiplyInto)(y.data, transA ? transposed(a) : a.data, b.data, { m, k, n });
  if (alpha !== 1) for (let i = 0; i < y.data.length; i++) y.data[i]! *= alpha;
  if (c && beta !== 0) {
    const at = broadcastIndices(inputs[2]?.shape ?? [], y.shape);
    for (let i = 0; i < y.data.length; i++) y.data[i]! += f32(beta * c[at[i]!]!);
  }
  return [y];
};

/** NumPy matmul: the last two dimensions are matrices, the others broadcast; vectors are lifted and lowered again. */
export const matMul: Kernel = (node, inputs) => {
  const a = floatInput(node, inputs, 0);
  const b = floatInput(node, inputs, 1);
  const { shape, aShape, bShape, batch } = matMulShapes(node, a.shape, b.shape);
  const [m = 1, k = 1] = aShape.slice(-2);
  const [, n = 1] = bShape.slice(-2);
  const y = tensor('float32', shape);
  const aAt = broadcastIndices(aShape.slice(0, -2), batch);
  const bAt = broadcastIndices(bShape.slice(0, -2), batch);
  for (let i = 0; i < aAt.length; i++) {
    const left = a.data.subarray(aAt[i]! * m * k, (aAt[i]! + 1) * m * k);
    const right = b.data.subarray(bAt[i]! * k * n, (bAt[i]! + 1) * k * n);
    multiplyInto(y.data.subarray(i * m * n, (i + 1) * m * n), left, right, { m, k, n });
  }
  return [y];
};

/** Operand shapes lifted to matrices, the broadcast batch and the result's shape. */
export function matMulShapes(node: Node, a: readonly number[], b: readonly number[]) {
  const aShape = a.length === 1 ? [1, ...a] : a;
  const bShape = b.length === 1 ? [...b, 1] : b;
  if (aShape.length < 2 || bShape.length < 2 || aShape.at(-1) !== bShape.at(-2))
    throw invalid(node, `cannot multiply [${a.join(', ')}] by [${b.join(', ')}]`);
  const batch = broadcastShape(node, [aShape.slice(0, -2), bShape.slice(0, -2)]);
  const rows = a.length === 1 ? [] : [aShape.at(-2) ?? 1];
  const columns = b.length === 1 ? [] : [bShape.at(-1) ?? 1];
  return { aShape, bShape, batch, shape: [...batch, ...rows, ...columns] };
}
