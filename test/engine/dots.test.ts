import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/base/index.ts';
import {
  dotOfTier,
  emulatedDot,
  neverSaturates,
  pairs,
  relaxedDot,
  saturatingDot,
  type RelaxedDot,
} from '../../src/engine/dot.ts';
import { tierReport } from '../../src/engine/index.ts';
import { probeDotSemantics } from '../../src/engine/probe.ts';
import { ModuleBuilder, type Local } from '../../src/wasm/index.ts';
import { bytes, seeds } from '../suites/problem.ts';
import { describeAbsent, describeSuites } from './support/describeSuites.ts';
import { emulated, relaxed } from './support/runners.ts';

const { dotSemantics } = tierReport();

describeSuites('relaxed dot that reads u8, emulated', emulated.unsigned);
describeSuites('relaxed dot that reads s8, emulated', emulated.signed);
describeSuites('relaxed dot that saturates, emulated', emulated.saturating);

if (relaxed) describeSuites('relaxed tier', relaxed);
else describeAbsent('relaxed tier', `the relaxed dot is ${dotSemantics}`);

/** One relaxed dot of 16 weights, 16 activations and four sums. */
function sumOf(dot: RelaxedDot): (weights: Int8Array, activations: Uint8Array, acc: Int32Array) => Int32Array {
  const pages = { initial: 1, maximum: 1 };
  const module = new ModuleBuilder(pages);
  const entry = module.function(['i'], [], (f) => {
    const at = f.parameter(0);
    const [weights, activations, acc] = f.locals('v', 3) as [Local, Local, Local];
    [weights, activations, acc].forEach((local, index) =>
      f
        .get(at)
        .op('v128.load', { offset: index * 16 })
        .set(local),
    );
    dot(f, { acc, activations, weights });
    f.get(at).get(acc).op('v128.store', { offset: 32 });
  });
  module.export('sum', entry);
  const memory = new WebAssembly.Memory({ ...pages, shared: true });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.bytes()), { env: { memory } });
  return (weights, activations, acc) => {
    new Int8Array(memory.buffer).set(weights);
    new Uint8Array(memory.buffer).set(activations, 16);
    new Int32Array(memory.buffer).set(acc, 8);
    (exports['sum'] as (at: number) => void)(0);
    return new Int32Array(memory.buffer).slice(8, 12);
  };
}

const clampWord = (x: number): number => Math.max(-32768, Math.min(32767, x));

/** The semantics, lane by lane, from the products of four bytes. */
const definitions: Readonly<Record<'unsigned' | 'signed' | 'saturating', (products: readonly number[]) => number>> = {
  unsigned: (products) => products.reduce((sum, product) => sum + product, 0),
  signed: (products) => products.reduce((sum, product) => sum + product, 0),
  saturating: ([a = 0, b = 0, c = 0, d = 0]) => clampWord(a + b) + clampWord(c + d),
};

const emulations = { unsigned: emulatedDot('unsigned'), signed: emulatedDot('signed'), saturating: saturatingDot };

const operands = seeds.map((seed) => {
  const random = seededRandom(seed);
  const extreme = random() < 0.3;
  const byte = (): number =>
    extreme ? (random() < 0.5 ? 0x7f : random() < 0.5 ? 0x80 : 0xff) : Math.floor(random() * 256);
  return {
    weights: Int8Array.from({ length: 16 }, byte),
    activations: Uint8Array.from({ length: 16 }, byte),
    acc: Int32Array.from({ length: 4 }, () => Math.floor((random() - 0.5) * 2 ** 32)),
  };
});

describe.each(['unsigned', 'signed', 'saturating'] as const)('%s relaxed dot', (semantics) => {
  const sum = sumOf(emulations[semantics]);

  it('is emulated as it is defined', () => {
    fc.assert(
      fc.property(operands, ({ weights, activations, acc }) => {
        const seen = semantics === 'signed' ? new Int8Array(activations.buffer) : activations;
        const expected = acc.map((start, lane) => {
          const products = [0, 1, 2, 3].map((i) => weights[lane * 4 + i]! * seen[lane * 4 + i]!);
          return start + definitions[semantics](products);
        });
        expect(sum(weights, activations, acc)).toEqual(expected);
      }),
    );
  });

  it('is recognized by the probe', () => {
    expect(probeDotSemantics(emulations[semantics])).toBe(semantics);
  });

  it.skipIf(dotSemantics !== semantics)('is what the instruction does on this machine', () => {
    const real = sumOf(relaxedDot);
    fc.assert(
      fc.property(operands, ({ weights, activations, acc }) => {
        expect(real(weights, activations, acc)).toEqual(sum(weights, activations, acc));
      }),
    );
  });
});

describe('arithmetic of a tier', () => {
  it('is the relaxed dot only where that is exact', () => {
    expect(dotOfTier('simd', 'unsigned')).toBe(pairs);
    expect(dotOfTier('wide', 'unsigned').name).toBe('unsigned');
    expect(dotOfTier('relaxed', 'signed').name).toBe('signed');
    expect(dotOfTier('wide', 'saturating')).toMatchObject({ name: 'pairs', forSmallWeights: { name: 'bytePairs' } });
    expect(dotOfTier('wide', 'unavailable')).toBe(pairs);
  });

  it('is exact with the real instruction for activations of seven bits', () => {
    const real = sumOf(relaxedDot);
    fc.assert(
      fc.property(operands, fc.array(bytes, { minLength: 16, maxLength: 16 }), ({ weights, acc }, levels) => {
        const activations = Uint8Array.from(levels, (level) => level & 63);
        expect(real(weights, activations, acc)).toEqual(sumOf(emulations.unsigned)(weights, activations, acc));
      }),
      { numRuns: 30 },
    );
  });
});

describe('pairs of bytes', () => {
  const weights = fc.oneof(
    fc.constantFrom(-128, -127, -65, -64, -63, 0, 1, 63, 64, 65, 126, 127),
    bytes.map((b) => b - 128),
  );
  const inReach = (sum: number): boolean => sum >= -32768 && sum <= 32767;

  it('are used exactly where no bytes make their sums leave int16', () => {
    fc.assert(
      fc.property(weights, weights, (a, b) => {
        const sums = [0, 255].flatMap((x) => [0, 255].map((y) => a * x + b * y));
        expect(neverSaturates(Int8Array.of(a, b))).toBe(sums.every(inReach));
      }),
    );
  });

  it('are not used where two neighbours of many are too large', () => {
    expect(neverSaturates(Int8Array.of(64, 64, -64, -64, 127, -127, 127, 1, -128, 0))).toBe(true);
    expect(neverSaturates(Int8Array.of(64, 64, -64, -64, 127, 2))).toBe(false);
    expect(neverSaturates(Int8Array.of(-64, -65))).toBe(false);
  });
});
