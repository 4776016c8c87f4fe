import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
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

/** A function computed in float64 and rounded once, on both halves of a vector. */
export function inFloat64(make: (f: FunctionBuilder) => VectorFunction): MakeFunction {
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
