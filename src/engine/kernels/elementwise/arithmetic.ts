import type { BinaryOperation, QuantizedValue } from '../../../graph/index.ts';
import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import { emitRequantizer, roundingWithin, type Requantizer } from '../requantize.ts';

export interface Operand {
  readonly name: string;
  readonly value: QuantizedValue;
}

/** An add, sub or mul whose second operand may be the smaller one. */
export interface Binary {
  readonly operation: BinaryOperation;
  readonly large: Operand;
  readonly small: Operand;
  readonly output: QuantizedValue;
  readonly signs: readonly [number, number];
}

/** Vectors of four float32 in 16 channels. */
export const LANES = 4;

/** What a binary's arithmetic needs in locals: made once in a function. */
export interface Arithmetic {
  readonly requantizer: Requantizer;
  /** f32(x − zero point) of the 16 bytes at an address. */
  large(at: Local, offset: number): Local[];
  /** The same of the small operand; already times its factor where it is added. */
  small(at: Local, offset: number): Local[];
  /** f32(x − zero point) of the large operand, computed elsewhere; times its factor where it is added. */
  scale(reals: Local[]): Local[];
  /** Four results from what the operands gave, rounded; in the locals of `large`. */
  combine(large: readonly Local[], small: readonly Local[]): void;
}

/**
 * As the reference rounds:
 *
 *   mul   nearestEven((f32(a − za) · f32(b − zb)) · k)                    k = sa · sb / sy
 *   add   nearestEven(f32(a − za) · ka + f32(b − zb) · kb)                ka = sa / sy, kb = ± sb / sy
 */
export function emitArithmetic(f: FunctionBuilder, binary: Binary): Arithmetic {
  const { operation, large, small, output } = binary;
  const values = factorsOf(binary);
  const [first = 0, second = 0] = values.map(Math.abs);
  // |a − za| and |b − zb| are at most 255
  const rounding = roundingWithin(operation.kind === 'mul' ? 255 * 255 * first : 255 * (first + second));
  const requantizer = emitRequantizer(f, { ...output, clamp: operation.clamp, rounding });
  const factors = values.map((value) => {
    const local = f.local('v');
    f.f32(value).op('f32x4.splat').set(local);
    return local;
  });
  const operand = ({ value }: Operand): ((at: Local, offset: number) => Local[]) => {
    const zero = f.local('v');
    f.i32(value.zeroPoint).op('i16x8.splat').set(zero);
    return (at, offset) => emitReal(f, zero, at, offset);
  };
  const [readLarge, readSmall] = [operand(large), operand(small)];
  const scaled = (reals: Local[], factor: Local | undefined): Local[] => {
    if (factor) for (const real of reals) f.get(real).get(factor).op('f32x4.mul').set(real);
    return reals;
  };
  return {
    requantizer,
    large: (at, offset) => scaled(readLarge(at, offset), factors[1] && factors[0]),
    small: (at, offset) => scaled(readSmall(at, offset), factors[1]),
    scale: (reals) => scaled(reals, factors[1] && factors[0]),
    combine: (a, b) =>
      a.forEach((real, lane) => {
        f.get(real).get(b[lane]!);
        if (factors[1]) f.op('f32x4.add');
        else f.op('f32x4.mul').get(factors[0]!).op('f32x4.mul');
        requantizer.round();
        f.set(real);
      }),
  };
}

/** k of a product, or ka and kb with their signs, as the reference rounds them. */
function factorsOf({ operation, large, small, output, signs }: Binary): number[] {
  if (operation.kind === 'mul') return [Math.fround(Math.fround(large.value.scale * small.value.scale) / output.scale)];
  return [large, small].map(({ value }, index) => Math.fround(value.scale / output.scale) * signs[index]!);
}

function emitReal(f: FunctionBuilder, zero: Local, at: Local, offset: number): Local[] {
  return [0, 8].flatMap((half) => {
    const words = f.local('v');
    f.get(at)
      .op('v128.load8x8_u', { offset: offset + half })
      .get(zero)
      .op('i16x8.sub')
      .set(words);
    return (['low', 'high'] as const).map((part) => {
      const real = f.local('v');
      f.get(words).op(`i32x4.extend_${part}_i16x8_s`).op('f32x4.convert_i32x4_s').set(real);
      return real;
    });
  });
}
