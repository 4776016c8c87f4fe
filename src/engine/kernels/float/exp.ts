import { EXP_LIMITS, EXP_SERIES, LN2 } from '../../../reference/index.ts';
import type { FunctionBuilder, Local } from '../../../wasm/index.ts';

/**
 * Prepares eˣ of f64x2, with the reference's steps: x = n · ln 2 + r, the series of eʳ, times 2ⁿ in two factors.
 *
 *   n = floor(x · log₂e + ½)   r = x − n · high − n · low   eˣ = (… (c₁₄ · r + c₁₃) · r + …) · r + 1) · 2^(n >> 1) · 2^(n − (n >> 1))
 *
 * The argument is held within the limits, so that n fits; beyond them the result is chosen. NaN passes through.
 */
export function emitExp(f: FunctionBuilder): (x: Local) => void {
  const splat = (value: number): Local => {
    const local = f.local('v');
    f.f64(value).op('f64x2.splat').set(local);
    return local;
  };
  const [log2e, half, high, low] = [Math.LOG2E, 0.5, LN2.high, LN2.low].map(splat) as [Local, Local, Local, Local];
  const [least, most, infinity] = [EXP_LIMITS.min, EXP_LIMITS.max, Infinity].map(splat) as [Local, Local, Local];
  const series = [...EXP_SERIES, 1].map(splat);
  const bias = f.local('v');
  f.i32(1023).op('i32x4.splat').set(bias);
  const [held, n, r, sum, power, first] = f.locals('v', 6) as [Local, Local, Local, Local, Local, Local];
  const twoToThe = (exponent: Local): void => {
    f.get(exponent).get(bias).op('i32x4.add').op('i64x2.extend_low_i32x4_s').i32(52).op('i64x2.shl');
  };
  return (x) => {
    f.get(x).get(least).op('f64x2.pmax').get(most).op('f64x2.pmin').set(held);
    f.get(held).get(log2e).op('f64x2.mul').get(half).op('f64x2.add').op('f64x2.floor').set(n);
    f.get(held).get(n).get(high).op('f64x2.mul').op('f64x2.sub');
    f.get(n).get(low).op('f64x2.mul').op('f64x2.sub').set(r);
    f.get(series[0]!).set(sum);
    for (const coefficient of series.slice(1))
      f.get(sum).get(r).op('f64x2.mul').get(coefficient).op('f64x2.add').set(sum);
    f.get(n).op('i32x4.trunc_sat_f64x2_s_zero').tee(power).i32(1).op('i32x4.shr_s').set(first);
    f.get(power).get(first).op('i32x4.sub').set(power);
    f.get(sum);
    twoToThe(first);
    f.op('f64x2.mul');
    twoToThe(power);
    f.op('f64x2.mul').set(sum);
    f.get(infinity).get(sum).get(x).get(most).op('f64x2.gt').op('v128.bitselect');
    f.get(x).get(least).op('f64x2.lt').op('v128.andnot');
  };
}
