import type { Wiring } from './plan/plan.ts';
import type { Tier } from './tier.ts';

/**
 * A loaded network as other threads of the process can run it too: post it to one, and `attach` there. The module is
 * compiled once and the weights lie in the memory once; each instance adds one arena.
 */
export interface SharedNetwork {
  readonly wiring: Wiring;
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly tier: Tier;
}

/** Address of the arena with that number. */
export function arenaAddress(wiring: Wiring, arena: number): number {
  return wiring.arenaStart + arena * wiring.arenaBytes;
}
