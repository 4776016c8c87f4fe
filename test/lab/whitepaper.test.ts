import { describe, expect, it } from 'vitest';
import { renderWhitepaper, type WhitepaperGrid } from '../../src/lab/index.ts';
import { whitepaperCells } from '../../src/lab/whitepaper/cells.ts';
import { buildOf, paperNetwork } from '../../src/lab/whitepaper/paper.ts';
import { readModel } from '../../src/onnx/index.ts';
import { importModel } from '../../src/transform/index.ts';
import { colorNetwork, colorParts, float, node } from '../support/networks.ts';

const build = (parameters: number, inputSize = 224, normalizesSums = false) => ({
  parameters,
  inputSize,
  normalizesSums,
});

describe('the columns', () => {
  it("are the post-training ones of the paper's tables", () => {
    const keys = (table: number) => whitepaperCells.filter((cell) => cell.table === table).map(({ key }) => key);
    expect([2, 3, 5, 6].map(keys)).toEqual([
      ['w8l', 'w8s', 'w8a'],
      ['b8l', 'b8s', 'b8a', 'a8'],
      ['w4l', 'w4s'],
      ['a4'],
    ]);
  });

  it('correct nothing, and take ranges as the paper does', () => {
    for (const { recipe, key } of whitepaperCells) {
      expect(recipe).toMatchObject({ biasCorrection: 'none', equalization: false });
      if (key.startsWith('w8')) expect(recipe.activations).toBe('none');
      else expect(recipe.activations).toMatchObject({ calibrator: 'movingMinMax', symmetric: false });
      if (key === 'a8') expect(recipe.weights).toBe('none');
    }
  });
});

describe("the paper's networks", () => {
  it('are told by parameters, input and where they normalize', () => {
    expect(paperNetwork(build(4_231_976))?.name).toBe('MobileNet-v1 1.0 224');
    expect(paperNetwork(build(3_504_872))?.name).toBe('MobileNet-v2 1.0 224');
    expect(paperNetwork(build(25_557_032))?.name).toBe('ResNet-v1-50');
    expect(paperNetwork(build(25_549_352, 224, true))?.name).toBe('ResNet-v2-50');
    expect(paperNetwork(build(60_192_808, 224, true))?.name).toBe('ResNet-v2-152');
    expect(paperNetwork(build(4_231_976, 192))).toBeUndefined();
    expect(paperNetwork(build(470_072))).toBeUndefined();
  });

  it('have figures for columns that exist, between chance and 1', () => {
    const keys = new Set(whitepaperCells.map(({ key }) => key));
    for (const parameters of [4.25e6, 3.54e6, 5.3e6, 6.06e6, 25.6e6, 60.4e6])
      for (const normalizesSums of [false, true]) {
        const known = paperNetwork(build(parameters, 224, normalizesSums));
        for (const [key, top1] of Object.entries(known?.top1 ?? {})) {
          expect(keys.has(key)).toBe(true);
          expect(top1).toBeGreaterThanOrEqual(0.001);
          expect(top1).toBeLessThanOrEqual(known?.float ?? 0);
        }
      }
  });

  it('that normalize sums are found in their graph', () => {
    const { nodes, initializers } = colorParts();
    const plain = importModel(readModel(colorNetwork()));
    expect(buildOf(plain, 7)).toEqual({ parameters: 7, inputSize: 8, normalizesSums: false });
    const before = nodes.map((item) =>
      item.opType === 'BatchNormalization' ? { ...item, inputs: ['sum', ...item.inputs.slice(1)] } : item,
    );
    const summed = importModel(
      readModel(
        colorNetwork({
          nodes: [...before, node('Conv', ['image', 'w2'], ['other']), node('Add', ['conv', 'other'], ['sum'])],
          initializers: { ...initializers, w2: float([8, 3, 1, 1], new Array<number>(24).fill(0.1)) },
        }),
      ),
    );
    expect(buildOf(summed, 7).normalizesSums).toBe(true);
  });
});

describe('the page of a grid', () => {
  const cell = { key: 'w8l', table: 2, title: 'weights <8 bit>', top1: 0.5, agreement: 0.75, paperTop1: 0.001 };
  const labelled = {
    samples: 100,
    losses: 30,
    gains: 10,
    netLoss: 0.2,
    bound: 0.104,
    netLossUpper: 0.31,
    pValue: 0.002,
  };
  const grid: WhitepaperGrid = {
    samples: { calibration: 50, evaluation: 100 },
    parameters: 4_231_976,
    floatTop1: 0.7,
    paper: { name: 'MobileNet-v1 1.0 224', floatTop1: 0.709 },
    cells: [{ ...cell, labelled }],
  };

  it("shows each figure beside the paper's, escaped, and loads nothing", () => {
    const page = renderWhitepaper(grid, 'a & b');
    for (const text of [
      'a &amp; b',
      'weights &lt;8 bit&gt;',
      '50.00 %',
      '−20.00 points ± 10.40',
      '70.9 %',
      '0.1 %',
      '4,231,976',
    ])
      expect(page).toContain(text);
    expect(page).not.toMatch(/<script|<link|src=|https?:/);
  });

  it('leaves out what there is not', () => {
    const { samples, parameters } = grid;
    const cells = [{ key: 'a8', table: 3, title: 'activations' }];
    const page = renderWhitepaper({ samples, parameters, cells }, 'x');
    expect(page).not.toContain('Paper:');
    expect(page).toContain('—');
  });
});
