import type { Node } from '../../../graph/index.ts';
import { numberAttribute, stringAttribute } from '../../../graph/index.ts';
import type { Tensor } from '../../../tensor/index.ts';
import type { Local } from '../../../wasm/index.ts';
import { emitExp } from './exp.ts';
import { erf, gelu, geluTanh } from './gelu.ts';
import { emitLog } from './log.ts';
import { emitPower, hasPower } from './power.ts';
import { mish, sigmoid, tanh } from './sigmoid.ts';
import { inFloat64, splat, splat64, type MakeFunction } from './vectorFunction.ts';

/** min(max(x, low), high); NaN stays. pmax(a, b) is a < b ? b : a, pmin(a, b) is b < a ? b : a. */
function bounded(low: number, high: number): MakeFunction {
  return (f) => {
    const [floor, ceiling] = [low, high].map((bound) => (Number.isFinite(bound) ? splat(f, bound) : undefined));
    return (x) => {
      f.get(x);
      if (floor) f.get(floor).op('f32x4.pmax');
      if (ceiling) f.get(ceiling).op('f32x4.pmin');
    };
  };
}

/** max(0, min(1, alpha · x + beta)), times x where `gated`. */
function hardSigmoid(alpha: number, beta: number, gated: 'gated' | 'plain'): MakeFunction {
  return (f) => {
    const [slope, shift, zero, one] = [alpha, beta, 0, 1].map((value) => splat(f, value)) as [
      Local,
      Local,
      Local,
      Local,
    ];
    return (x) => {
      f.get(slope).get(x).op('f32x4.mul').get(shift).op('f32x4.add');
      f.get(zero).op('f32x4.pmax').get(one).op('f32x4.pmin');
      if (gated === 'gated') f.get(x).op('f32x4.mul');
    };
  };
}

function leakyRelu(alpha: number): MakeFunction {
  return (f) => {
    const [slope, zero] = [splat(f, alpha), splat(f, 0)];
    return (x) => {
      f.get(slope).get(x).op('f32x4.mul').get(x);
      f.get(x).get(zero).op('f32x4.lt').op('v128.bitselect');
    };
  };
}

/** max(x, 0) + ln(1 + e^−|x|). */
const softplus: MakeFunction = inFloat64((f) => {
  const [exp, log] = [emitExp(f), emitLog(f)];
  const [one, zero] = [splat64(f, 1), splat64(f, 0)];
  const argument = f.local('v');
  return (x) => {
    // Math.max(x, 0): NaN stays, and −0 becomes 0
    f.get(x).get(zero).op('f64x2.max');
    f.get(x).op('f64x2.abs').op('f64x2.neg').set(argument);
    exp(argument);
    f.get(one).op('f64x2.add').set(argument);
    log(argument);
    f.op('f64x2.add');
  };
});

const elu = (alpha: number): MakeFunction =>
  inFloat64((f) => {
    const exp = emitExp(f);
    const [slope, one, zero] = [alpha, 1, 0].map((value) => splat64(f, value)) as [Local, Local, Local];
    return (x) => {
      f.get(slope);
      exp(x);
      f.get(one).op('f64x2.sub').op('f64x2.mul').get(x).get(x).get(zero).op('f64x2.lt').op('v128.bitselect');
    };
  });

/** gamma · (x ≤ 0 ? alpha · (eˣ − 1) : x). */
const selu = (alpha: number, gamma: number): MakeFunction =>
  inFloat64((f) => {
    const exp = emitExp(f);
    const [slope, scale, one, zero] = [alpha, gamma, 1, 0].map((value) => splat64(f, value)) as [
      Local,
      Local,
      Local,
      Local,
    ];
    return (x) => {
      f.get(scale).get(slope);
      exp(x);
      f.get(one).op('f64x2.sub').op('f64x2.mul').get(x).get(x).get(zero).op('f64x2.le').op('v128.bitselect');
      f.op('f64x2.mul');
    };
  });

/** max(0, x) + min(0, alpha · (e^(x / alpha) − 1)). */
const celu = (alpha: number): MakeFunction =>
  inFloat64((f) => {
    const exp = emitExp(f);
    const [slope, one, zero] = [alpha, 1, 0].map((value) => splat64(f, value)) as [Local, Local, Local];
    const argument = f.local('v');
    return (x) => {
      f.get(zero).get(x).op('f64x2.max').get(zero).get(slope);
      f.get(x).get(slope).op('f64x2.div').set(argument);
      exp(argument);
      f.get(one).op('f64x2.sub').op('f64x2.mul').op('f64x2.min').op('f64x2.add');
    };
  });

/** x / (1 + |x|). */
const softsign: MakeFunction = inFloat64((f) => {
  const one = splat64(f, 1);
  return (x) => {
    f.get(x).get(one).get(x).op('f64x2.abs').op('f64x2.add').op('f64x2.div');
  };
});

/** x > alpha ? x : 0. */
const thresholdedRelu =
  (alpha: number): MakeFunction =>
  (f) => {
    const threshold = splat(f, alpha);
    return (x) => {
      f.get(x).get(x).get(threshold).op('f32x4.gt').op('v128.and');
    };
  };

const reciprocal: MakeFunction = (f) => {
  const one = splat(f, 1);
  return (x) => {
    f.get(one).get(x).op('f32x4.div');
  };
};

/** xʸ; a square needs no float64. */
function power(exponent: number): MakeFunction | undefined {
  if (!hasPower(exponent)) return undefined;
  if (exponent !== 2) return inFloat64((f) => emitPower(f, exponent));
  return (f) => (x) => {
    f.get(x).get(x).op('f32x4.mul');
  };
}

/** One instruction. */
const plain =
  (name: 'f32x4.abs' | 'f32x4.neg' | 'f32x4.sqrt' | 'f32x4.floor' | 'f32x4.ceil'): MakeFunction =>
  (f) =>
  (x) => {
    f.get(x).op(name);
  };

const makers: Readonly<Record<string, (node: Node) => MakeFunction>> = {
  Relu: () => bounded(0, Infinity),
  Abs: () => plain('f32x4.abs'),
  Neg: () => plain('f32x4.neg'),
  Sqrt: () => plain('f32x4.sqrt'),
  Floor: () => plain('f32x4.floor'),
  Ceil: () => plain('f32x4.ceil'),
  Reciprocal: () => reciprocal,
  Exp: () => inFloat64(emitExp),
  Log: () => inFloat64(emitLog),
  Softplus: () => softplus,
  Sigmoid: () => sigmoid,
  Tanh: () => tanh,
  Erf: () => erf,
  Gelu: (node) => (stringAttribute(node, 'approximate', 'none') === 'tanh' ? geluTanh : gelu),
  Mish: () => mish,
  Softsign: () => softsign,
  Selu: (node) =>
    selu(Math.fround(numberAttribute(node, 'alpha', 1.6732632)), Math.fround(numberAttribute(node, 'gamma', 1.050701))),
  Celu: (node) => celu(Math.fround(numberAttribute(node, 'alpha', 1))),
  ThresholdedRelu: (node) => thresholdedRelu(Math.fround(numberAttribute(node, 'alpha', 1))),
  Elu: (node) => elu(Math.fround(numberAttribute(node, 'alpha', 1))),
  LeakyRelu: (node) => leakyRelu(Math.fround(numberAttribute(node, 'alpha', 0.01))),
  HardSwish: () => hardSigmoid(Math.fround(1 / 6), 0.5, 'gated'),
  HardSigmoid: (node) =>
    hardSigmoid(
      Math.fround(numberAttribute(node, 'alpha', 0.2)),
      Math.fround(numberAttribute(node, 'beta', 0.5)),
      'plain',
    ),
};

/**
 * The function of one float that a node computes, with the reference's roundings; undefined where it is none of these.
 *
 * @param constant the node's further inputs
 */
export function functionOf(node: Node, constant: (name: string) => Tensor | undefined): MakeFunction | undefined {
  if (node.domain !== '') return undefined;
  if (node.opType === 'Pow') {
    const exponent = constant(node.inputs[1] ?? '');
    return exponent?.data.length === 1 ? power(Math.fround(Number(exponent.data[0]))) : undefined;
  }
  if (node.opType !== 'Clip') return Object.hasOwn(makers, node.opType) ? makers[node.opType]!(node) : undefined;
  const [, low = '', high = ''] = node.inputs;
  const bounds = [low, high].map((name) => (name === '' ? undefined : constant(name)));
  if ((low !== '' && !bounds[0]) || (high !== '' && !bounds[1])) return undefined;
  return bounded(Number(bounds[0]?.data[0] ?? -Infinity), Number(bounds[1]?.data[0] ?? Infinity));
}
