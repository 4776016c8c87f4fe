import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openDataset, preprocessingSchema } from '../../../src/data/index.ts';
import { loadNetwork } from '../../../src/cli/network.ts';
import { openRunner } from '../../../src/cli/executors.ts';
import { formatBytes, formatShare } from '../../../src/cli/text.ts';
import { classOutputOf, compareRunners, onnxFileRunner, type Runner } from '../../../src/lab/index.ts';
import type { FigureCase } from './cases.ts';
import { runQuantize, type QuantizeDocument } from './runOctet.ts';

export interface AccuracyFigure {
  readonly row: readonly string[];
  readonly reached: boolean;
}

export const accuracyHeader = [
  'network',
  'n',
  'fp32',
  'int8',
  'net loss',
  'bound',
  'lost',
  'gained',
  'agreement',
  'size',
  'from octet',
  'ort: all/none',
  'reached',
] as const;

/** Default recipe, the whole evaluation set; and how far onnxruntime is from us on the exported file. */
export async function measureAccuracy(figureCase: FigureCase, folder: string): Promise<AccuracyFigure> {
  const output = join(folder, `${figureCase.name}.int8.onnx`);
  const preprocessing = join(folder, `${figureCase.name}.json`);
  await writeFile(preprocessing, JSON.stringify(figureCase.preprocessing));
  const sets = [figureCase.calibration, '--evaluation', figureCase.evaluation];
  const made = await runQuantize([figureCase.model, ...sets, '--preprocessing', preprocessing, '-o', output]);
  return judge(figureCase, made, await comparePeer(figureCase, output));
}

interface PeerDisagreement {
  /** Ours against onnxruntime, same file. */
  readonly ours: number;
  /** onnxruntime against itself, all and no graph optimizations. */
  readonly own: number;
}

/** Shares of samples that two executors of the same int8 file answer differently. */
async function comparePeer(figureCase: FigureCase, file: string): Promise<PeerDisagreement> {
  const network = await loadNetwork(file);
  const bytes = await readFile(file);
  const dataset = await openDataset(figureCase.evaluation);
  const octet = await openRunner(network, 'octet');
  const all = await onnxFileRunner(bytes);
  const none = await onnxFileRunner(bytes, { optimization: 'none' });
  const disagreement = async (runners: readonly [Runner, Runner]): Promise<number> => {
    const { paired } = await compareRunners(runners, dataset, {
      inputs: network.inputs,
      preprocessing: preprocessingSchema.parse(figureCase.preprocessing),
      classOutput: classOutputOf(network.graph.outputs, network.graph.types),
    });
    return paired ? 1 - paired.agreement : NaN;
  };
  try {
    return { ours: await disagreement([all, octet]), own: await disagreement([all, none]) };
  } finally {
    for (const runner of [octet, all, none]) await runner.close();
    await dataset.close();
  }
}

function judge(figureCase: FigureCase, made: QuantizeDocument, peer: PeerDisagreement): AccuracyFigure {
  const { report, sizeBytes } = made;
  const { accuracy, paired } = report;
  const labelled = paired?.labelled;
  if (!accuracy || !paired || !labelled) throw new Error(`${figureCase.name}: the report has no accuracy.`);
  const points = (share: number): string => (100 * share).toFixed(2);
  const reached =
    100 * labelled.netLoss <= figureCase.allowedLoss + 100 * labelled.bound &&
    paired.agreement >= (figureCase.leastAgreement ?? 0) &&
    peer.ours <= peer.own;
  return {
    reached,
    row: [
      figureCase.name,
      String(labelled.samples),
      points(accuracy.fp32.top1?.share ?? NaN),
      points(accuracy.int8.top1?.share ?? NaN),
      points(labelled.netLoss),
      points(labelled.bound),
      String(labelled.losses),
      String(labelled.gains),
      formatShare(paired.agreement),
      formatBytes(sizeBytes),
      formatShare(peer.ours),
      formatShare(peer.own),
      reached ? 'yes' : 'no',
    ],
  };
}
