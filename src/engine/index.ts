export { compile, zeroFeeds } from './compile.ts';
export type { CompileOptions } from './compile.ts';
export type { Executable, Membership, NodeTiming, RunOptions } from './executable.ts';
export { Gate } from './gate.ts';
export { attach } from './instantiate.ts';
export type { SharedNetwork } from './shared.ts';
export { tierReport } from './selfTest.ts';
export { tiers } from './tier.ts';
export type { DotSemantics, Tier, TierReport } from './tier.ts';
