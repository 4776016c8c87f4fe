import { ModuleBuilder, type Local } from '../wasm/index.ts';
import { pairs } from './dot.ts';
import { compileModule } from './instantiate.ts';

const PAGES = { initial: 1, maximum: 1 };

/** Bytes of splats that one run reads: about 10 µs, so that an undisturbed run is among few. */
const READ_BYTES = 8192;
const RUNS = 40;

/** Sums of 16 channels of two rows: what V8 merges, if anything. */
const SUMS = 8;
const WEIGHTS = 4;

/**
 * How many times faster the matrix kernel's arithmetic runs when V8 is asked to merge it to 256 bits: about 2 where it does, 1
 * where it merges nothing (no AVX2, or a V8 without the flag). The best of many short runs of each, which take turns.
 */
export function wideSpeedup(): number {
  const bytes = sumsModule();
  const memory = new WebAssembly.Memory({ ...PAGES, shared: true });
  const runs = (['simd', 'wide'] as const).map((tier) => {
    const { exports } = new WebAssembly.Instance(compileModule({ moduleBytes: bytes }, tier), { env: { memory } });
    return exports['sums'] as () => void;
  });
  const best = [Infinity, Infinity];
  for (let turn = 0; turn < RUNS; turn++)
    runs.forEach((run, index) => {
      const start = performance.now();
      run();
      best[index] = Math.min(best[index]!, performance.now() - start);
    });
  return best[0]! / best[1]!;
}

function sumsModule(): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder(PAGES);
  const sums = module.function([], [], (f) => {
    const [at, zero, splat] = [f.local('i'), f.local('i'), f.local('v')];
    const accs = f.locals('v', SUMS);
    const weights = f.locals('v', WEIGHTS);
    const emitDot = pairs.prepare(f);
    const each = (locals: readonly Local[], emit: (local: Local, offset: number) => void): void =>
      locals.forEach((local, index) => emit(local, READ_BYTES * 2 + index * 16));
    each(weights, (weight, offset) => f.get(zero).op('v128.load', { offset }).set(weight));
    f.repeat(at, { start: 0, end: READ_BYTES, step: 4 }, () => {
      accs.forEach((acc, index) => {
        const row = Math.floor(index / WEIGHTS) * READ_BYTES;
        if (index % WEIGHTS === 0) f.get(at).op('v128.load32_splat', { offset: row }).set(splat);
        emitDot({ acc, activations: splat, weights: weights[index % WEIGHTS]! });
      });
    });
    each(accs, (acc, offset) => f.get(zero).get(acc).op('v128.store', { offset }));
  });
  module.export('sums', sums);
  return module.bytes();
}
