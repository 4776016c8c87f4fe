import { invariant } from '../base/index.ts';

/** How an 8-bit value is read: real = scale · (q − zeroPoint), q in 0..255. */
export interface ByteParams {
  /** float32, > 0. */
  readonly scale: number;
  /** 0..255. */
  readonly zeroPoint: number;
}

/** Round half to even. Exact for every float64. */
export function nearestEven(value: number): number {
  const floor = Math.floor(value);
  const fraction = value - floor;
  if (fraction !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/**
 * y = saturate(nearestEven(f32(x / scale)) + zeroPoint), in 0..255; NaN becomes the zero point.
 * ONNX QuantizeLinear on float32, in the uint8 form.
 */
export function quantizeByte(x: number, { scale, zeroPoint }: ByteParams): number {
  const q = nearestEven(Math.fround(Math.fround(x) / scale)) + zeroPoint;
  if (Number.isNaN(q)) return zeroPoint;
  return q < 0 ? 0 : q > 255 ? 255 : q;
}

/** The 256 real values of a byte, float32: f32(scale · (q − zeroPoint)). */
export function dequantizedBytes({ scale, zeroPoint }: ByteParams): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: 256 }, (_, q) => Math.fround((q - zeroPoint) * scale));
}

/**
 * Any function of one quantized value as 256 bytes: table[q] = quantize(f(dequantize(q))).
 *
 * @param evaluate  f on the 256 float32 inputs at once; must return 256 values
 */
export function quantizedTable(
  from: ByteParams,
  to: ByteParams,
  evaluate: (reals: Float32Array<ArrayBuffer>) => ArrayLike<number>,
): Uint8Array {
  const reals = evaluate(dequantizedBytes(from));
  invariant(reals.length === 256, `a table needs 256 values, got ${reals.length}`);
  return Uint8Array.from(reals, (real) => quantizeByte(real, to));
}

/** The table of a change of scale. */
export function requantizedTable(from: ByteParams, to: ByteParams): Uint8Array {
  return quantizedTable(from, to, (reals) => reals);
}
