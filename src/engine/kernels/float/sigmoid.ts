import { TANH32_SERIES, TANH32_SMALL } from '../../../reference/index.ts';
import type { Local } from '../../../wasm/index.ts';
import { emitExp32 } from './exp32.ts';
import { splat, type MakeFunction } from './vectorFunction.ts';

/** 1 / (1 + e⁻ˣ) as e / (1 + e) or 1 / (1 + e), e = e^−|x|. */
export const sigmoid: MakeFunction = (f) => {
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
export const tanh: MakeFunction = (f) => {
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

/** x · n / d, n = 1 + 2e and d = n + 2e² for x ≥ 0, else n = e · (e + 2) and d = n + 2; e = e^−|x|. */
export const mish: MakeFunction = (f) => {
  const exp = emitExp32(f);
  const [zero, one, two] = [0, 1, 2].map((value) => splat(f, value)) as [Local, Local, Local];
  const [positive, argument, power, part] = f.locals('v', 4) as [Local, Local, Local, Local];
  return (x) => {
    f.get(x).get(zero).op('f32x4.ge').set(positive);
    f.get(x).op('f32x4.abs').op('f32x4.neg').set(argument);
    exp(argument);
    f.set(power);
    f.get(one).get(two).get(power).op('f32x4.mul').op('f32x4.add');
    f.get(power).get(power).get(two).op('f32x4.add').op('f32x4.mul');
    f.get(positive).op('v128.bitselect').set(part);
    f.get(x).get(part).get(part);
    f.get(two).get(power).get(power).op('f32x4.mul').op('f32x4.mul').get(two).get(positive).op('v128.bitselect');
    f.op('f32x4.add').op('f32x4.div').op('f32x4.mul');
  };
};
