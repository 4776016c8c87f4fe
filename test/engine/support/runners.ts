import {
  dotOfTier,
  emulatedDot,
  pairs,
  relaxedPairs,
  saturatingWords,
  signedDot,
  unsignedDot,
  type DotStrategy,
} from '../../../src/engine/dot.ts';
import { tierReport } from '../../../src/engine/index.ts';
import { compileModule } from '../../../src/engine/instantiate.ts';
import type { Runner } from './compare.ts';

export function runnerOf(tier: Runner['tier'], dot: DotStrategy): Runner {
  return { tier, dot, compile: (plan) => compileModule(plan, tier) };
}

const { dotSemantics, selfTest } = tierReport();

export const simd = runnerOf('simd', pairs);

/** Undefined where the relaxed dot is not exact. */
export const relaxed =
  dotSemantics === 'unsigned' || dotSemantics === 'signed'
    ? runnerOf('relaxed', dotOfTier('relaxed', dotSemantics))
    : undefined;

/** Undefined where V8's 256-bit code does not pass the self-test. */
export const wide = selfTest.wide === 'passed' ? runnerOf('wide', dotOfTier('wide', dotSemantics)) : undefined;

/** Machines that have the relaxed dot, emulated. */
export const emulated = {
  unsigned: runnerOf('simd', unsignedDot(emulatedDot('unsigned'))),
  signed: runnerOf('simd', signedDot(emulatedDot('signed'))),
  saturating: runnerOf('simd', relaxedPairs(saturatingWords)),
} as const;

/** Everything that can run here, by name. */
export const runners: readonly (readonly [string, Runner])[] = [
  ['simd', simd],
  ...(relaxed ? [['relaxed', relaxed] as const] : []),
  ...(wide ? [['wide', wide] as const] : []),
  ['unsigned, emulated', emulated.unsigned],
  ['signed, emulated', emulated.signed],
  ['saturating, emulated', emulated.saturating],
];
