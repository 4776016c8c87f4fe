import { setFlagsFromString } from 'node:v8';
import { AppError } from '../base/index.ts';
import type { Executable } from './executable.ts';
import { Instance } from './instance.ts';
import type { Plan } from './plan/plan.ts';
import { setWide } from './probe.ts';
import { customSection } from '../wasm/index.ts';
import { arenaAddress, type SharedNetwork } from './shared.ts';
import type { Tier } from './tier.ts';

/** Compiles a plan's module as a tier asks; what V8 merges to 256 bits is decided here. */
export function compileModule(plan: Pick<Plan, 'moduleBytes'>, tier: Tier): WebAssembly.Module {
  // the optimizing compiler from the first call on: the baseline is several times slower, and never re-vectorizes
  setFlagsFromString('--no-liftoff');
  setFlagsFromString('--no-wasm-lazy-compilation');
  setWide(tier === 'wide' ? 'on' : 'off');
  try {
    return new WebAssembly.Module(markedWith(tier, plan.moduleBytes));
  } finally {
    // flags are of the whole process: other modules (Node's own TypeScript loader in new threads) start slowly without these
    setWide('off');
    setFlagsFromString('--liftoff');
    setFlagsFromString('--wasm-lazy-compilation');
  }
}

/**
 * A module with the tier's name in a custom section. V8 gives bytes that it has compiled before the code that it has: without
 * the mark, another tier would run the code that failed its test.
 */
function markedWith(tier: Tier, bytes: Uint8Array): Uint8Array {
  return Buffer.concat([bytes, customSection(`octet.${tier}`)]);
}

const PAGE_BYTES = 65_536;

/** One memory with the plan's image and one arena. */
export function instantiate(plan: Plan, tier: Tier): Instance {
  const { image, moduleBytes, ...wiring } = plan;
  const module = compileModule({ moduleBytes }, tier);
  const memory = new WebAssembly.Memory({ ...plan.pages, shared: true });
  new Uint8Array(memory.buffer).set(image);
  return new Instance({ wiring, module, memory, tier }, 0);
}

/**
 * An instance of a network that another thread loaded, on the same weights.
 *
 * @param arena number of the arena that it works in, one for each instance; 0 is the loading thread's
 * @throws AppError VERSION_UNAVAILABLE where the memory would exceed its limit
 */
export function attach(shared: SharedNetwork, arena: number): Executable {
  const { memory, wiring } = shared;
  const missing = arenaAddress(wiring, arena + 1) - memory.buffer.byteLength;
  try {
    if (missing > 0) memory.grow(missing / PAGE_BYTES);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new AppError(
      'VERSION_UNAVAILABLE',
      `The memory of '${wiring.graph.name}' cannot grow by ${missing} bytes for one more thread.`,
    );
  }
  return new Instance(shared, arena);
}
