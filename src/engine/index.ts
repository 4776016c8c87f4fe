export { tiers } from './tier.ts';
export type { DotSemantics, Tier, TierReport } from './tier.ts';
export type { Executable, NodeTiming } from './executable.ts';
