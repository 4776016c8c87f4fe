import type { FunctionBuilder, Local } from '../../../wasm/index.ts';

/**
 * A fast algorithm F(m, 3) for m neighbouring results y of a filter g of 3 taps, in integers:
 *
 *   scale · y = Aᵀ [(G g) ⊙ (Bᵀ d)]        d: m + 2 inputs; m + 2 products instead of 3 m
 *
 * In two dimensions it is applied to columns, then to rows: (m + 2)² products give m² results, multiplied by scale². Fractions
 * of the usual G stand in Aᵀ and in the scale, so that all is exact: G g and Bᵀ d fit int16, and sums of products are right
 * modulo 2³², which is enough to divide by scale² where results are bounded (`reach`).
 *
 * Source: Winograd, Arithmetic Complexity of Computations, 1980; Lavin and Gray, Fast Algorithms for Convolutional Neural
 * Networks, 2015, arXiv:1509.09308.
 */
export interface WinogradForm {
  /** m. */
  readonly outputs: number;
  /** m + 2. */
  readonly points: number;
  /** scale² = odd · 2^shift; `inverse` is 1 / odd modulo 2³². */
  readonly shift: number;
  readonly inverse: number;
  /** Bᵀ d, of int16. */
  readonly input: Transform;
  /** G g, of int16. */
  readonly weights: Transform;
  /** Aᵀ x, of int32. */
  readonly output: Transform;
}

/** Emits one dimension: vectors in locals become vectors in new locals. */
export type Transform = (f: FunctionBuilder, vectors: readonly Local[]) => readonly Local[];

/**
 * F(4, 3) with the points 0, 1, −1, 2, −2, ∞; scale 24.
 *
 *        ┌ 4  0 −5  0  1  0 ┐       ┌  6  0  0 ┐
 *        │ 0  4  4 −1 −1  0 │       │  2  2  2 │        ┌ 1  2  2  1  1  0 ┐
 *   Bᵀ = │ 0 −4  4  1 −1  0 │   G = │  2 −2  2 │   Aᵀ = │ 0  2 −2  2 −2  0 │
 *        │ 0 −2 −1  2  1  0 │       │  1  2  4 │        │ 0  2  2  4  4  0 │
 *        │ 0  2 −1 −2  1  0 │       │  1 −2  4 │        └ 0  2 −2  8 −8  4 ┘
 *        └ 0  4  0 −5  0  1 ┘       └  0  0  6 ┘
 *
 * Bounds: inputs of a byte reach 255 · 68 = 17,340 (row 1 twice: 8² + 2²), weights of ±255 reach 255 · 7² = 12,495.
 */
export const fourByFour: WinogradForm = {
  outputs: 4,
  points: 6,
  shift: 6,
  inverse: 0x38e38e39,
  input: (f, [d0, d1, d2, d3, d4, d5]) => {
    const { add, sub, twice, times4 } = arithmetic(f, 'i16x8');
    const even = sub(times4(d2!), d4!);
    const odd = sub(times4(d1!), d3!);
    const outer = sub(d4!, d2!);
    const inner = sub(d3!, d1!);
    const slope = twice(inner);
    return [
      add(times4(sub(d0!, d2!)), outer),
      add(even, odd),
      sub(even, odd),
      add(outer, slope),
      sub(outer, slope),
      sub(sub(d5!, d3!), times4(inner)),
    ];
  },
  weights: (f, [g0, g1, g2]) => {
    const { add, sub, twice, times4 } = arithmetic(f, 'i16x8');
    const ends = add(g0!, g2!);
    const [plus, minus] = [add(ends, g1!), sub(ends, g1!)];
    const [steep, middle] = [add(g0!, times4(g2!)), twice(g1!)];
    const six = (g: Local): Local => add(twice(g), times4(g));
    return [six(g0!), twice(plus), twice(minus), add(steep, middle), sub(steep, middle), six(g2!)];
  },
  output: (f, [x0, x1, x2, x3, x4, x5]) => {
    const { add, sub, twice, times4 } = arithmetic(f, 'i32x4');
    const [ones, twos] = [add(x1!, x2!), add(x3!, x4!)];
    const [one, two] = [sub(x1!, x2!), sub(x3!, x4!)];
    const [onesTwice, oneTwice] = [twice(ones), twice(one)];
    return [
      add(add(x0!, twos), onesTwice),
      add(oneTwice, twice(two)),
      add(onesTwice, times4(twos)),
      add(oneTwice, times4(add(twice(two), x5!))),
    ];
  },
};

/**
 * F(2, 3) with the points 0, 1, −1, ∞; scale 2.
 *
 *        ┌ 1  0 −1  0 ┐       ┌ 2  0  0 ┐
 *   Bᵀ = │ 0  1  1  0 │   G = │ 1  1  1 │   Aᵀ = ┌ 1  1  1  0 ┐
 *        │ 0 −1  1  0 │       │ 1 −1  1 │        └ 0  1 −1  1 ┘
 *        └ 0 −1  0  1 ┘       └ 0  0  2 ┘
 *
 * Bounds: inputs of a byte reach 255 · 4, weights of ±255 reach 255 · 3².
 */
export const twoByTwo: WinogradForm = {
  outputs: 2,
  points: 4,
  shift: 2,
  inverse: 1,
  input: (f, [d0, d1, d2, d3]) => {
    const { add, sub } = arithmetic(f, 'i16x8');
    return [sub(d0!, d2!), add(d1!, d2!), sub(d2!, d1!), sub(d3!, d1!)];
  },
  weights: (f, [g0, g1, g2]) => {
    const { add, sub, twice } = arithmetic(f, 'i16x8');
    const ends = add(g0!, g2!);
    return [twice(g0!), add(ends, g1!), sub(ends, g1!), twice(g2!)];
  },
  output: (f, [x0, x1, x2, x3]) => {
    const { add, sub } = arithmetic(f, 'i32x4');
    return [add(x0!, add(x1!, x2!)), add(sub(x1!, x2!), x3!)];
  },
};

/** Results whose absolute value is below this come out of scale² · y modulo 2³²: 2^(31 − shift), as what is odd divides exactly. */
export const reachOf = ({ shift }: WinogradForm): number => 2 ** (31 - shift);

/** Emits sums, differences and multiples, each into a local of its own. */
function arithmetic(f: FunctionBuilder, lanes: 'i16x8' | 'i32x4') {
  const kept = (): Local => {
    const local = f.local('v');
    f.set(local);
    return local;
  };
  const add = (a: Local, b: Local): Local => {
    f.get(a).get(b).op(`${lanes}.add`);
    return kept();
  };
  return {
    add,
    sub: (a: Local, b: Local): Local => {
      f.get(a).get(b).op(`${lanes}.sub`);
      return kept();
    },
    twice: (a: Local): Local => add(a, a),
    times4: (a: Local): Local => {
      f.get(a).i32(2).op(`${lanes}.shl`);
      return kept();
    },
  };
}
