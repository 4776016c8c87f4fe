import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ClassTally } from '../../src/lab/classification.ts';
import { comparePredictions, type PairedFigures } from '../../src/lab/paired.ts';
import { judge } from '../../src/lab/verdict.ts';
import { tensor } from '../../src/tensor/index.ts';

/** Two classifiers of two classes that differ as told; without labels, only in their answers. */
function paired(
  { samples, losses, gains }: { samples: number; losses: number; gains: number },
  labelled: 'labelled' | 'unlabelled' = 'labelled',
): PairedFigures {
  const [fp32, int8] = [new ClassTally(), new ClassTally()];
  const labels = Array.from({ length: samples }, () => (labelled === 'labelled' ? 0 : undefined));
  const scores = (wrong: (i: number) => boolean) =>
    tensor('float32', [samples, 2], Float32Array.from(labels.flatMap((_, i) => (wrong(i) ? [0, 1] : [1, 0]))));
  fp32.add(
    scores((i) => i < gains),
    2,
    labels,
  );
  int8.add(
    scores((i) => i >= samples - losses),
    2,
    labels,
  );
  return comparePredictions(fp32, int8);
}

const verdictOf = (figures: PairedFigures, budget = 2) => judge({ budget, paired: figures, outputs: [], notFinite: 0 });

describe('the verdict on labelled samples', () => {
  it.each([
    { samples: 10_000, losses: 10, gains: 5, budget: 2, outcome: 'pass' },
    { samples: 2_000, losses: 10, gains: 10, budget: 2, outcome: 'pass' },
    { samples: 1_000, losses: 200, gains: 0, budget: 2, outcome: 'fail' },
    { samples: 100, losses: 50, gains: 1, budget: 2, outcome: 'fail' },
    { samples: 10, losses: 0, gains: 0, budget: 2, outcome: 'notEnoughData' },
    { samples: 140, losses: 0, gains: 0, budget: 2, outcome: 'notEnoughData' },
    { samples: 150, losses: 0, gains: 0, budget: 2, outcome: 'pass' },
    { samples: 400, losses: 14, gains: 10, budget: 2, outcome: 'notEnoughData' },
    { samples: 1_000, losses: 1, gains: 0, budget: 0, outcome: 'notEnoughData' },
  ] as const)('$losses lost and $gains gained of $samples within $budget points: $outcome', (given) => {
    const verdict = verdictOf(paired(given), given.budget);
    expect(verdict.outcome).toBe(given.outcome);
    expect(verdict.headline).toMatch(
      { pass: /^Pass/, fail: /^Fail/, notEnoughData: /^Not enough data/ }[given.outcome],
    );
    expect(verdict.reasons.join(' ')).toContain(`${given.samples} labelled samples`);
  });

  it('says how many samples would decide, and that many at the same rates do', () => {
    const verdict = verdictOf(paired({ samples: 400, losses: 14, gains: 10 }));
    expect(verdict.neededSamples).toBeGreaterThan(400);
    expect(verdict.headline).toContain(`send at least ${verdict.neededSamples ?? 0} labelled images`);
    const scale = Math.ceil((verdict.neededSamples ?? 0) / 400) + 1;
    expect(verdictOf(paired({ samples: 400 * scale, losses: 14 * scale, gains: 10 * scale })).outcome).toBe('pass');
  });

  it('never gets better with more losses', () => {
    const order = { fail: 0, notEnoughData: 1, pass: 2 };
    const counts = fc.tuple(
      fc.integer({ min: 20, max: 500 }),
      fc.nat(9),
      fc.nat(9),
      fc.double({ min: 0, max: 10, noNaN: true }),
    );
    fc.assert(
      fc.property(counts, ([samples, losses, gains, budget]) => {
        const rank = (more: number): number =>
          order[verdictOf(paired({ samples, losses: losses + more, gains }), budget).outcome];
        expect(rank(1)).toBeLessThanOrEqual(rank(0));
      }),
    );
  });
});

describe('the verdict without labels', () => {
  it('passes what hardly ever differs, fails what differs beyond reason, asks for labels between', () => {
    const unlabelled = (samples: number, losses: number) =>
      verdictOf(paired({ samples, losses, gains: 0 }, 'unlabelled'));
    expect(unlabelled(1_000, 5).outcome).toBe('pass');
    expect(unlabelled(1_000, 500).outcome).toBe('fail');
    const between = unlabelled(1_000, 50);
    expect(between.outcome).toBe('notEnoughData');
    expect(between.headline).toContain('labelled images');
    expect(between.neededSamples).toBeGreaterThan(0);
  });
});

describe('the verdict on other networks', () => {
  const output = (sqnrDb: number | null) => ({ name: 'boxes', sqnrDb, cosine: 0.9, maxError: 1 });
  const judged = (...levels: (number | null)[]) =>
    judge({ budget: 2, paired: undefined, outputs: levels.map(output), notFinite: 0 }).outcome;

  it('goes by the weakest output', () => {
    expect(judged(30, null)).toBe('pass');
    expect(judged(30, 15)).toBe('notEnoughData');
    expect(judged(30, 5)).toBe('fail');
  });

  it('fails on anything that is not finite, and knows nothing without samples', () => {
    expect(judge({ budget: 2, paired: undefined, outputs: [output(40)], notFinite: 1 }).outcome).toBe('fail');
    expect(judge({ budget: 2, paired: undefined, outputs: [], notFinite: 0 }).outcome).toBe('notEnoughData');
  });
});
