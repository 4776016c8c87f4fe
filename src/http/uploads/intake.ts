import { z } from 'zod';
import { AppError, fromProblem, invariant } from '../../base/index.ts';
import {
  checkLabels,
  defaultPreprocessing,
  inputSpecOf,
  loadSample,
  openDataset,
  preprocessingSchema,
  type Dataset,
  type Preprocessing,
} from '../../data/index.ts';
import type { Preflight } from '../../serving/index.ts';
import type { DatasetRecord, ModelSummary, VersionRecord } from '../../store/index.ts';
import { parseJson } from '../jsonBody.ts';
import type { HttpServices } from '../services.ts';
import { parsePart, validate, type Parts } from './multipart.ts';
import type { StagedFile } from './staging.ts';

const MAX_LABELS = 100_000;
const labelsSchema = z.array(z.string().max(256)).min(1).max(MAX_LABELS);

/** A model that passed its pre-flight, not yet stored. */
export interface CheckedModel {
  readonly file: StagedFile;
  readonly preflight: Preflight;
  readonly preprocessing: Preprocessing;
  readonly labels: readonly string[] | undefined;
}

const noParts: Parts = { files: new Map(), texts: new Map(), external: new Map() };

/**
 * Checks a staged model with everything that came with it. Settings sent along win over the file's own metadata.
 *
 * @throws AppError of the model file group, LABELS_INVALID, INVALID_REQUEST
 */
export async function checkModel(services: HttpServices, file: StagedFile, parts = noParts): Promise<CheckedModel> {
  const model = await describeModel(services, file, parts);
  if (model.preflight.refusal !== undefined) throw fromProblem(model.preflight.refusal);
  return model;
}

/**
 * The same for a model that shall only be served: one with operators that we do not know is taken where onnxruntime takes
 * it, if it came as one file.
 *
 * @throws AppError as `checkModel`
 */
export async function checkServedModel(
  services: HttpServices,
  file: StagedFile,
  parts = noParts,
): Promise<CheckedModel> {
  const model = await describeModel(services, file, parts);
  const { refusal, selfContained } = model.preflight;
  if (refusal === undefined) return model;
  if (selfContained !== undefined) throw fromProblem(refusal);
  try {
    await services.serving.checkOnnxruntime(file.path);
  } catch (error) {
    throw error instanceof AppError ? fromProblem(refusal) : error;
  }
  return model;
}

async function describeModel(services: HttpServices, file: StagedFile, parts: Parts): Promise<CheckedModel> {
  const external = new Map<string, Uint8Array>();
  for (const [location, staged] of parts.external) external.set(location, await staged.bytes());
  const sentPreprocessing = parsePart(parts, 'preprocessing', preprocessingSchema);
  const sentLabels = parseLabels(parts.texts.get('labels'));
  const preflight = await services.preflight.check(await file.bytes(), external);
  const labels = sentLabels ?? preflight.labels;
  checkLabelCount(labels, preflight.summary);
  return {
    file,
    preflight,
    preprocessing: sentPreprocessing ?? preflight.preprocessing ?? defaultPreprocessing,
    labels,
  };
}

/** A JSON array of strings, or one label a line. */
export function parseLabels(bytes: Buffer | undefined): readonly string[] | undefined {
  if (bytes === undefined) return undefined;
  const text = bytes.toString('utf8').trim();
  const value = text.startsWith('[')
    ? parseJson(bytes, "part 'labels'")
    : text.split(/\r?\n/).map((line) => line.trim());
  return validate(value, 'labels', labelsSchema);
}

/** Classes of a classifier: the last fixed dimension of its only output [batch, K(, 1, 1)]. */
export function classCount(summary: ModelSummary): number | undefined {
  const [output] = summary.outputs;
  if (output === undefined || summary.outputs.length !== 1) return undefined;
  const [, classes, ...rest] = output.shape;
  return classes !== undefined && classes > 1 && rest.every((dim) => dim === 1) ? classes : undefined;
}

function checkLabelCount(labels: readonly string[] | undefined, summary: ModelSummary): void {
  const classes = classCount(summary);
  if (labels === undefined || classes === undefined || labels.length === classes) return;
  throw new AppError('LABELS_INVALID', `There are ${labels.length} labels, but the network has ${classes} classes.`, {
    labels: labels.length,
    classes,
  });
}

/** Stores a checked model as the next version of `name`. */
export async function storeModel(services: HttpServices, name: string, model: CheckedModel): Promise<VersionRecord> {
  const { preflight } = model;
  const { artifacts, metadata } = services.store;
  const artifact =
    preflight.selfContained === undefined
      ? await artifacts.put(model.file.stream(), { maxBytes: model.file.sizeBytes })
      : await artifacts.putBytes(preflight.selfContained);
  services.serving.metrics.uploadedBytes.inc(model.file.sizeBytes);
  return metadata.addVersion({
    model: name,
    kind: preflight.kind,
    ...artifact,
    summary: preflight.summary,
    preprocessing: model.preprocessing,
    labels: model.labels,
    jobId: undefined,
    reportSha256: undefined,
    golden: preflight.golden,
    verdict: undefined,
  });
}

/** A data set that could be opened, not yet stored. */
export interface CheckedDataset {
  readonly file: StagedFile;
  readonly facts: Pick<DatasetRecord, 'format' | 'kind' | 'sampleCount' | 'labelled' | 'classNames'>;
}

/**
 * Opens a staged data set (every entry is read once) and, where the network is known, checks that its first sample fits
 * and its labels are classes.
 *
 * @throws AppError of the data set group
 */
export async function checkDataset(file: StagedFile, network?: Network): Promise<CheckedDataset> {
  const dataset = await openDataset(file.path, { classNames: network?.labels });
  try {
    if (network !== undefined) await checkFit(dataset, network);
    const { format, kind, samples, classNames } = dataset;
    invariant(format !== 'folder', 'an upload is a file');
    const labelled = samples.every((sample) => sample.label !== undefined);
    return { file, facts: { format, kind, sampleCount: samples.length, labelled, classNames } };
  } finally {
    await dataset.close();
  }
}

/** What a data set has to fit. */
export interface Network {
  readonly summary: ModelSummary;
  readonly preprocessing: Preprocessing;
  readonly labels?: readonly string[] | undefined;
}

/**
 * Loads the first sample as the network would, and compares the labels with its classes.
 *
 * @throws AppError SAMPLE_MISMATCH, SAMPLE_NOT_FINITE, IMAGE_MALFORMED, PREPROCESSING_INVALID, LABELS_INVALID …
 */
export async function checkFit(dataset: Dataset, network: Network): Promise<void> {
  await loadSample(dataset, 0, network.summary.inputs.map(inputSpecOf), network.preprocessing);
  const classes = classCount(network.summary);
  if (classes !== undefined) checkLabels(dataset, classes);
}

/** Stores a checked data set; the same bytes are one data set. */
export async function storeDataset(
  services: HttpServices,
  dataset: CheckedDataset,
  name: string | undefined,
): Promise<DatasetRecord> {
  const artifact = await services.store.artifacts.put(dataset.file.stream(), { maxBytes: dataset.file.sizeBytes });
  services.serving.metrics.uploadedBytes.inc(dataset.file.sizeBytes);
  return services.store.metadata.addDataset({ ...dataset.facts, ...artifact, name });
}
