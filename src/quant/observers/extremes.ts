/** Smallest and largest of 0 and an array's elements; `finite` is false where a NaN or an infinity is among them. */
export interface Extremes {
  readonly min: number;
  readonly max: number;
  readonly finite: boolean;
}

const word = new Int32Array(1);
const real = new Float32Array(word.buffer);
const signBit = -0x8000_0000;
const infinityBits = 0x7f80_0000;

function realOf(bits: number): number {
  word[0] = bits;
  return real[0]!;
}

/**
 * Works on the bits: float32 above 0 order like int32, below 0 like the reverse of their magnitudes, and what is not
 * finite has the largest magnitudes. So two integer maxima, without a look at NaN, tell everything.
 */
export function extremesOf(values: Float32Array): Extremes {
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  let largest = 0;
  let lowest = 0;
  for (let i = 0; i < bits.length; i++) {
    const b = bits[i]!;
    const flipped = b ^ signBit;
    largest = largest > b ? largest : b;
    lowest = lowest > flipped ? lowest : flipped;
  }
  const finite = largest < infinityBits && lowest < infinityBits;
  return { min: lowest === 0 ? 0 : realOf(lowest ^ signBit), max: realOf(largest), finite };
}
