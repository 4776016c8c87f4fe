import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { AppError, errorCatalogue, toProblem, type ErrorCode, type ErrorKind, type Problem } from '../base/index.ts';

/** The one place that knows statuses. */
const statuses: Readonly<Record<ErrorKind, number>> = {
  malformed: 400,
  unauthorized: 401,
  forbidden: 403,
  notFound: 404,
  conflict: 409,
  tooLarge: 413,
  unsupportedMedia: 415,
  rangeNotSatisfiable: 416,
  unprocessable: 422,
  busy: 429,
  internal: 500,
  unavailable: 503,
  timeout: 504,
  outOfSpace: 507,
};

export function statusOf(code: ErrorCode): number {
  return statuses[errorCatalogue[code].kind];
}

/** RFC 9457, with the code and the error's facts as extension members. */
export interface ProblemDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance?: string;
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly [fact: string]: unknown;
}

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** Seconds after which a busy or stopping service may be asked again. */
export const RETRY_AFTER_SECONDS = 1;

export function problemDocument(problem: Problem, requestId?: string): ProblemDocument {
  const { title } = errorCatalogue[problem.code];
  return {
    ...problem.params,
    type: `urn:octet:problem:${problem.code.toLowerCase().replaceAll('_', '-')}`,
    title,
    status: statusOf(problem.code),
    detail: problem.detail,
    ...(requestId === undefined ? {} : { instance: `urn:request:${requestId}` }),
    code: problem.code,
    retryable: new AppError(problem.code, '').retryable,
  };
}

/** Errors of the framework and its plugins, by their code. */
const frameworkCodes: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'UPLOAD_TOO_LARGE',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'UNSUPPORTED_MEDIA_TYPE',
  FST_INVALID_MULTIPART_CONTENT_TYPE: 'UNSUPPORTED_MEDIA_TYPE',
  FST_REQ_FILE_TOO_LARGE: 'UPLOAD_TOO_LARGE',
  FST_PARTS_LIMIT: 'UPLOAD_TOO_LARGE',
  FST_FILES_LIMIT: 'UPLOAD_TOO_LARGE',
  FST_FIELDS_LIMIT: 'UPLOAD_TOO_LARGE',
  FST_PROTO_VIOLATION: 'INVALID_MULTIPART',
  FST_ERR_NOT_FOUND: 'ROUTE_NOT_FOUND',
};

/** One complaint about a request: where it is and what is wrong there. */
export interface FieldError {
  readonly in: string;
  /** JSON pointer (RFC 6901) into that place. */
  readonly pointer: string;
  readonly code: string;
  readonly detail: string;
}

/** Any thrown value as a problem; only an `INTERNAL` one is news to the operator. */
export function problemOf(error: unknown): Problem {
  if (error instanceof AppError) return toProblem(error);
  if (hasZodFastifySchemaValidationErrors(error)) return validationProblem(error.validation, error.validationContext);
  if (!(error instanceof Error)) return toProblem(error);
  const { code, statusCode } = error as { code?: string; statusCode?: number };
  const known = code === undefined ? undefined : frameworkCodes[code];
  if (known !== undefined) return { code: known, detail: sentence(error.message), params: {} };
  if (statusCode === 429) return { code: 'TOO_MANY_REQUESTS', detail: sentence(error.message), params: {} };
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return { code: 'INVALID_REQUEST', detail: sentence(error.message), params: {} };
  return toProblem(error);
}

function validationProblem(
  issues: readonly { instancePath: string; keyword: string; message?: string }[],
  context = 'body',
): Problem {
  const errors = issues.map((issue): FieldError => ({
    in: context === 'querystring' ? 'query' : context,
    pointer: issue.instancePath === '/' ? '' : issue.instancePath,
    code: issue.keyword,
    detail: issue.message ?? 'is not valid',
  }));
  return { code: 'INVALID_REQUEST', detail: describe(errors), params: { errors } };
}

/** The first few complaints as one sentence. */
export function describe(errors: readonly FieldError[]): string {
  const shown = errors.slice(0, 3).map(({ in: place, pointer, detail }) => `${place} ${pointer || '/'}: ${detail}`);
  const more = errors.length > shown.length ? ` (and ${errors.length - shown.length} more)` : '';
  return `${shown.join('; ')}${more}.`;
}

function sentence(message: string): string {
  return message.endsWith('.') ? message : `${message}.`;
}
