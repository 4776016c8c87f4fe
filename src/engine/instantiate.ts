import { setFlagsFromString } from 'node:v8';
import { Instance } from './instance.ts';
import type { Plan } from './plan/plan.ts';
import { setWide } from './probe.ts';
import type { Tier } from './tier.ts';

/** Compiles a plan's module as a tier asks; what V8 merges to 256 bits is decided here. */
export function compileModule(plan: Plan, tier: Tier): WebAssembly.Module {
  // the optimizing compiler from the first call on: the baseline is several times slower, and never re-vectorizes
  setFlagsFromString('--no-liftoff');
  setFlagsFromString('--no-wasm-lazy-compilation');
  setWide(tier === 'wide' ? 'on' : 'off');
  const module = new WebAssembly.Module(plan.moduleBytes);
  setWide('off');
  return module;
}

/** One memory with the plan's image and one arena. */
export function instantiate(plan: Plan, tier: Tier): Instance {
  const module = compileModule(plan, tier);
  const memory = new WebAssembly.Memory({ ...plan.pages, shared: true });
  new Uint8Array(memory.buffer).set(plan.image);
  return new Instance(plan, module, memory, plan.arenaStart, tier);
}
