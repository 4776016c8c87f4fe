export { AppError, errorCatalogue, fromProblem, toProblem } from './errors.ts';
export type { ErrorCode, ErrorKind, ErrorParams, Problem } from './errors.ts';
export { InvariantError, invariant, present, unreachable } from './invariant.ts';
export { gaussian, seededRandom } from './random.ts';
export type { Random } from './random.ts';
