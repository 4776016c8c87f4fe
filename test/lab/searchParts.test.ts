import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Dataset } from '../../src/data/index.ts';
import type { Comparison } from '../../src/lab/evaluate.ts';
import { planSamples } from '../../src/lab/samples.ts';
import { comparePredictions } from '../../src/lab/paired.ts';
import { ClassTally } from '../../src/lab/classification.ts';
import { concludeSearch, withoutSearch } from '../../src/lab/search/index.ts';
import { klDivergence } from '../../src/lab/search/divergence.ts';
import { fewest, giveBack } from '../../src/lab/search/floatLayers.ts';
import type { Figures } from '../../src/lab/search/figures.ts';
import { chooseBest, paretoFront, withinBudget, type Ranked } from '../../src/lab/search/ranking.ts';
import { combine, variantsOf } from '../../src/lab/search/variants.ts';
import { recipeSchema } from '../../src/quant/index.ts';
import { float } from '../support/networks.ts';

/** Figures of a classifier on 100 labelled samples. */
function figures({ losses = 0, gains = 0, outputKl = 0.01 }): Figures {
  const tallies = [new ClassTally(), new ClassTally()] as const;
  for (let i = 0; i < 100; i++) {
    const answers = [i < gains ? [0, 1] : [1, 0], i >= 100 - losses ? [0, 1] : [1, 0]];
    for (const [at, tally] of tallies.entries()) tally.add(float([1, 2], answers[at] ?? []), 2, [0]);
  }
  const top1 = (100 - losses) / 100;
  return { samples: 100, paired: comparePredictions(...tallies), top1, outputKl, sqnrDb: 20, finite: true };
}

const ranked = (p50Ms: number, parts: Parameters<typeof figures>[0] = {}): Ranked => ({
  figures: figures(parts),
  p50Ms,
  int8Bytes: 1_000,
});

describe('the choice among candidates', () => {
  it.each([
    ['the fastest within the budget', [ranked(2), ranked(1, { losses: 1 }), ranked(0.5, { losses: 9 })], 1],
    ['of the equally fast the nearest to fp32', [ranked(1.02), ranked(1, { outputKl: 0.005 })], 1],
    ['the given recipe where no other is clearly nearer', [ranked(1.02), ranked(1, { outputKl: 0.0098 })], 0],
    ['the most accurate where none is within it', [ranked(1, { losses: 9 }), ranked(3, { losses: 5 })], 1],
    ['the earlier one of equals', [ranked(1, { losses: 5 }), ranked(1, { losses: 5 })], 0],
  ])('%s', (_, candidates, expected) => {
    expect(chooseBest(candidates, 2)).toBe(expected);
  });

  it('is within the budget', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            losses: fc.nat(20),
            outputKl: fc.double({ min: 0, max: 1, noNaN: true }),
            ms: fc.integer({ min: 1, max: 50 }),
          }),
          { minLength: 1 },
        ),
        fc.nat(20),
        (all, budget) => {
          const candidates = all.map(({ ms, ...parts }) => ranked(ms, parts));
          const best = candidates[chooseBest(candidates, budget)]!;
          const anyWithin = candidates.some((one) => withinBudget(one.figures, budget));
          expect(withinBudget(best.figures, budget)).toBe(anyWithin);
          const front = paretoFront(candidates);
          expect(front).toContain(true);
          for (const [i, one] of candidates.entries())
            if (candidates.some((other) => other.p50Ms < one.p50Ms && other.figures.top1! > one.figures.top1!))
              expect(front[i]).toBe(false);
        },
      ),
    );
  });

  it('is by signal to noise where there are no classes', () => {
    const plain = { paired: undefined, top1: undefined, outputKl: undefined };
    const of = (sqnrDb: number, finite = true): Figures => ({ ...figures({}), ...plain, sqnrDb, finite });
    expect(withinBudget(of(25), 2)).toBe(true);
    expect(withinBudget(of(15), 2)).toBe(false);
    expect(withinBudget(of(25, false), 2)).toBe(false);
    const at = (sqnrDb: number): Ranked => ({ figures: of(sqnrDb), p50Ms: 1, int8Bytes: 1 });
    expect(chooseBest([at(21), at(30)], 2)).toBe(1);
  });
});

describe('the layers that stay float', () => {
  it('are the fewest that hold', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 120 }), async (most, needed) => {
        let asked = 0;
        const found = await fewest(most, async (count) => {
          expect(count).toBeLessThanOrEqual(most);
          asked++;
          return count >= needed;
        });
        expect(found).toBe(needed <= most ? needed : undefined);
        expect(asked).toBeLessThanOrEqual(2 * Math.ceil(Math.log2(most + 1)) + 2);
      }),
    );
    expect(await fewest(0, async () => true)).toBeUndefined();
  });

  it('are given back where the budget does without', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.nat(30), { minLength: 1 }),
        fc.infiniteStream(fc.boolean()),
        async (ids, coin) => {
          const items = ids.map(String);
          const needed = items.filter(() => coin.next().value);
          const left = await giveBack(items, async (fewer) => needed.every((item) => fewer.includes(item)));
          expect(left).toEqual(needed.length === 0 ? [items[0]] : needed);
        },
      ),
    );
  });
});

describe('divergence', () => {
  // Multiples of 3, whose sums are never 1: no row is taken for a distribution.
  const scores = fc.array(
    fc.integer({ min: -7, max: 7 }).map((score) => 3 * score),
    { minLength: 6, maxLength: 6 },
  );

  it('is 0 between equals, positive between others, and indifferent to the same shift of all logits', () => {
    fc.assert(
      fc.property(scores, scores, fc.integer({ min: -5, max: 5 }), (a, b, shift) => {
        const [p, q] = [float([2, 3], a), float([2, 3], b)];
        expect(klDivergence(p, p, 3)).toBeCloseTo(0, 9);
        expect(klDivergence(p, q, 3)).toBeGreaterThanOrEqual(0);
        const shifted = float(
          [2, 3],
          a.map((score) => score + shift),
        );
        expect(klDivergence(p, shifted, 3)).toBeCloseTo(0, 4);
      }),
    );
  });

  it('takes distributions as they are', () => {
    const [p, q] = [float([1, 2], [0.5, 0.5]), float([1, 2], [0.25, 0.75])];
    expect(klDivergence(p, q, 2)).toBeCloseTo(0.5 * Math.log(2) + 0.5 * Math.log(2 / 3), 6);
    expect(klDivergence(p, float([1, 2], [0, 1]), 2)).toBeLessThan(20);
  });
});

/** A set whose samples have these contents. */
function dataset(contents: readonly string[]): Dataset {
  return {
    kind: 'tensors',
    samples: contents.map((contentHash, i) => ({ name: String(i), contentHash })),
    classNames: undefined,
    read: () => Promise.reject(new Error('not read')),
    close: () => Promise.resolve(),
  } as unknown as Dataset;
}

describe('samples', () => {
  const contents = fc.array(fc.integer({ min: 0, max: 40 }).map(String), { minLength: 2, maxLength: 60 });
  const recipe = recipeSchema.parse({ search: {} });

  it('of calibration, choice and proof never share a content', () => {
    fc.assert(
      fc.property(contents, fc.option(contents, { nil: undefined }), fc.integer({ min: 1, max: 20 }), (a, b, most) => {
        const sets = { calibration: dataset(a), evaluation: b && dataset(b) };
        const plan = planSamples(sets, recipe, most);
        const used = [plan.calibration, plan.selection, plan.evaluation].map(
          (part) => new Set(part?.indices.map((index) => part.dataset.samples[index]?.contentHash)),
        );
        const total = used.reduce((sum, { size }) => sum + size, 0);
        expect(new Set(used.flatMap((set) => [...set])).size).toBe(total);
        expect(plan.selection?.indices.length ?? 0).toBeLessThanOrEqual(most);
        // A search leaves calibration as it is, or its recipe would not give the same bytes again.
        expect(planSamples(sets, withoutSearch(recipe)).calibration?.indices).toEqual(plan.calibration?.indices);
        if (plan.selection !== undefined) expect(plan.evaluation?.indices.length).toBeGreaterThan(0);
      }),
    );
  });
});

describe('variants', () => {
  const everything = { calibrationSamples: true, statistics: true, uncapped: true };

  it('change one thing each, and give recipes', () => {
    const recipe = recipeSchema.parse({});
    const variants = variantsOf(recipe, everything);
    for (const variant of variants) {
      const changed = variant.apply(recipe);
      expect(recipeSchema.parse(changed)).toEqual(changed);
      expect(changed).not.toEqual(recipe);
    }
    expect(new Set(variants.map(({ title }) => title)).size).toBe(variants.length);
    const first = (kind: string) => variants.filter(({ dimension }) => dimension === kind).slice(0, 1);
    const both = combine(recipe, [...first('weights'), ...first('equalization')]);
    expect(both.title).toContain(' + ');
    expect(both.recipe).toMatchObject({ equalization: true, weights: { calibrator: 'mse' } });
  });

  it('keep what a runtime asks for: symmetric activations have symmetric weights', () => {
    const recipe = recipeSchema.parse({ activations: { symmetric: true } });
    for (const variant of variantsOf(recipe, everything)) {
      const { weights, activations } = variant.apply(recipe);
      expect(weights).toMatchObject({ symmetric: true });
      expect(activations).toMatchObject({ symmetric: true });
    }
  });

  it('need what they are made of', () => {
    const recipe = recipeSchema.parse({ biasCorrection: 'none' });
    const titles = variantsOf(recipe, { calibrationSamples: false, statistics: false, uncapped: false }).map(
      ({ title }) => title,
    );
    expect(titles).toEqual(['weight calibrator mse', 'asymmetric weights', '7-bit weights']);
  });
});

describe('the conclusion', () => {
  const comparison = (parts: Parameters<typeof figures>[0]): Comparison =>
    ({
      candidate: { samples: 100, top1: { share: figures(parts).top1 } },
      paired: figures(parts).paired,
      outputs: [],
      notFinite: 0,
    }) as unknown as Comparison;
  const found = {
    best: 1,
    report: {
      seconds: 60,
      spentSeconds: 1,
      ended: 'finished',
      selection: { samples: 50, labelled: true, sha256: '0' },
      candidates: [{ withinBudget: true }, { withinBudget: true }],
      sensitivity: [{ name: 'stem', sqnrDb: 9.5, outputKl: 0.2 }],
    },
  } as unknown as Parameters<typeof concludeSearch>[0];

  it('returns the given recipe where the preferred one is worse on the samples that prove', () => {
    const worse = concludeSearch(found, [comparison({ losses: 1 }), comparison({ losses: 2 })], 3);
    expect(worse).toMatchObject({ chosen: 0, proof: { best: 1, returned: 'default' } });
    const equal = concludeSearch(found, [comparison({ losses: 1 }), comparison({ losses: 3, gains: 2 })], 3);
    expect(equal).toMatchObject({ chosen: 1, proof: { returned: 'chosen' } });
    expect(equal.prevented).toBeUndefined();
  });

  it('says which layer prevents a budget that is not kept', () => {
    const { prevented } = concludeSearch(found, [comparison({ losses: 9 }), comparison({ losses: 8 })], 3);
    expect(prevented).toContain("'stem'");
    expect(prevented).toContain('not on the 100 that prove');
  });
});
