import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Report } from '../../../src/lab/index.ts';
import type { FigureCase } from './cases.ts';
import { runQuantize } from './runOctet.ts';

export const recoveryHeader = [
  'recipe',
  'n',
  'fp32',
  'int8',
  'lost',
  'gained',
  'bound',
  'agreement',
  'expected',
  'reached',
] as const;

interface Way {
  readonly name: string;
  readonly recipe: object;
  /** What its top-1 should be; absent where it stands beside the others for comparison. */
  readonly expectation?: Expectation;
}

/** Points of top-1. */
interface Outcome {
  readonly fp32: number;
  readonly int8: number;
  /** `int8` of the first way. */
  readonly collapsed: number;
}

interface Expectation {
  readonly text: string;
  readonly holds: (outcome: Outcome) => boolean;
}

const atChance: Expectation = { text: 'below 1', holds: ({ int8 }) => int8 < 1 };
const regained: Expectation = { text: 'regains 20', holds: ({ int8, collapsed }) => int8 - collapsed >= 20 };
const kept: Expectation = { text: 'loses less than 2', holds: ({ fp32, int8 }) => fp32 - int8 < 2 };

const weights = { granularity: 'perTensor', symmetric: false };

const ways: readonly Way[] = [
  { name: 'per layer', recipe: { weights, biasCorrection: 'none' }, expectation: atChance },
  { name: 'per layer, corrected', recipe: { weights } },
  { name: 'per layer, equalized, corrected', recipe: { weights, equalization: true }, expectation: regained },
  {
    name: 'per layer, equalized without caps where harmless, corrected',
    recipe: { weights, equalization: { absorbHighBias: true, relu6: 'auto' } },
    expectation: regained,
  },
  { name: 'per channel', recipe: { biasCorrection: 'none' } },
  { name: 'per channel, corrected', recipe: {}, expectation: kept },
];

/** Weights of one scale a layer ruin a network of depthwise convolutions; how much equalization and bias correction bring back. */
export async function measureRecovery(
  figureCase: FigureCase,
  folder: string,
  onRow: (row: readonly string[]) => void,
): Promise<{ readonly rows: readonly (readonly string[])[]; readonly reached: boolean }> {
  const rows: (readonly string[])[] = [];
  let allReached = true;
  let collapsed: number | undefined;
  for (const { name, recipe, expectation } of ways) {
    const { fp32, int8, labelled, agreement } = figuresOf(await quantizeBy(recipe, figureCase, folder));
    collapsed ??= int8;
    const reached = expectation?.holds({ fp32, int8, collapsed });
    allReached &&= reached ?? true;
    const counts = [labelled.losses, labelled.gains].map(String);
    const points = [100 * labelled.bound, 100 * agreement].map((value) => value.toFixed(2));
    const judged = expectation ? [expectation.text, reached ? 'yes' : 'no'] : ['', ''];
    const row = [name, String(labelled.samples), fp32.toFixed(2), int8.toFixed(2), ...counts, ...points, ...judged];
    rows.push(row);
    onRow(row);
  }
  return { rows, reached: allReached };
}

async function quantizeBy(
  recipe: object,
  { model, calibration, evaluation, preprocessing }: FigureCase,
  folder: string,
): Promise<Report> {
  const [recipePath, preprocessingPath] = [join(folder, 'recipe.json'), join(folder, 'preprocessing.json')];
  await writeFile(recipePath, JSON.stringify(recipe));
  await writeFile(preprocessingPath, JSON.stringify(preprocessing));
  const { report } = await runQuantize([
    ...[model, calibration, '--evaluation', evaluation, '--preprocessing', preprocessingPath],
    ...['--recipe', recipePath, '-o', join(folder, 'recovery.int8.onnx')],
  ]);
  return report;
}

function figuresOf({ accuracy, paired }: Report) {
  const [fp32, int8] = [accuracy?.fp32.top1, accuracy?.int8.top1];
  if (!fp32 || !int8 || !paired?.labelled) throw new Error('The report has no accuracy.');
  return { fp32: 100 * fp32.share, int8: 100 * int8.share, labelled: paired.labelled, agreement: paired.agreement };
}
