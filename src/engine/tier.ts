/**
 * How fast the engine may go; every tier gives the same bits.
 *   reference  plain TypeScript loops
 *   simd       WebAssembly SIMD, `i32x4.dot_i16x8_s`, exact everywhere
 *   relaxed    relaxed dot product, with the semantics probed at start-up
 *   wide       either of the two, re-vectorized to 256 bits by V8
 */
export const tiers = ['reference', 'simd', 'relaxed', 'wide'] as const;

export type Tier = (typeof tiers)[number];

/** What `i32x4.relaxed_dot_i8x16_i7x16_add_s` makes of a second operand above 127 on this machine. */
export type DotSemantics = 'unsigned' | 'signed' | 'saturating' | 'unavailable';

export interface TierReport {
  readonly tier: Tier;
  /** One sentence: why this tier and not a higher one. */
  readonly reason: string;
  readonly dotSemantics: DotSemantics;
  /** Self-test of each tier that the machine could run. */
  readonly selfTest: Readonly<Record<Tier, 'passed' | 'failed' | 'unavailable' | 'notRun'>>;
}
