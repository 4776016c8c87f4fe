import fc from 'fast-check';
import { gaussian, type Random } from '../../src/base/index.ts';
import type { QuantizedWeights } from '../../src/graph/index.ts';
import { integerOf } from './problem.ts';

/**
 * How large multipliers are:
 *   usual   results spread over the bytes
 *   ties    powers of two: many sums end in exactly one half
 *   tiny    everything rounds to the zero point; denormal numbers too
 *   huge    everything saturates, beyond what float32 counts in integers
 *   bound   the largest for which the sum, scaled, is known to stay within ±2²²
 *   mixed   one of the above for each channel
 */
const regimes = ['usual', 'ties', 'tiny', 'huge', 'bound', 'mixed'] as const;
type Regime = (typeof regimes)[number];

export interface WeightKind {
  readonly regime: Regime;
  readonly asymmetric: boolean;
  /** Seven: sums of two products with any bytes fit int16. Mostly seven: one weight of 500 has eight. Normal: as trained ones. */
  readonly bits?: 7 | 8 | 'mostly 7' | 'normal';
  /** Bias as large as int32 sums allow, or of the size of the sums. */
  readonly bias: 'moderate' | 'edge';
}

/** Standard deviation of normal weights: the largest of a few hundred is 127. */
const NORMAL = 38;

export const weightKinds: fc.Arbitrary<WeightKind> = fc.record({
  regime: fc.constantFrom(...regimes),
  asymmetric: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  bits: fc.constantFrom<NonNullable<WeightKind['bits']>>(8, 8, 7, 'mostly 7', 'normal'),
  bias: fc.constantFrom('moderate', 'moderate', 'edge'),
});

/** Random weights [channels, …]; `channels` is the number of biases, `taps` the weights that meet in one sum. */
export function randomWeights(
  shape: readonly number[],
  channels: number,
  kind: WeightKind,
  input: { readonly zeroPoint: number; readonly random: Random },
): QuantizedWeights {
  const { random, zeroPoint } = input;
  const count = shape.reduce((product, size) => product * size, 1);
  const taps = count / channels;
  const each = <T>(make: () => T): T[] => Array.from({ length: channels }, make);
  const zeroPoints = Int32Array.from(each(() => (kind.asymmetric ? notZero(integerOf(random, -128, 126)) : 0)));
  const most = taps * 255 * 255;
  const reach = kind.bias === 'edge' ? 2 ** 31 - 1 - most : 20_000;
  const bias = Int32Array.from(each(() => (kind.bias === 'edge' && random() < 0.5 ? 1 : random() * 2 - 1) * reach));
  const multipliers = Float32Array.from({ length: channels }, (_, channel) => {
    const largest = Math.max(zeroPoint, 255 - zeroPoint) * (Math.abs(zeroPoints[channel]!) + 128) * taps;
    return multiplierOf(kind.regime, largest + Math.abs(bias[channel]!), taps, random);
  });
  const whole = [kind.asymmetric ? -128 : -127, 127] as const;
  const [least, greatest] = kind.bits === 7 || kind.bits === 'mostly 7' ? [-64, 64] : whole;
  const edges = kind.bits === 7 && random() < 0.2;
  const weight = (): number => {
    if (kind.bits === 'normal') return Math.max(-127, Math.min(127, Math.round(gaussian(random) * NORMAL)));
    if (edges) return random() < 0.5 ? least : greatest;
    return kind.bits === 'mostly 7' && random() < 0.002
      ? integerOf(random, ...whole)
      : integerOf(random, least, greatest);
  };
  return {
    data: Int8Array.from({ length: count }, weight),
    shape,
    zeroPoints,
    scales: new Float32Array(channels).fill(1),
    bias,
    multipliers,
  };
}

const notZero = (value: number): number => (value < 0 ? value : value + 1);

function multiplierOf(regime: Regime, largest: number, taps: number, random: Random): number {
  const usual = (255 / (8_000 * Math.sqrt(taps))) * (0.25 + random());
  switch (regime) {
    case 'usual':
      return usual;
    case 'ties':
      return 2 ** Math.round(Math.log2(usual));
    case 'tiny':
      return random() < 0.5 ? random() * 2 ** -30 : 1e-41 * (1 + random());
    case 'huge':
      return 2 ** integerOf(random, 4, 60) * (1 + random());
    case 'bound':
      return floorFloat32(2 ** 22 / largest);
    case 'mixed':
      return multiplierOf(regimes[integerOf(random, 0, 4)]!, largest, taps, random);
  }
}

/** The largest float32 that is not above x. */
function floorFloat32(x: number): number {
  const near = Math.fround(x);
  if (near <= x) return near;
  const bits = new Int32Array(Float32Array.of(near).buffer);
  bits[0] = bits[0]! - 1;
  return new Float32Array(bits.buffer)[0]!;
}
