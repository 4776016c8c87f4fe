import { describe, expect, it } from 'vitest';
import { renderReport, type LayerReport, type Report } from '../../src/lab/index.ts';
import { HISTOGRAM_BINS, LISTED_CHANNELS, OCTAVES } from '../../src/lab/layerSchema.ts';
import { preprocessingSchema } from '../../src/data/index.ts';
import { recipeSchema } from '../../src/quant/index.ts';

const sha256 = 'a'.repeat(64);

/** A report with nothing in it that may be missing. */
const bare: Report = {
  schema: 1,
  verdict: { outcome: 'notEnoughData', headline: 'Nothing was evaluated.', reasons: [], budget: 2 },
  model: { name: 'net', sha256, quantizedSha256: sha256, parameters: 1, macs: 1, operators: { Conv: 1 } },
  task: 'other',
  data: {},
  outputs: [],
  size: { fp32Bytes: 4_000, int8Bytes: 1_000, ratio: 4 },
  latency: {},
  engine: { tier: 'simd', reason: 'asked for' },
  executor: 'reference',
  layers: [],
  worstLayers: [],
  warnings: [],
  recipe: recipeSchema.parse({}),
  preprocessing: preprocessingSchema.parse({}),
  golden: sha256,
  versions: {},
  stages: [],
};

const ramp = (length: number): number[] => Array.from({ length }, (_, i) => i + 1);

/** A layer with everything that a layer can have. */
function fullLayer(name: string, reads: readonly string[]): LayerReport {
  const channels = { min: ramp(LISTED_CHANNELS).map((x) => -x), max: ramp(LISTED_CHANNELS) };
  const shares = new Array<number>(OCTAVES).fill(1 / OCTAVES);
  return {
    name,
    opType: 'Conv',
    output: name,
    reads: [...reads],
    shape: [-1, 200, 7, 7],
    form: 'int8',
    kernel: 'conv.gemm',
    accumulatedSqnrDb: -3,
    weights: {
      shape: [200, 8, 3, 3],
      bits: 8,
      scales: 1,
      sqnrDb: 41,
      channelSqnrDb: 9,
      min: -64,
      max: 64,
      channelSpread: 512,
      foldSpread: 16,
      channels: { count: 200, index: ramp(LISTED_CHANNELS), folded: channels, original: channels },
      power: { folded: shares, original: shares },
    },
    activation: {
      scale: 0.1,
      zeroPoint: 3,
      min: -0.3,
      max: 25.2,
      localSqnrDb: null,
      clippedShare: 0.01,
      histogram: { start: -1, width: 0.5, shares: new Array<number>(HISTOGRAM_BINS).fill(0), zeros: 1 },
      dominantChannel: { channel: 17, share: 0.94 },
    },
  };
}

function expectSound(page: string): void {
  expect(page).not.toMatch(/NaN|Infinity|undefined|\[object/);
  for (const tag of ['section', 'details', 'svg', 'table', 'a', 'div', 'ul', 'g', 'figure'])
    expect(page.match(new RegExp(`<${tag}[\\s>]`, 'g'))?.length, tag).toBe(
      page.match(new RegExp(`</${tag}\\s*>`, 'g'))?.length,
    );
}

describe('the page', () => {
  it('leaves out the sections whose numbers are missing', () => {
    const page = renderReport(bare);
    expectSound(page);
    const sections = [...page.matchAll(/<section id="(\w+)"/g)].map(([, id]) => id);
    expect(sections).toEqual(['comparison', 'reproduce']);
    expect([...page.matchAll(/<a href="#(\w+)">/g)].map(([, id]) => id)).toEqual(sections);
  });

  it('draws 500 layers with all their plots, each box leading to its layer, in less than 4 MB', () => {
    const names = ramp(500).map((i) => `stage${Math.ceil(i / 10)}/block${i}/Conv`);
    const layers = names.map((name, i) =>
      fullLayer(name, i === 0 ? ['image'] : [names[i - 1] ?? '', ...(i % 3 === 0 ? [names[i - 3] ?? ''] : [])]),
    );
    const page = renderReport({ ...bare, layers });
    expectSound(page);
    expect(page.length).toBeLessThan(4_000_000);
    for (const place of [1, 250, 500]) {
      expect(page).toContain(`href="#layer-${place}"`);
      expect(page).toContain(`id="layer-${place}"`);
    }
  });

  it('escapes every text', () => {
    const hostile = '"><script>alert(1)</script>';
    const layer = { ...fullLayer(hostile, [`${hostile}1`]), opType: hostile, kernel: hostile };
    const worst = { name: hostile, diagnosis: hostile, advice: hostile };
    const label = { class: 1, name: hostile };
    const answer = { ...label, score: 0.5 };
    const times = { p50Ms: 1, p90Ms: 2, p99Ms: 3 };
    const page = renderReport({
      ...bare,
      layers: [layer, fullLayer('b', [hostile])],
      worstLayers: [{ ...worst, gain: { fromDb: 1, toDb: 9, basis: 'weights' } }],
      disagreements: [{ sample: hostile, label, fp32: answer, int8: answer }],
      latency: { nodes: [{ name: hostile, opType: hostile, kernel: hostile, macs: 1, int8: times, fp32: times }] },
      warnings: [hostile],
      versions: { [hostile]: hostile },
    } satisfies Report);
    expectSound(page);
    expect(page).not.toContain('<script');
    expect(page.split('&lt;script&gt;').length).toBeGreaterThan(12);
  });

  it('draws the search: what nothing beats is joined, what was chosen is named', () => {
    const candidate = { samples: 100, sqnrDb: 20, recipe: bare.recipe, int8Bytes: 1_000, floatLayers: 0 };
    const figures = { samples: 200, top1: 0.8, losses: 2, gains: 1, agreement: 0.97, sqnrDb: 20 };
    const page = renderReport({
      ...bare,
      search: {
        seconds: 60,
        spentSeconds: 42,
        ended: 'finished',
        selection: { samples: 100, labelled: true, sha256 },
        candidates: [
          { ...candidate, title: 'as given', top1: 0.8, p50Ms: 1, withinBudget: true, pareto: true },
          { ...candidate, title: 'first layer float', top1: 0.9, p50Ms: 40, withinBudget: true, pareto: true },
          { ...candidate, title: 'slow and bad', top1: 0.7, p50Ms: 41, withinBudget: false, pareto: false },
        ],
        chosen: 1,
        sensitivity: [{ name: 'conv', sqnrDb: null, outputKl: 0 }],
        proof: { best: 1, default: figures, chosen: figures, returned: 'chosen' },
      },
    });
    expectSound(page);
    expect(page.match(/class="dot chosen"/g)).toHaveLength(1);
    expect(page.match(/class="dot beaten"/g)).toHaveLength(1);
    const line = /class="line" d="(M[^"]+)"/.exec(page)?.[1] ?? '';
    expect(line.split('L')).toHaveLength(2);
    expect(page).toContain('first layer float');
  });
});
