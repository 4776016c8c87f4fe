import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import { emitExp } from './exp.ts';
import { emitLog } from './log.ts';
import { splat64, type VectorFunction } from './vectorFunction.ts';

/** Whole powers up to this are products. */
const MOST_FACTORS = 64;

/** Whether `emitPower` takes an exponent: whole powers beyond products are left out. */
export function hasPower(exponent: number): boolean {
  return Number.isFinite(exponent) && (!Number.isInteger(exponent) || Math.abs(exponent) <= MOST_FACTORS);
}

/**
 * Prepares xʸ of f64x2 as the reference has it: a product for a whole power, √x for ½, √x · √√x for ¾, else e^(y · ln x). The
 * argument's local may be changed.
 */
export function emitPower(f: FunctionBuilder, exponent: number): VectorFunction {
  if (Number.isInteger(exponent)) return emitProductOf(f, exponent);
  if (exponent === 0.5 || exponent === 0.75)
    return (x) => {
      f.get(x).op('f64x2.sqrt');
      if (exponent === 0.75) f.tee(x).get(x).op('f64x2.sqrt').op('f64x2.mul');
    };
  const [exp, log, factor] = [emitExp(f), emitLog(f), splat64(f, exponent)];
  const argument = f.local('v');
  return (x) => {
    log(x);
    f.get(factor).op('f64x2.mul').set(argument);
    exp(argument);
  };
}

/** x · x · …, or 1 over that. */
function emitProductOf(f: FunctionBuilder, exponent: number): VectorFunction {
  const one: Local = splat64(f, 1);
  return (x) => {
    if (exponent < 0) f.get(one);
    f.get(exponent === 0 ? one : x);
    for (let factor = 1; factor < Math.abs(exponent); factor++) f.get(x).op('f64x2.mul');
    if (exponent < 0) f.op('f64x2.div');
  };
}
