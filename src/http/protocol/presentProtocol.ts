import { executorOf, type VersionExecutor, type VersionStatistics } from '../../serving/index.ts';
import type { ModelRecord, TensorInfo, VersionRecord } from '../../store/index.ts';
import { datatypeOf } from './datatypes.ts';

/** Stored records in the words of the Open Inference Protocol. */

export const extensions = [
  'binary_tensor_data',
  'classification',
  'statistics',
  'model_repository',
  'model_configuration',
] as const;

const platforms: Readonly<Record<VersionExecutor, string>> = {
  octet: 'octet_int8',
  float: 'onnx_fp32',
  onnxruntime: 'onnxruntime_onnx',
};

export function platformOf(version: VersionRecord): string {
  return platforms[executorOf(version)];
}

const tensorMetadata = ({ name, dtype, shape }: TensorInfo) => ({ name, datatype: datatypeOf(dtype), shape });

export function presentMetadata(model: ModelRecord, version: VersionRecord) {
  return {
    name: model.name,
    versions: model.versions.map((known) => String(known.version)),
    platform: platformOf(version),
    inputs: version.summary.inputs.map(tensorMetadata),
    outputs: version.summary.outputs.map(tensorMetadata),
  };
}

/** Largest batch that the configuration names; the true limit is the request size. */
const MAX_BATCH = 1_024;

/** Triton's ModelConfig: with a batch, dims are without it. */
export function presentConfig(version: VersionRecord) {
  const { inputs, outputs } = version.summary;
  const batched = [...inputs, ...outputs].every(({ shape }) => shape[0] === -1);
  const describe = ({ name, dtype, shape }: TensorInfo) => ({
    name,
    data_type: `TYPE_${datatypeOf(dtype)}`,
    dims: (batched ? shape.slice(1) : shape).map(String),
  });
  return {
    name: version.model,
    platform: platformOf(version),
    backend: executorOf(version),
    max_batch_size: batched ? MAX_BATCH : 0,
    input: inputs.map((input) => ({ ...describe(input), format: formatOf(input) })),
    output: outputs.map(describe),
  };
}

function formatOf({ shape }: TensorInfo): string {
  if (shape.length !== 4) return 'FORMAT_NONE';
  return [1, 3, 4].includes(shape[1] ?? 0) ? 'FORMAT_NCHW' : 'FORMAT_NHWC';
}

const zero = { count: 0, ns: 0 };

/** Preprocess and postprocess are reading and writing tensors here. */
export function presentStatistics(statistics: VersionStatistics) {
  const { stages } = statistics;
  return {
    name: statistics.model,
    version: String(statistics.version),
    last_inference: statistics.lastInferenceMs,
    inference_count: statistics.inferenceCount,
    execution_count: statistics.executionCount,
    inference_stats: {
      success: statistics.success,
      fail: statistics.fail,
      queue: stages.queue,
      compute_input: stages.preprocess,
      compute_infer: stages.compute,
      compute_output: stages.postprocess,
      cache_hit: zero,
      cache_miss: zero,
    },
    response_stats: {},
    batch_stats: statistics.batches.map(({ batchSize, stages: totals }) => ({
      batch_size: batchSize,
      compute_input: totals.preprocess,
      compute_infer: totals.compute,
      compute_output: totals.postprocess,
    })),
    memory_usage: [],
  };
}
