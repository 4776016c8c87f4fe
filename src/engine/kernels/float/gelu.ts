import { ERF32_SERIES, ERF32_SMALL, ERFC32_SERIES, GELU32_TANH } from '../../../reference/index.ts';
import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import { emitExp32 } from './exp32.ts';
import { sigmoid } from './sigmoid.ts';
import { splat, type MakeFunction, type VectorFunction } from './vectorFunction.ts';

/** Prepares a polynomial, highest power first, by Horner's rule. */
function emitHorner(f: FunctionBuilder, coefficients: readonly number[]): VectorFunction {
  const [first, ...others] = coefficients.map((coefficient) => splat(f, coefficient)) as [Local, ...Local[]];
  const sum = f.local('v');
  return (x) => {
    f.get(first).set(sum);
    for (const coefficient of others) f.get(sum).get(x).op('f32x4.mul').get(coefficient).op('f32x4.add').set(sum);
    f.get(sum);
  };
}

/** Prepares erfc z for z ≥ 0 with the reference's steps: t · e^(p(t) − z²), t = 1 / (1 + z / 2). */
function emitErfc(f: FunctionBuilder): VectorFunction {
  const [exp, series] = [emitExp32(f), emitHorner(f, ERFC32_SERIES)];
  const [one, half] = [splat(f, 1), splat(f, 0.5)];
  const [t, exponent] = f.locals('v', 2) as [Local, Local];
  return (z) => {
    f.get(one).get(one).get(half).get(z).op('f32x4.mul').op('f32x4.add').op('f32x4.div').set(t);
    series(t);
    f.get(z).get(z).op('f32x4.mul').op('f32x4.sub').set(exponent);
    f.get(t);
    exp(exponent);
    f.op('f32x4.mul');
  };
}

/** x · p(x²) near 0, else 1 − erfc |x| with x's sign. */
export const erf: MakeFunction = (f) => {
  const [erfc, series] = [emitErfc(f), emitHorner(f, ERF32_SERIES)];
  const [one, small, sign] = [1, ERF32_SMALL, -0].map((value) => splat(f, value)) as [Local, Local, Local];
  const [magnitude, square, far] = f.locals('v', 3) as [Local, Local, Local];
  return (x) => {
    f.get(x).op('f32x4.abs').set(magnitude);
    f.get(one);
    erfc(magnitude);
    f.op('f32x4.sub').get(x).get(sign).op('v128.and').op('v128.or').set(far);
    f.get(x).get(x).op('f32x4.mul').set(square);
    f.get(x);
    series(square);
    f.op('f32x4.mul').get(far).get(magnitude).get(small).op('f32x4.lt').op('v128.bitselect');
  };
};

/** x · Φ(x) = x · erfc(|x| / √2) / 2 for x < 0, else x · (1 − that). */
export const gelu: MakeFunction = (f) => {
  const erfc = emitErfc(f);
  const [zero, one] = [splat(f, 0), splat(f, 1)];
  const [half, root] = [splat(f, 0.5), splat(f, Math.SQRT1_2)];
  const [z, tail] = f.locals('v', 2) as [Local, Local];
  return (x) => {
    f.get(x).op('f32x4.abs').get(root).op('f32x4.mul').set(z);
    f.get(half);
    erfc(z);
    f.op('f32x4.mul').set(tail);
    f.get(x).get(tail).get(one).get(tail).op('f32x4.sub');
    f.get(x).get(zero).op('f32x4.lt').op('v128.bitselect').op('f32x4.mul');
  };
};

/** x · sigmoid(2 · √(2 / π) · (x + 0.044715 · x³)). */
export const geluTanh: MakeFunction = (f) => {
  const gate = sigmoid(f);
  const [scale, cubic] = [splat(f, GELU32_TANH.scale), splat(f, GELU32_TANH.cubic)];
  const inner = f.local('v');
  return (x) => {
    f.get(scale).get(x).get(cubic).get(x).get(x).op('f32x4.mul').get(x).op('f32x4.mul').op('f32x4.mul');
    f.op('f32x4.add').op('f32x4.mul').set(inner);
    f.get(x);
    gate(inner);
    f.op('f32x4.mul');
  };
};
