import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FigureCase } from './cases.ts';
import { runQuantize } from './runOctet.ts';

export const recoveryHeader = ['recipe', 'n', 'fp32', 'int8', 'agreement', 'expected', 'reached'] as const;

interface Way {
  readonly name: string;
  readonly recipe: object;
}

const perLayer = { granularity: 'perTensor', symmetric: false };

const ways = {
  collapsed: { name: 'per layer', recipe: { weights: perLayer, biasCorrection: 'none' } },
  recovered: { name: 'per layer, equalized, corrected', recipe: { weights: perLayer, equalization: true } },
  perChannel: { name: 'per channel, corrected', recipe: {} },
} as const satisfies Record<string, Way>;

/** Points of top-1. */
const AT_CHANCE = 1;
const LEAST_REGAINED = 20;
const MOST_LOST = 2;

/** Weights of one scale a layer ruin a network of depthwise convolutions; how much equalization and bias correction bring back. */
export async function measureRecovery(
  figureCase: FigureCase,
  folder: string,
): Promise<{ readonly rows: readonly (readonly string[])[]; readonly reached: boolean }> {
  const rows: (readonly string[])[] = [];
  const measure = async (
    { name, recipe }: Way,
    expected: string,
    judge: (int8: number, fp32: number) => boolean,
  ): Promise<{ int8: number; reached: boolean }> => {
    const made = await quantizeBy(recipe, figureCase, folder);
    const reached = judge(made.int8, made.fp32);
    const points = [made.fp32, made.int8, made.agreement].map((share) => share.toFixed(2));
    rows.push([name, String(made.count), ...points, expected, reached ? 'yes' : 'NO']);
    return { int8: made.int8, reached };
  };
  const collapsed = await measure(ways.collapsed, `at most ${AT_CHANCE}`, (int8) => int8 <= AT_CHANCE);
  const recovered = await measure(
    ways.recovered,
    `regains ${LEAST_REGAINED}`,
    (int8) => int8 - collapsed.int8 >= LEAST_REGAINED,
  );
  const perChannel = await measure(
    ways.perChannel,
    `loses less than ${MOST_LOST}`,
    (int8, fp32) => fp32 - int8 < MOST_LOST,
  );
  return { rows, reached: [collapsed, recovered, perChannel].every(({ reached }) => reached) };
}

async function quantizeBy(
  recipe: object,
  { model, calibration, evaluation, preprocessing }: FigureCase,
  folder: string,
): Promise<{ readonly fp32: number; readonly int8: number; readonly agreement: number; readonly count: number }> {
  const [recipePath, preprocessingPath] = [join(folder, 'recipe.json'), join(folder, 'preprocessing.json')];
  await writeFile(recipePath, JSON.stringify(recipe));
  await writeFile(preprocessingPath, JSON.stringify(preprocessing));
  const { report } = await runQuantize([
    ...[model, calibration, '--evaluation', evaluation, '--preprocessing', preprocessingPath],
    ...['--recipe', recipePath, '-o', join(folder, 'recovery.int8.onnx')],
  ]);
  const [fp32, int8] = [report.accuracy?.fp32.top1, report.accuracy?.int8.top1];
  if (!fp32 || !int8 || !report.paired) throw new Error('The report has no accuracy.');
  const agreement = report.paired.agreement * 100;
  return { fp32: fp32.share * 100, int8: int8.share * 100, agreement, count: report.paired.samples };
}
