import { numberAttribute, stringAttribute, type Node } from '../../graph/index.ts';
import { tensor, type Tensor } from '../../tensor/index.ts';
import { convert } from './cast.ts';
import { broadcastIndices } from '../broadcast.ts';
import { erf, exp, log, pow, sigmoid, tanh } from '../math.ts';
import { erf32, gelu32, geluTanh32, mish32, sigmoid32, tanh32 } from '../math32.ts';
import { floatInput, requiredInput, type Kernel } from '../kernel.ts';
import { nearestEven } from '../requantize.ts';

type MakeFunction = (node: Node) => (x: number) => number;

/**
 * y = f(x) element by element; f is made once from the node's attributes and its result rounded to x's dtype.
 *
 * @param make32 f for float32, where it has steps of its own there
 */
function elementwise(make: MakeFunction, make32: MakeFunction = make): Kernel {
  return (node, inputs) => {
    const x = requiredInput(node, inputs, 0);
    if (x.dtype !== 'float32') {
      const f = make(node);
      const y = Float64Array.from<number | bigint>(x.data, (value) => f(Number(value)));
      return [convert(tensor('float64', x.shape, y), x.dtype)];
    }
    const f = make32(node);
    const y = new Float32Array(x.data.length);
    for (let i = 0; i < y.length; i++) y[i] = f(x.data[i]!);
    return [tensor('float32', x.shape, y)];
  };
}

const clamp01 = (x: number): number => (x < 0 ? 0 : x > 1 ? 1 : x);

/** max(0, min(1, alpha · x + beta)). */
const hardSigmoid = (alpha: number, beta: number) => (x: number) => clamp01(Math.fround(Math.fround(alpha * x) + beta));

const approximatesByTanh = (node: Node): boolean => stringAttribute(node, 'approximate', 'none') === 'tanh';

const geluTanh = (x: number): number => 0.5 * x * (1 + tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * pow(x, 3))));

/** Activation functions and other functions of one float tensor, by operator type. */
export const unaryKernels: Readonly<Record<string, Kernel>> = {
  Relu: elementwise(() => (x) => (x < 0 ? 0 : x)),
  Sigmoid: elementwise(
    () => sigmoid,
    () => sigmoid32,
  ),
  Tanh: elementwise(
    () => tanh,
    () => tanh32,
  ),
  Exp: elementwise(() => exp),
  Log: elementwise(() => log),
  Sqrt: elementwise(() => Math.sqrt),
  Reciprocal: elementwise(() => (x) => 1 / x),
  Erf: elementwise(
    () => erf,
    () => erf32,
  ),
  Abs: elementwise(() => Math.abs),
  Neg: elementwise(() => (x) => -x),
  Floor: elementwise(() => Math.floor),
  Ceil: elementwise(() => Math.ceil),
  Round: elementwise(() => nearestEven),
  Sign: elementwise(() => Math.sign),
  Not: elementwise(() => (x) => (x === 0 ? 1 : 0)),
  Softplus: elementwise(() => (x) => Math.max(x, 0) + log(1 + exp(-Math.abs(x)))),
  Softsign: elementwise(() => (x) => x / (1 + Math.abs(x))),
  Mish: elementwise(
    () => (x) => x * tanh(Math.max(x, 0) + log(1 + exp(-Math.abs(x)))),
    () => mish32,
  ),
  HardSwish: elementwise(() => {
    const gate = hardSigmoid(Math.fround(1 / 6), 0.5);
    return (x) => x * Math.fround(gate(x));
  }),
  HardSigmoid: elementwise((node) =>
    hardSigmoid(Math.fround(numberAttribute(node, 'alpha', 0.2)), Math.fround(numberAttribute(node, 'beta', 0.5))),
  ),
  LeakyRelu: elementwise((node) => {
    const alpha = Math.fround(numberAttribute(node, 'alpha', 0.01));
    return (x) => (x < 0 ? alpha * x : x);
  }),
  Elu: elementwise((node) => {
    const alpha = Math.fround(numberAttribute(node, 'alpha', 1));
    return (x) => (x < 0 ? alpha * (exp(x) - 1) : x);
  }),
  Selu: elementwise((node) => {
    const alpha = Math.fround(numberAttribute(node, 'alpha', 1.6732632));
    const gamma = Math.fround(numberAttribute(node, 'gamma', 1.050701));
    return (x) => gamma * (x <= 0 ? alpha * (exp(x) - 1) : x);
  }),
  Celu: elementwise((node) => {
    const alpha = Math.fround(numberAttribute(node, 'alpha', 1));
    return (x) => Math.max(0, x) + Math.min(0, alpha * (exp(x / alpha) - 1));
  }),
  ThresholdedRelu: elementwise((node) => {
    const alpha = Math.fround(numberAttribute(node, 'alpha', 1));
    return (x) => (x > alpha ? x : 0);
  }),
  Gelu: elementwise(
    (node) => (approximatesByTanh(node) ? geluTanh : (x) => 0.5 * x * (1 + erf(x / Math.SQRT2))),
    (node) => (approximatesByTanh(node) ? geluTanh32 : gelu32),
  ),
};

function bound(input: Tensor | undefined, absent: number): number {
  const value = input?.data[0];
  return value === undefined ? absent : Number(value);
}

/** min(max(x, low), high), bounds as optional scalar inputs; any numeric dtype. */
export const clip: Kernel = (node, inputs) => {
  const x = requiredInput(node, inputs, 0);
  const low = bound(inputs[1], -Infinity);
  const high = bound(inputs[2], Infinity);
  const limit = (value: number): number => {
    const bounded = value < low ? low : value;
    return bounded > high ? high : bounded;
  };
  if (x.dtype === 'float32') {
    const y = new Float32Array(x.data.length);
    for (let i = 0; i < y.length; i++) y[i] = limit(x.data[i]!);
    return [tensor('float32', x.shape, y)];
  }
  if (x.dtype === 'int64' || x.dtype === 'uint64') {
    const y = x.data.map((value) => BigInt(limit(Number(value)))) as BigInt64Array & BigUint64Array;
    return [{ dtype: x.dtype, shape: x.shape, data: y }];
  }
  return [{ dtype: x.dtype, shape: x.shape, data: x.data.map(limit) } as Tensor];
};

/** x < 0 ? slope · x : x, slope broadcast to x. */
export const pRelu: Kernel = (node, inputs) => {
  const x = floatInput(node, inputs, 0);
  const slope = floatInput(node, inputs, 1);
  const y = new Float32Array(x.data.length);
  const at = broadcastIndices(slope.shape, x.shape);
  for (let i = 0; i < y.length; i++) y[i] = x.data[i]! < 0 ? x.data[i]! * slope.data[at[i]!]! : x.data[i]!;
  return [tensor('float32', x.shape, y)];
};
