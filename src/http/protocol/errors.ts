import { fromProblem, type ErrorCode, type ErrorKind } from '../../base/index.ts';
import { problemOf, RETRY_AFTER_SECONDS } from '../problem.ts';
import type { App } from '../operation.ts';

/** Statuses of the protocol: as under /v1, but whatever is wrong with a request is 400, as its clients expect. */
const statuses: Readonly<Record<ErrorKind, number>> = {
  malformed: 400,
  unprocessable: 400,
  conflict: 400,
  rangeNotSatisfiable: 400,
  unauthorized: 401,
  forbidden: 403,
  notFound: 404,
  tooLarge: 413,
  unsupportedMedia: 415,
  busy: 429,
  internal: 500,
  unavailable: 503,
  timeout: 504,
  outOfSpace: 507,
};

export function protocolStatus(kind: ErrorKind): number {
  return statuses[kind];
}

/** Errors as `{"error": text}` and nothing else; the stable code travels in a header. */
export function protocolErrors(app: App): void {
  app.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error);
    const { kind, retryable } = fromProblem(problem);
    if (kind === 'internal') request.log.error({ err: error }, 'request failed');
    if (retryable) void reply.header('retry-after', RETRY_AFTER_SECONDS);
    return reply
      .code(statuses[kind])
      .header('octet-error-code', problem.code)
      .type('application/json; charset=utf-8')
      .send(JSON.stringify({ error: protocolText(problem.code, problem.detail) }));
  });
}

/** Clients look for these words when a model is not there. */
function protocolText(code: ErrorCode, detail: string): string {
  return code === 'MODEL_NOT_FOUND' && !detail.startsWith('Request for unknown model')
    ? `Request for unknown model: ${detail}`
    : detail;
}
