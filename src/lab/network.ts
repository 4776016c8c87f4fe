import { createHash } from 'node:crypto';
import { AppError, present } from '../base/index.ts';
import {
  checkLabels,
  checkPreprocessing,
  inputSpecOf,
  type Dataset,
  type InputSpec,
  type Preprocessing,
} from '../data/index.ts';
import type { Graph } from '../graph/index.ts';
import { readModel } from '../onnx/index.ts';
import { batchNormStatistics, prepareGraph, type Recipe, type Statistics } from '../quant/index.ts';
import { importModel, simplify, summarize } from '../transform/index.ts';
import { classOutputOf, type ClassOutput } from './classification.ts';

/** A float network, read and checked. */
export interface Network {
  readonly sha256: string;
  /** The file and its external data. */
  readonly sizeBytes: number;
  /** As uploaded: the baseline. */
  readonly imported: Graph;
  /** BN folded, no-ops gone. */
  readonly simplified: Graph;
  /** The simplified one in the form that is calibrated and quantized. */
  readonly prepared: Graph;
  /** What BatchNormalization says of its results, before it is folded. */
  readonly statistics: Statistics;
  readonly inputs: readonly InputSpec[];
  readonly classOutput: ClassOutput | undefined;
  readonly summary: ReturnType<typeof summarize>;
}

const quantizedOperators: ReadonlySet<string> = new Set([
  'QuantizeLinear',
  'DequantizeLinear',
  'QLinearConv',
  'QLinearMatMul',
]);

/** @throws AppError of the model group; MODEL_INVALID for a network that is quantized already */
export function openNetwork(
  bytes: Uint8Array,
  { externalData, recipe }: { readonly externalData: ReadonlyMap<string, Uint8Array>; readonly recipe: Recipe },
): Network {
  const imported = importModel(readModel(bytes, { externalData }));
  const quantized = imported.nodes.find(({ opType }) => quantizedOperators.has(opType));
  if (quantized !== undefined)
    throw new AppError(
      'MODEL_INVALID',
      `Node '${quantized.name}' (${quantized.opType}): the network is quantized already.`,
    );
  const hash = createHash('sha256').update(bytes);
  let sizeBytes = bytes.length;
  for (const [name, part] of externalData) {
    hash.update(name).update(part);
    sizeBytes += part.length;
  }
  const simplified = simplify(imported);
  const statistics = batchNormStatistics(imported);
  return {
    sha256: hash.digest('hex'),
    sizeBytes,
    imported,
    simplified,
    prepared: prepareGraph(simplified, recipe, statistics),
    statistics,
    inputs: imported.inputs.map((name) =>
      inputSpecOf({ name, ...present(imported.types.get(name), `type of '${name}'`) }),
    ),
    classOutput: classOutputOf(imported.outputs, imported.types),
    summary: summarize(imported),
  };
}

/**
 * Checks a data set against the network before any compute: preprocessing for images, labels for classes.
 *
 * @throws AppError PREPROCESSING_INVALID, SAMPLE_MISMATCH, LABELS_INVALID
 */
export function checkDataset(dataset: Dataset, network: Network, preprocessing: Preprocessing): void {
  const [input] = network.inputs;
  if (dataset.kind === 'images') {
    if (input === undefined || network.inputs.length !== 1)
      throw new AppError(
        'SAMPLE_MISMATCH',
        `The data set holds images, but the network has ${network.inputs.length} inputs; send npz with an array for each.`,
      );
    checkPreprocessing(preprocessing, input);
  }
  if (network.classOutput !== undefined) checkLabels(dataset, network.classOutput.classCount);
}
