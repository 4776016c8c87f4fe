import type { ErrorCode } from '../base/index.ts';

/** Codes that any operation may answer with. */
export const commonErrors = [
  'INVALID_REQUEST',
  'UNAUTHORIZED',
  'FORBIDDEN',
  'INTERNAL',
  'SERVICE_STOPPING',
] as const satisfies ErrorCode[];

/** Codes of a request that carries a file. */
export const uploadErrors = [
  'INVALID_MULTIPART',
  'MISSING_PART',
  'UNKNOWN_PART',
  'UPLOAD_TOO_LARGE',
  'UNSUPPORTED_MEDIA_TYPE',
  'TOO_MANY_REQUESTS',
  'STORAGE_FULL',
] as const satisfies ErrorCode[];

/** What the pre-flight of a model may find. */
export const modelFileErrors = [
  'MODEL_MALFORMED',
  'MODEL_TOO_COMPLEX',
  'MODEL_INVALID',
  'MODEL_OUT_OF_SCOPE',
  'MODEL_NOT_FINITE',
  'EXTERNAL_DATA_INVALID',
  'UNSUPPORTED_OPSET',
  'UNSUPPORTED_OPERATOR',
  'SHAPE_MISMATCH',
  'QUANT_PARAMS_INVALID',
  'ACCUMULATOR_OVERFLOW',
  'LABELS_INVALID',
] as const satisfies ErrorCode[];

/** What opening a data set and reading its first sample may find. */
export const datasetFileErrors = [
  'DATASET_MALFORMED',
  'DATASET_EMPTY',
  'DATASET_TOO_LARGE',
  'ARCHIVE_BOMB',
  'ARCHIVE_PATH_UNSAFE',
  'IMAGE_MALFORMED',
  'IMAGE_TOO_LARGE',
  'IMAGES_UNAVAILABLE',
  'LABELS_INVALID',
  'SAMPLE_MISMATCH',
  'SAMPLE_NOT_FINITE',
  'PREPROCESSING_INVALID',
] as const satisfies ErrorCode[];

/** What asking for a quantization may meet. */
export const submitErrors = [
  'RECIPE_INVALID',
  'CALIBRATION_REQUIRED',
  'QUEUE_FULL',
  'IDEMPOTENCY_KEY_REUSED',
  'IDEMPOTENCY_IN_PROGRESS',
  'ARTIFACT_DAMAGED',
] as const satisfies ErrorCode[];

/** What running a network may meet. */
export const inferenceErrors = [
  'MODEL_NOT_FOUND',
  'VERSION_NOT_FOUND',
  'VERSION_NOT_READY',
  'VERSION_UNAVAILABLE',
  'INFERENCE_INVALID',
  'INFERENCE_QUEUE_FULL',
  'INFERENCE_TIMEOUT',
  'FLOAT_EXECUTOR_UNAVAILABLE',
  'UPLOAD_TOO_LARGE',
  'CANCELLED',
  'ARTIFACT_DAMAGED',
] as const satisfies ErrorCode[];

/** Codes that only a stored job carries, never an answer of its own. */
export const jobOnlyErrors = ['CALIBRATION_RANGE', 'WORKER_DIED', 'JOB_TIMEOUT'] as const satisfies ErrorCode[];
