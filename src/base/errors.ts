/**
 * The one catalogue of errors. A room throws `new AppError(code, detail, params)`; only `http/problem.ts` knows how a
 * kind becomes a status. Codes are part of the interface: never renamed, never reused.
 */

/** What an error means to a caller; `http/problem.ts` maps each kind to one status. */
export type ErrorKind =
  | 'malformed' // the request or file is not what it claims to be
  | 'unprocessable' // well formed, but cannot be worked with
  | 'tooLarge' // above a documented limit
  | 'unsupportedMedia'
  | 'rangeNotSatisfiable'
  | 'unauthorized'
  | 'forbidden'
  | 'notFound'
  | 'conflict'
  | 'busy' // try again later, this client
  | 'unavailable' // try again later, this server
  | 'timeout'
  | 'outOfSpace'
  | 'internal';

interface CatalogueEntry {
  readonly kind: ErrorKind;
  readonly title: string;
  /** Whether the same request may succeed later without any change. */
  readonly retryable?: true;
}

const entry = (kind: ErrorKind, title: string): CatalogueEntry => ({ kind, title });
const retryable = (kind: ErrorKind, title: string): CatalogueEntry => ({ kind, title, retryable: true });

export const errorCatalogue = {
  // requests
  INVALID_REQUEST: entry('malformed', 'Request does not match its schema'),
  INVALID_MULTIPART: entry('malformed', 'Multipart body is broken or incomplete'),
  MISSING_PART: entry('malformed', 'A required part is missing'),
  UNKNOWN_PART: entry('malformed', 'A part is not known'),
  UPLOAD_TOO_LARGE: entry('tooLarge', 'Upload is larger than allowed'),
  UNSUPPORTED_MEDIA_TYPE: entry('unsupportedMedia', 'Content type is not supported'),
  RANGE_NOT_SATISFIABLE: entry('rangeNotSatisfiable', 'Byte range lies outside the file'),
  UNAUTHORIZED: entry('unauthorized', 'A valid token is required'),
  FORBIDDEN: entry('forbidden', 'Token does not permit this'),
  ROUTE_NOT_FOUND: entry('notFound', 'No such resource'),
  IDEMPOTENCY_KEY_REUSED: entry('unprocessable', 'Idempotency key was used for another request'),
  IDEMPOTENCY_IN_PROGRESS: retryable('conflict', 'A request with this idempotency key is still running'),
  TOO_MANY_REQUESTS: retryable('busy', 'Too many requests'),
  SERVICE_STOPPING: retryable('unavailable', 'Service is stopping'),
  STORAGE_FULL: retryable('outOfSpace', 'Not enough storage'),

  // model files
  MODEL_MALFORMED: entry('malformed', 'File is not a valid ONNX model'),
  MODEL_TOO_COMPLEX: entry('tooLarge', 'Model exceeds a structural limit'),
  MODEL_INVALID: entry('unprocessable', 'Model is not a consistent graph'),
  MODEL_OUT_OF_SCOPE: entry('unprocessable', 'Model is not a convolutional network of fixed shape'),
  MODEL_NOT_FINITE: entry('unprocessable', 'Model has weights that are not finite'),
  EXTERNAL_DATA_INVALID: entry('unprocessable', 'External data does not fit the upload'),
  UNSUPPORTED_OPSET: entry('unprocessable', 'Operator set version is not supported'),
  UNSUPPORTED_OPERATOR: entry('unprocessable', 'Operators are not supported'),
  SHAPE_MISMATCH: entry('unprocessable', 'Shapes do not fit'),

  // data sets and samples
  DATASET_MALFORMED: entry('malformed', 'Data set cannot be read'),
  DATASET_EMPTY: entry('unprocessable', 'Data set has no samples'),
  DATASET_TOO_LARGE: entry('tooLarge', 'Data set exceeds a limit'),
  ARCHIVE_BOMB: entry('tooLarge', 'Archive expands beyond a limit'),
  ARCHIVE_PATH_UNSAFE: entry('malformed', 'Archive entry has an unsafe path'),
  IMAGE_MALFORMED: entry('malformed', 'Image cannot be decoded'),
  IMAGE_TOO_LARGE: entry('tooLarge', 'Image has too many pixels'),
  LABELS_INVALID: entry('unprocessable', 'Labels do not fit the samples'),
  SAMPLE_MISMATCH: entry('unprocessable', 'Sample does not fit the network input'),
  SAMPLE_NOT_FINITE: entry('unprocessable', 'Sample has values that are not finite'),
  PREPROCESSING_INVALID: entry('unprocessable', 'Preprocessing does not fit the network'),
  IMAGES_UNAVAILABLE: entry('unprocessable', 'Image decoding is not installed'),

  // quantization
  RECIPE_INVALID: entry('unprocessable', 'Recipe does not fit the network'),
  CALIBRATION_REQUIRED: entry('unprocessable', 'Recipe needs a calibration set'),
  CALIBRATION_RANGE: entry('unprocessable', 'A tensor has no usable range'),
  ACCUMULATOR_OVERFLOW: entry('unprocessable', 'An int32 accumulator could overflow'),
  QUANT_PARAMS_INVALID: entry('unprocessable', 'Scale or zero point is not usable'),
  CANCELLED: entry('conflict', 'Work was cancelled'),

  // stored things
  MODEL_NOT_FOUND: entry('notFound', 'No such model'),
  VERSION_NOT_FOUND: entry('notFound', 'No such version'),
  ALIAS_NOT_FOUND: entry('notFound', 'No such alias'),
  DATASET_NOT_FOUND: entry('notFound', 'No such data set'),
  JOB_NOT_FOUND: entry('notFound', 'No such job'),
  REPORT_NOT_FOUND: entry('notFound', 'Version has no report'),
  WHITEPAPER_NOT_FOUND: entry('notFound', 'No whitepaper job of the version has succeeded'),
  IN_USE: entry('conflict', 'Still in use'),
  JOB_ENDED: entry('conflict', 'Job has already ended'),
  VERSION_NOT_READY: retryable('unavailable', 'Version is not ready'),
  VERSION_UNAVAILABLE: entry('unavailable', 'Version cannot be served'),
  ARTIFACT_DAMAGED: entry('internal', 'Stored file is missing or damaged'),
  QUEUE_FULL: retryable('busy', 'Job queue is full'),

  // inference
  INFERENCE_INVALID: entry('malformed', 'Inference request does not fit the model'),
  INFERENCE_QUEUE_FULL: retryable('busy', 'Too many inference requests are waiting'),
  INFERENCE_TIMEOUT: retryable('timeout', 'Inference did not finish in time'),
  FLOAT_EXECUTOR_UNAVAILABLE: retryable('unavailable', 'Float executor is not available'),

  // jobs
  WORKER_DIED: retryable('internal', 'Worker stopped while the job ran'),
  JOB_TIMEOUT: entry('timeout', 'Job ran longer than allowed'),

  INTERNAL: entry('internal', 'Internal error'),
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorCode = keyof typeof errorCatalogue;

/** Facts about one error, rendered as extension members of the problem document. */
export type ErrorParams = Readonly<Record<string, unknown>>;

/** An expected failure: a code of the catalogue, a sentence that names the thing, its value and what is allowed. */
export class AppError extends Error {
  override readonly name = 'AppError';
  readonly code: ErrorCode;
  readonly params: ErrorParams;

  constructor(code: ErrorCode, detail: string, params: ErrorParams = {}, options?: ErrorOptions) {
    super(detail, options);
    this.code = code;
    this.params = params;
  }

  get kind(): ErrorKind {
    return errorCatalogue[this.code].kind;
  }

  get title(): string {
    return errorCatalogue[this.code].title;
  }

  get retryable(): boolean {
    const found: CatalogueEntry = errorCatalogue[this.code];
    return found.retryable ?? false;
  }
}

/** An error as data: what crosses a thread or process, is stored with a failed job and rendered by the service. */
export interface Problem {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly params: ErrorParams;
}

/** Any thrown value as a `Problem`; an unexpected one becomes `INTERNAL` and says nothing of the inside. */
export function toProblem(error: unknown): Problem {
  return error instanceof AppError
    ? { code: error.code, detail: error.message, params: error.params }
    : { code: 'INTERNAL', detail: 'An unexpected error occurred.', params: {} };
}

export function fromProblem(problem: Problem): AppError {
  return new AppError(problem.code, problem.detail, problem.params);
}
