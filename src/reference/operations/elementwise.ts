import type { BinaryOperation, Clamp, QuantizedValue } from '../../graph/index.ts';
import { broadcastIndices } from '../broadcast.ts';
import { nearestEven } from '../requantize.ts';

const saturate = (q: number, { qmin, qmax }: Clamp): number => (q < qmin ? qmin : q > qmax ? qmax : q);

/** Rounded; NaN, which only scales whose ratio overflows give, counts as 0. */
const integer = (x: number): number => nearestEven(x) || 0;

/**
 * One byte of a binary operation. With da = f32(a − zeroPointA) and db likewise (both exact), every step rounded to float32:
 *
 *   add, sub: nearestEven(f32(f32(da · ka) ± f32(db · kb))) + zeroPointY, ka = f32(scaleA / scaleY), kb = f32(scaleB / scaleY)
 *   mul:      nearestEven(f32(f32(da · db) · k)) + zeroPointY,            k = f32(f32(scaleA · scaleB) / scaleY)
 */
export function binaryByte(
  kind: BinaryOperation['kind'],
  a: QuantizedValue,
  b: QuantizedValue,
  y: QuantizedValue,
): (qa: number, qb: number) => number {
  if (kind === 'mul') {
    const k = Math.fround(Math.fround(a.scale * b.scale) / y.scale);
    return (qa, qb) => integer(Math.fround((qa - a.zeroPoint) * (qb - b.zeroPoint) * k)) + y.zeroPoint;
  }
  const ka = Math.fround(a.scale / y.scale);
  const kb = Math.fround(b.scale / y.scale) * (kind === 'sub' ? -1 : 1);
  return (qa, qb) =>
    integer(Math.fround(Math.fround((qa - a.zeroPoint) * ka) + Math.fround((qb - b.zeroPoint) * kb))) + y.zeroPoint;
}

/** Elementwise with NumPy broadcasting over whole tensors of one sample. */
export function binaryInt8(
  operation: BinaryOperation,
  bytes: readonly [Uint8Array, Uint8Array],
  values: readonly [QuantizedValue, QuantizedValue, QuantizedValue],
): Uint8Array {
  const [a, b, y] = values;
  const compute = binaryByte(operation.kind, a, b, y);
  const left = broadcastIndices(a.shape, y.shape);
  const right = broadcastIndices(b.shape, y.shape);
  const result = new Uint8Array(left.length);
  for (let i = 0; i < result.length; i++)
    result[i] = saturate(compute(bytes[0][left[i]!]!, bytes[1][right[i]!]!), operation.clamp);
  return result;
}

const wholeByte: Clamp = { qmin: 0, qmax: 255 };

/** q = saturate(nearestEven(f32(x / scale)) + zeroPoint); NaN becomes the zero point. */
export function quantizeInt8(x: Float32Array, { scale, zeroPoint }: QuantizedValue): Uint8Array {
  const result = new Uint8Array(x.length);
  for (let i = 0; i < result.length; i++) {
    const q = nearestEven(Math.fround(x[i]! / scale)) + zeroPoint;
    result[i] = Number.isNaN(q) ? zeroPoint : saturate(q, wholeByte);
  }
  return result;
}

/** r = f32(f32(q − zeroPoint) · scale). */
export function dequantizeInt8(x: Uint8Array, { scale, zeroPoint }: QuantizedValue): Float32Array<ArrayBuffer> {
  const result = new Float32Array(x.length);
  for (let i = 0; i < result.length; i++) result[i] = (x[i]! - zeroPoint) * scale;
  return result;
}
