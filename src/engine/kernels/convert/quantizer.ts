import type { QuantizedValue } from '../../../graph/index.ts';
import type { FunctionBuilder, Local } from '../../../wasm/index.ts';
import { emitRounding } from '../requantize.ts';

/** Prepares, once in a function, f32x4 → i32x4 with the zero point, within 0 … 255. */
export function emitQuantizer(f: FunctionBuilder, { scale, zeroPoint }: QuantizedValue): () => void {
  const [divisor, low, high, real] = f.locals('v', 4) as [Local, Local, Local, Local];
  f.f32(scale).op('f32x4.splat').set(divisor);
  f.f32(-zeroPoint).op('f32x4.splat').set(low);
  f.f32(255 - zeroPoint)
    .op('f32x4.splat')
    .set(high);
  const round = emitRounding(f, 'magic', zeroPoint);
  return () => {
    f.get(divisor).op('f32x4.div').set(real);
    // NaN, which does not equal itself, becomes 0; bounds are integers, so clamping may come before rounding
    f.get(real).get(real).get(real).op('f32x4.eq').op('v128.and');
    f.get(low).op('f32x4.pmax').get(high).op('f32x4.pmin');
    round();
  };
}

/** Sixteen floats to bytes. */
export function emitQuantizeSixteen(
  f: FunctionBuilder,
  quantize: () => void,
  { bytes, floats }: { readonly bytes: Local; readonly floats: Local },
): void {
  f.get(bytes);
  for (const half of [0, 1]) {
    for (const quarter of [0, 1]) {
      f.get(floats).op('v128.load', { offset: half * 32 + quarter * 16 });
      quantize();
    }
    f.op('i16x8.narrow_i32x4_s');
  }
  f.op('i8x16.narrow_i16x8_u').op('v128.store');
}
