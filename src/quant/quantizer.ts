import { AppError, type Random } from '../base/index.ts';

/** A closed interval of real numbers. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

/** What kind of integers a quantizer makes. */
export interface QuantizerSpec {
  /** 2 to 8. */
  readonly bits: number;
  readonly signed: boolean;
  /** Zero point 0. */
  readonly symmetric: boolean;
  /** Leaves out the lowest signed value, so that −w is representable for every w: [−127, 127]. */
  readonly narrowRange: boolean;
}

/** real = scale · (q − zeroPoint), q in qmin..qmax. */
export interface QuantParams {
  /** float32, > 0: the number that is stored. */
  readonly scale: number;
  readonly zeroPoint: number;
  readonly qmin: number;
  readonly qmax: number;
}

/** Weights of the default recipe (arXiv:1806.08342 eq. 10–11). */
export const symmetricInt8: QuantizerSpec = { bits: 8, signed: true, symmetric: true, narrowRange: true };
/** Activations of the default recipe (eq. 1–3). */
export const affineUint8: QuantizerSpec = { bits: 8, signed: false, symmetric: false, narrowRange: false };

/**
 * Scales below this are raised to it: the product of two scales and its inverse stay normal float32 numbers. Tensors
 * with such ranges are zero for all practical purposes.
 */
export const smallestScale = 2 ** -50;

/** Round half to even: f64 in, exact. */
export function nearestEven(value: number): number {
  const floor = Math.floor(value);
  const fraction = value - floor;
  if (fraction !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

export function limitsOf({ bits, signed, narrowRange }: QuantizerSpec): { qmin: number; qmax: number } {
  const half = 2 ** (bits - 1);
  return signed ? { qmin: narrowRange ? 1 - half : -half, qmax: half - 1 } : { qmin: 0, qmax: 2 * half - 1 };
}

/**
 * Scale and zero point that cover a range, in which 0 is exact (zero padding needs it); the range is widened to hold 0.
 *
 *   affine:     scale = f32((max − min) / (qmax − qmin)), zeroPoint = nearestEven(qmin − min / scale)
 *   symmetric:  scale = f32(max(|min|, |max|) / qmax), zeroPoint = 0
 *
 * A range of nothing but 0 gets scale 1: any scale is exact.
 *
 * @param what  names the tensor in the error
 * @throws CALIBRATION_RANGE for bounds that are not finite or in the wrong order
 */
export function quantParamsOf(range: Range, spec: QuantizerSpec, what: string): QuantParams {
  const { qmin, qmax } = limitsOf(spec);
  const low = Math.min(range.min, 0);
  const high = Math.max(range.max, 0);
  if (!Number.isFinite(high - low) || range.min > range.max)
    throw new AppError(
      'CALIBRATION_RANGE',
      `${what} has the range [${range.min}, ${range.max}]; it must be finite, with min ≤ max.`,
      { tensor: what, min: range.min, max: range.max },
    );
  const exact = spec.symmetric ? Math.max(-low, high) / qmax : (high - low) / (qmax - qmin);
  const scale = exact === 0 ? 1 : Math.max(Math.fround(exact), smallestScale);
  if (!Number.isFinite(scale))
    throw new AppError('CALIBRATION_RANGE', `${what} has a range too wide for float32: [${low}, ${high}].`, {
      tensor: what,
    });
  const zeroPoint = spec.symmetric ? 0 : Math.min(Math.max(nearestEven(qmin - low / scale), qmin), qmax);
  return { scale, zeroPoint, qmin, qmax };
}

/** q = clamp(nearestEven(f32(x / scale)) + zeroPoint, qmin, qmax). NaN becomes the zero point. */
export function quantize(x: number, { scale, zeroPoint, qmin, qmax }: QuantParams): number {
  const q = nearestEven(Math.fround(Math.fround(x) / scale)) + zeroPoint;
  if (Number.isNaN(q)) return zeroPoint;
  return q < qmin ? qmin : q > qmax ? qmax : q;
}

/** x = f32(scale · (q − zeroPoint)), exact for the grid. */
export function dequantize(q: number, { scale, zeroPoint }: QuantParams): number {
  return Math.fround((q - zeroPoint) * scale);
}

/** Quantize, then dequantize (eq. 12–13, with the subtraction that eq. 13 drops): the simulation of quantization. */
export function simulate(x: number, params: QuantParams): number {
  return dequantize(quantize(x, params), params);
}

/**
 * Stochastic quantizer (section 2.3): round(x / scale + ε) with ε uniform in (−½, ½) steps. In expectation it passes
 * x through, with saturation. Not used for inference.
 */
export function quantizeStochastically(x: number, params: QuantParams, random: Random): number {
  const { scale, zeroPoint, qmin, qmax } = params;
  const q = Math.floor(x / scale + random()) + zeroPoint;
  return Math.min(Math.max(q, qmin), qmax);
}

/** The real numbers that a quantizer can represent at its ends. */
export function representableRange(params: QuantParams): Range {
  return { min: dequantize(params.qmin, params), max: dequantize(params.qmax, params) };
}

/** Signal to quantization noise, 10·log10(Σx² / Σ(x − x̂)²) in dB (appendix A); Infinity where nothing is lost. */
export function sqnr(exact: ArrayLike<number>, approximate: ArrayLike<number>): number {
  let signal = 0;
  let noise = 0;
  for (let i = 0; i < exact.length; i++) {
    const x = exact[i]!;
    const difference = x - approximate[i]!;
    signal += x * x;
    noise += difference * difference;
  }
  return noise === 0 ? Infinity : 10 * Math.log10(signal / noise);
}
