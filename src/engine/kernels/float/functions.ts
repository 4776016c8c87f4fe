import type { Node } from '../../../graph/index.ts';
import { numberAttribute } from '../../../graph/index.ts';
import type { Tensor } from '../../../tensor/index.ts';
import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import { TANH32_SERIES, TANH32_SMALL } from '../../../reference/index.ts';
import { emitExp } from './exp.ts';
import { emitExp32 } from './exp32.ts';
import { emitLog } from './log.ts';
import { emitNarrowed, emitWidened } from './vectors.ts';

/** f32x4 → f32x4: reads a local, leaves the result on the stack. */
export type VectorFunction = (x: Local) => void;

/** Prepares a function's constants once, where a kernel begins. */
export type MakeFunction = (f: FunctionBuilder) => VectorFunction;

export function splat(f: FunctionBuilder, value: number): Local {
  const local = f.local('v');
  f.f32(value).op('f32x4.splat').set(local);
  return local;
}

export function splat64(f: FunctionBuilder, value: number): Local {
  const local = f.local('v');
  f.f64(value).op('f64x2.splat').set(local);
  return local;
}

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

/** A function computed in float64 and rounded once, on both halves of a vector. */
function inFloat64(make: (f: FunctionBuilder) => VectorFunction): MakeFunction {
  return (f) => {
    const compute = make(f);
    const [low, high] = f.locals('v', 2) as [Local, Local];
    return (x) => {
      emitWidened(f, x, 1);
      f.set(high);
      emitWidened(f, x, 0);
      f.set(low);
      for (const half of [low, high]) {
        compute(half);
        f.set(half);
      }
      emitNarrowed(f, [low, high]);
    };
  };
}

/** 1 / (1 + e⁻ˣ) as e / (1 + e) or 1 / (1 + e), e = e^−|x|. */
const sigmoid: MakeFunction = (f) => {
  const exp = emitExp32(f);
  const [one, zero] = [splat(f, 1), splat(f, 0)];
  const [power, argument] = f.locals('v', 2) as [Local, Local];
  return (x) => {
    f.get(x).op('f32x4.abs').op('f32x4.neg').set(argument);
    exp(argument);
    f.set(power);
    f.get(one).get(power).get(x).get(zero).op('f32x4.ge').op('v128.bitselect');
    f.get(one).get(power).op('f32x4.add').op('f32x4.div');
  };
};

/** (1 − e) / (1 + e) with x's sign, e = e^−2|x|; x + x³ · p(x²) near 0. */
const tanh: MakeFunction = (f) => {
  const exp = emitExp32(f);
  const [one, two, small, sign] = [1, -2, TANH32_SMALL, -0].map((value) => splat(f, value)) as [
    Local,
    Local,
    Local,
    Local,
  ];
  const [first, ...series] = TANH32_SERIES.map((coefficient) => splat(f, coefficient)) as [Local, ...Local[]];
  const [magnitude, power, square, sum] = f.locals('v', 4) as [Local, Local, Local, Local];
  return (x) => {
    f.get(x).op('f32x4.abs').tee(magnitude).get(two).op('f32x4.mul').set(power);
    exp(power);
    f.set(power);
    f.get(x).get(x).op('f32x4.mul').set(square);
    f.get(first).set(sum);
    for (const coefficient of series) f.get(sum).get(square).op('f32x4.mul').get(coefficient).op('f32x4.add').set(sum);
    f.get(x).get(x).get(square).op('f32x4.mul').get(sum).op('f32x4.mul').op('f32x4.add');
    f.get(one).get(power).op('f32x4.sub').get(one).get(power).op('f32x4.add').op('f32x4.div');
    f.get(x).get(sign).op('v128.and').op('v128.or');
    f.get(magnitude).get(small).op('f32x4.lt').op('v128.bitselect');
  };
};

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
  Exp: () => inFloat64(emitExp),
  Log: () => inFloat64(emitLog),
  Softplus: () => softplus,
  Sigmoid: () => sigmoid,
  Tanh: () => tanh,
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
  if (node.opType !== 'Clip') return Object.hasOwn(makers, node.opType) ? makers[node.opType]!(node) : undefined;
  const [, low = '', high = ''] = node.inputs;
  const bounds = [low, high].map((name) => (name === '' ? undefined : constant(name)));
  if ((low !== '' && !bounds[0]) || (high !== '' && !bounds[1])) return undefined;
  return bounded(Number(bounds[0]?.data[0] ?? -Infinity), Number(bounds[1]?.data[0] ?? Infinity));
}
