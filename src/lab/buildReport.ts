import { createHash } from 'node:crypto';
import { diagnose } from './diagnosis.ts';
import type { Comparison, Evaluation } from './evaluate.ts';
import { versions } from './metadata.ts';
import type { LayerAnalysis } from './layers.ts';
import type { Network } from './network.ts';
import type { PairedFigures } from './paired.ts';
import type { QuantizeModelOptions } from './job.ts';
import { isDataFree } from './recipe.ts';
import type { Disagreement, Report } from './report.ts';
import { searchWarnings } from './search/index.ts';
import { describeSelection, type SamplePlan } from './samples.ts';
import { judge } from './verdict.ts';

export interface ReportParts {
  readonly options: QuantizeModelOptions;
  readonly network: Network;
  readonly plan: SamplePlan;
  /** Of the calibration set, where there is one. */
  readonly calibration?: Report['calibration'];
  readonly comparison: Comparison | undefined;
  readonly layers: readonly LayerAnalysis[];
  readonly disagreements: readonly Disagreement[];
  readonly latency: Report['latency'];
  readonly onnx: Uint8Array;
  readonly golden: string;
  readonly engine: Report['engine'];
  readonly stages: Report['stages'];
  /** Of recipes that asked for one. */
  readonly search?: Report['search'];
}

export function buildReport(parts: ReportParts): Report {
  const { options, network, plan, comparison, layers, onnx } = parts;
  const { recipe, preprocessing, executor } = options;
  const paired = comparison?.paired;
  const verdict = onImagesAsExpected(
    judge({
      budget: recipe.accuracyBudget,
      paired,
      outputs: comparison?.outputs ?? [],
      notFinite: comparison?.notFinite ?? 0,
    }),
    parts.calibration,
  );
  const { parameters, macs, operators } = network.summary;
  return {
    schema: 1,
    verdict,
    model: {
      name: options.name ?? network.imported.name,
      sha256: network.sha256,
      quantizedSha256: createHash('sha256').update(onnx).digest('hex'),
      parameters,
      macs,
      operators: { ...operators },
    },
    task: network.classOutput === undefined ? 'other' : 'classifier',
    data: dataOf(plan),
    ...accuracyOf(comparison),
    ...(paired === undefined ? {} : { paired: pairedOf(paired) }),
    outputs: (comparison?.outputs ?? []).map((output) => ({ ...output })),
    size: {
      fp32Bytes: network.sizeBytes,
      int8Bytes: onnx.length,
      ratio: Math.round((network.sizeBytes / onnx.length) * 1_000) / 1_000,
    },
    latency: parts.latency,
    engine: parts.engine,
    executor: executor.name,
    layers: layers.map(({ layer }) => layer),
    worstLayers: diagnose(layers),
    ...(paired === undefined ? {} : { disagreements: [...parts.disagreements] }),
    ...(parts.calibration === undefined ? {} : { calibration: parts.calibration }),
    ...(parts.search === undefined ? {} : { search: parts.search }),
    warnings: warningsOf(parts, verdict),
    recipe,
    preprocessing,
    golden: parts.golden,
    versions: versions(),
    stages: parts.stages,
  };
}

/** A pass on images that the fp32 network itself does not recognize proves nothing. */
function onImagesAsExpected(verdict: Report['verdict'], calibration: Report['calibration']): Report['verdict'] {
  const doubt = calibration?.findings.find(({ code }) => code === 'PREPROCESSING_DOUBTFUL');
  if (doubt === undefined || verdict.outcome !== 'pass') return verdict;
  return {
    ...verdict,
    outcome: 'notEnoughData',
    headline: 'Nothing is proved: these images do not look as the network expects them.',
    reasons: [doubt.text, ...verdict.reasons],
  };
}

function dataOf({ calibration, evaluation }: SamplePlan): Report['data'] {
  return {
    ...(calibration === undefined ? {} : { calibration: describeSelection(calibration) }),
    ...(evaluation === undefined
      ? {}
      : {
          evaluation: {
            ...describeSelection(evaluation),
            source: evaluation.source,
            overlapRemoved: evaluation.overlapRemoved,
          },
        }),
  };
}

function accuracyOf(comparison: Comparison | undefined): Pick<Report, 'accuracy'> {
  if (comparison?.paired === undefined) return {};
  const of = ({ runner, top1, top5 }: Evaluation): NonNullable<Report['accuracy']>['fp32'] => ({
    runner,
    ...(top1 === undefined ? {} : { top1 }),
    ...(top5 === undefined ? {} : { top5 }),
  });
  return { accuracy: { fp32: of(comparison.reference), int8: of(comparison.candidate) } };
}

function pairedOf({ labelled, ...rest }: PairedFigures): NonNullable<Report['paired']> {
  return labelled === undefined ? rest : { ...rest, labelled };
}

function warningsOf({ options, network, plan, layers, search }: ReportParts, verdict: Report['verdict']): string[] {
  const { recipe, labels } = options;
  const { calibration, evaluation } = plan;
  const warnings = [...plan.warnings, ...(search === undefined ? [] : searchWarnings(search))];
  if (evaluation?.source === 'heldOut')
    warnings.push(
      `There was no evaluation set: ${evaluation.indices.length} samples (20 % by content) were held out of the calibration set.`,
    );
  if (isDataFree(recipe, options.calibration))
    warnings.push('Ranges come from BatchNormalization, not from samples; a calibration set gives better ones.');
  if (recipe.biasCorrection === 'empirical' && calibration === undefined)
    warnings.push('Biases were not corrected: that needs calibration samples.');
  const classCount = network.classOutput?.classCount;
  if (labels !== undefined && labels.length !== classCount)
    warnings.push(`There are ${labels.length} class names for ${classCount ?? 0} classes.`);
  const weightBits = recipe.weights === 'none' ? 8 : recipe.weights.bits;
  const activationBits = recipe.activations === 'none' ? 8 : recipe.activations.bits;
  if (Math.min(weightBits, activationBits) < 7)
    warnings.push('Fewer than 7 bits are simulated in bytes: neither size nor speed gain from them.');
  if (recipe.weights !== 'none' && !recipe.weights.symmetric && recipe.weights.granularity === 'perChannel')
    warnings.push('The file has asymmetric per-channel weights, which onnxruntime runs from version 1.29 on.');
  const float = layers
    .map(({ layer }) => layer)
    .filter(({ form, opType }) => form === 'float' && (opType === 'Conv' || opType === 'Gemm'));
  if (float.length > 0)
    warnings.push(`${float.length} layers with weights stayed float, the first is '${float[0]?.name ?? ''}'.`);
  if (verdict.outcome === 'notEnoughData' && evaluation === undefined)
    warnings.push('Nothing was evaluated, so nothing is known of the accuracy.');
  return warnings;
}
