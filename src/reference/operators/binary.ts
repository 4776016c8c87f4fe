import { numberAttribute, type Node } from '../../graph/index.ts';
import { allocate, elementCount, shapesEqual, type Dtype, type Tensor } from '../../tensor/index.ts';
import { broadcastIndices, broadcastShape } from '../broadcast.ts';
import { requiredInput, type Kernel } from '../kernel.ts';
import { pow } from '../math.ts';
import { invalid } from '../spatial.ts';

type Numeric = (a: number, b: number) => number;

/**
 * y = f(a, b) with NumPy broadcasting, in the inputs' dtype (stores round or wrap as the dtype does). 64-bit integers
 * are computed as numbers: they are shapes and indices here, far below 2⁵³.
 */
export function broadcastBinary(node: Node, a: Tensor, b: Tensor, f: Numeric, dtype: Dtype = a.dtype): Tensor {
  if (a.dtype !== b.dtype) throw invalid(node, `mixes ${a.dtype} and ${b.dtype}`);
  const shape = broadcastShape(node, [a.shape, b.shape]);
  const result = { dtype, shape, data: allocate(dtype, elementCount(shape)) } as Tensor;
  if (a.dtype === 'float32' && b.dtype === 'float32' && result.dtype === 'float32') {
    floatBinary(a, b, f, result);
    return result;
  }
  const left = broadcastIndices(a.shape, shape);
  const right = broadcastIndices(b.shape, shape);
  const store = storer(result);
  for (let i = 0; i < left.length; i++) store(i, f(Number(a.data[left[i]!]!), Number(b.data[right[i]!]!)));
  return result;
}

function floatBinary(
  a: Tensor & { dtype: 'float32' },
  b: Tensor & { dtype: 'float32' },
  f: Numeric,
  y: Tensor & { dtype: 'float32' },
): void {
  const count = y.data.length;
  if (shapesEqual(a.shape, y.shape) && shapesEqual(b.shape, y.shape)) {
    for (let i = 0; i < count; i++) y.data[i] = f(a.data[i]!, b.data[i]!);
    return;
  }
  const left = broadcastIndices(a.shape, y.shape);
  const right = broadcastIndices(b.shape, y.shape);
  for (let i = 0; i < count; i++) y.data[i] = f(a.data[left[i]!]!, b.data[right[i]!]!);
}

function storer(target: Tensor): (index: number, value: number) => void {
  if (target.dtype === 'int64' || target.dtype === 'uint64') {
    const { data } = target;
    return (index, value) => {
      data[index] = BigInt(Math.trunc(value));
    };
  }
  const { data } = target;
  return (index, value) => {
    data[index] = value;
  };
}

const isFloat = (dtype: Dtype): boolean => dtype === 'float32' || dtype === 'float64' || dtype === 'float16';

const arithmetic =
  (f: Numeric): Kernel =>
  (node, inputs) => [broadcastBinary(node, requiredInput(node, inputs, 0), requiredInput(node, inputs, 1), f)];

const comparison =
  (f: (a: number, b: number) => boolean): Kernel =>
  (node, inputs) => [
    broadcastBinary(
      node,
      requiredInput(node, inputs, 0),
      requiredInput(node, inputs, 1),
      (a, b) => (f(a, b) ? 1 : 0),
      'bool',
    ),
  ];

/** Any number of inputs, folded from the left. */
const variadic =
  (f: Numeric, finish: (sum: number, count: number) => number = (sum) => sum): Kernel =>
  (node, inputs) => {
    const first = requiredInput(node, inputs, 0);
    const folded = inputs
      .slice(1)
      .reduce<Tensor>((acc, _, index) => broadcastBinary(node, acc, requiredInput(node, inputs, index + 1), f), first);
    const count = inputs.length;
    if (folded.dtype !== 'float32') return [folded];
    return [{ ...folded, data: folded.data.map((value) => finish(value, count)) }];
  };

export const binaryKernels: Readonly<Record<string, Kernel>> = {
  Add: arithmetic((a, b) => a + b),
  Sub: arithmetic((a, b) => a - b),
  Mul: arithmetic((a, b) => a * b),
  Div: (node, inputs) => {
    const a = requiredInput(node, inputs, 0);
    const b = requiredInput(node, inputs, 1);
    return [
      broadcastBinary(node, a, b, isFloat(a.dtype) ? (x, y) => x / y : (x, y) => (y === 0 ? 0 : Math.trunc(x / y))),
    ];
  },
  Pow: (node, inputs) => {
    const a = requiredInput(node, inputs, 0);
    const b = requiredInput(node, inputs, 1);
    const exponent = { dtype: a.dtype, shape: b.shape, data: allocate(a.dtype, b.data.length) } as Tensor;
    const store = storer(exponent);
    for (let i = 0; i < b.data.length; i++) store(i, Number(b.data[i]!));
    return [broadcastBinary(node, a, exponent, pow)];
  },
  Mod: (node, inputs) => {
    const truncated = numberAttribute(node, 'fmod', 0) !== 0;
    const remainder = truncated ? (a: number, b: number) => a % b : (a: number, b: number) => a - Math.floor(a / b) * b;
    return [broadcastBinary(node, requiredInput(node, inputs, 0), requiredInput(node, inputs, 1), remainder)];
  },
  Equal: comparison((a, b) => a === b),
  Less: comparison((a, b) => a < b),
  LessOrEqual: comparison((a, b) => a <= b),
  Greater: comparison((a, b) => a > b),
  GreaterOrEqual: comparison((a, b) => a >= b),
  And: comparison((a, b) => a !== 0 && b !== 0),
  Or: comparison((a, b) => a !== 0 || b !== 0),
  Xor: comparison((a, b) => (a !== 0) !== (b !== 0)),
  Sum: variadic((a, b) => a + b),
  Mean: variadic(
    (a, b) => a + b,
    (sum, count) => sum / count,
  ),
  Max: variadic((a, b) => (Number.isNaN(a) || Number.isNaN(b) ? NaN : a > b ? a : b)),
  Min: variadic((a, b) => (Number.isNaN(a) || Number.isNaN(b) ? NaN : a < b ? a : b)),
};

/** condition ? a : b with broadcasting. */
export const where: Kernel = (node, inputs) => {
  const condition = requiredInput(node, inputs, 0);
  const a = requiredInput(node, inputs, 1);
  const b = requiredInput(node, inputs, 2);
  const shape = broadcastShape(node, [condition.shape, a.shape, b.shape]);
  const result = { dtype: a.dtype, shape, data: allocate(a.dtype, elementCount(shape)) } as Tensor;
  const [at, left, right] = [condition, a, b].map((operand) => broadcastIndices(operand.shape, shape));
  for (let i = 0; i < result.data.length; i++)
    result.data[i] = (condition.data[at![i]!] ? a.data[left![i]!] : b.data[right![i]!]) as never;
  return [result];
};
