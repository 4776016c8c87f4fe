import { EXP32, EXP32_SERIES } from '../../../reference/index.ts';
import type { FunctionBuilder, Local } from '../../../wasm/index.ts';

/**
 * Prepares eˣ of f32x4 for x ≤ 0, with the reference's steps in float32:
 *
 *   n = floor(x · log₂e + ½)   r = x − n · high − n · low   eˣ = (p(r) · r² + r + 1) · 2^(n >> 1) · 2^(n − (n >> 1))
 *
 * The argument is held above the limit, so that n fits; below it the result is 0. NaN passes through.
 */
export function emitExp32(f: FunctionBuilder): (x: Local) => void {
  const splat = (value: number): Local => {
    const local = f.local('v');
    f.f32(value).op('f32x4.splat').set(local);
    return local;
  };
  const [log2e, high, low] = [EXP32.log2e, EXP32.ln2High, EXP32.ln2Low].map(splat) as [Local, Local, Local];
  const [half, one, least] = [0.5, 1, EXP32.min].map(splat) as [Local, Local, Local];
  const [first, ...series] = EXP32_SERIES.map(splat) as [Local, ...Local[]];
  const bias = f.local('v');
  f.i32(127).op('i32x4.splat').set(bias);
  const [held, n, r, sum, power, part] = f.locals('v', 6) as [Local, Local, Local, Local, Local, Local];
  const timesTwoToThe = (exponent: Local): void => {
    f.get(exponent).get(bias).op('i32x4.add').i32(23).op('i32x4.shl').op('f32x4.mul');
  };
  return (x) => {
    f.get(x).get(least).op('f32x4.pmax').set(held);
    f.get(held).get(log2e).op('f32x4.mul').get(half).op('f32x4.add').op('f32x4.floor').set(n);
    f.get(held).get(n).get(high).op('f32x4.mul').op('f32x4.sub');
    f.get(n).get(low).op('f32x4.mul').op('f32x4.sub').set(r);
    f.get(first).set(sum);
    for (const coefficient of series) f.get(sum).get(r).op('f32x4.mul').get(coefficient).op('f32x4.add').set(sum);
    f.get(sum).get(r).get(r).op('f32x4.mul').op('f32x4.mul').get(r).op('f32x4.add').get(one).op('f32x4.add');
    f.get(n).op('i32x4.trunc_sat_f32x4_s').tee(power).i32(1).op('i32x4.shr_s').set(part);
    f.get(power).get(part).op('i32x4.sub').set(power);
    timesTwoToThe(part);
    timesTwoToThe(power);
    f.get(x).get(least).op('f32x4.lt').op('v128.andnot');
  };
}
