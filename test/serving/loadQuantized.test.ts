import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../src/base/index.ts';
import { pairs, type DotStrategy } from '../../src/engine/dot.ts';
import { compile, tierReport, tiers } from '../../src/engine/index.ts';
import { loadQuantized } from '../../src/serving/loadQuantized.ts';
import { preflight } from '../../src/serving/preflightModel.ts';
import { qdqNetwork } from '../support/qdqNetwork.ts';

const file = qdqNetwork({ channels: 5, size: 7 });

function goldenOf(bytes: Uint8Array): string | undefined {
  try {
    return preflight(bytes, new Map()).golden;
  } catch (error) {
    if (error instanceof AppError) return undefined;
    throw error;
  }
}

describe('loadQuantized', () => {
  it('runs on the fastest tier of this machine', async () => {
    const { executable, mismatchedTiers } = await loadQuantized(file, { tier: undefined, golden: goldenOf(file) });
    expect(executable.tier).toBe(tierReport().tier);
    expect(mismatchedTiers).toEqual([]);
  });

  it('gives the bits of the reference for any damaged file that still passes the check', async () => {
    let loaded = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: file.length * 8 - 1 }), { minLength: 1, maxLength: 2 }), async (bits) => {
        const damaged = new Uint8Array(file);
        for (const bit of bits) damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const golden = goldenOf(damaged);
        if (golden === undefined) return;
        const { executable, mismatchedTiers } = await loadQuantized(damaged, { tier: undefined, golden });
        executable.close();
        expect(mismatchedTiers).toEqual([]);
        loaded++;
      }),
      { numRuns: 120 },
    );
    expect(loaded).toBeGreaterThan(10);
  });

  it('leaves out a tier that errs for the next slower one', async () => {
    const { tier } = tierReport();
    const wrong: DotStrategy = { ...pairs, prepare: () => () => undefined };
    const compileFor: typeof compile = (graph, options) =>
      compile(graph, tierReport(options?.tier).tier === tier ? { tier, dot: wrong } : options);
    const { executable, mismatchedTiers } = await loadQuantized(file, {
      tier: undefined,
      golden: goldenOf(file),
      compile: compileFor,
    });
    expect(mismatchedTiers).toEqual([tier]);
    expect(tiers.indexOf(executable.tier)).toBeLessThan(tiers.indexOf(tier));
    expect(executable.tier).toBe(tierReport(tiers[tiers.indexOf(tier) - 1]).tier);
  });

  it('refuses a golden hash that no tier gives, and says which were tried', async () => {
    const tried = tiers.filter((tier) => tierReport(tier).tier === tier).reverse();
    await expect(loadQuantized(file, { tier: undefined, golden: 'e'.repeat(64) })).rejects.toMatchObject({
      code: 'VERSION_UNAVAILABLE',
      params: { mismatchedTiers: tried },
    });
  });

  it('starts with the tier that is asked for', async () => {
    const { executable } = await loadQuantized(file, { tier: 'simd', golden: goldenOf(file) });
    expect(executable.tier).toBe('simd');
  });
});
