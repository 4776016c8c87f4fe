import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { z } from 'zod';
import type { ErrorCode } from '../base/index.ts';

/** A Fastify instance whose routes are typed by their zod schemas. */
export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** What Fastify validates and serializes. */
export interface OperationSchema {
  readonly params?: z.ZodObject;
  readonly querystring?: z.ZodObject;
  readonly headers?: z.ZodObject;
  readonly body?: z.ZodType;
  /** JSON answers, by status. */
  readonly response?: Readonly<Record<number, z.ZodType>>;
}

/** A body or answer that is not plain JSON. */
export type Content = Readonly<Record<string, z.ZodType | 'binary'>>;

export interface OperationDocument {
  readonly operationId: string;
  readonly tag: 'models' | 'datasets' | 'jobs' | 'inference' | 'service' | 'protocol';
  readonly summary: string;
  readonly description?: string;
  readonly requestBody?: { readonly required: boolean; readonly content: Content };
  /** What success looks like, by status; a JSON body is taken from the schema's `response`. */
  readonly answers: Readonly<
    Record<
      number,
      { readonly description: string; readonly content?: Content; readonly headers?: readonly HeaderName[] }
    >
  >;
  /** Every code that this operation may answer with, apart from those that any may (`commonErrors`). */
  readonly errors: readonly ErrorCode[];
  /** Errors are `{"error": "..."}`, as the Open Inference Protocol has them. */
  readonly protocolErrors?: true;
  /** Answers without a token. */
  readonly open?: true;
  /** Asked by machines every few seconds: only its failures are logged. */
  readonly polled?: true;
}

export const responseHeaders = {
  Location: 'Where the new resource is',
  'Retry-After': 'Seconds after which to ask again',
  ETag: 'Hash of the content, for If-None-Match',
  'Accept-Ranges': 'Always bytes',
  'Content-Range': 'The bytes that follow, and of how many',
  'Content-Disposition': 'A file name to save under',
  'Server-Timing': 'queue, preprocess, compute, postprocess and total in milliseconds',
  'Inference-Header-Content-Length': 'Bytes of JSON in front of the binary tensors',
} as const;

export type HeaderName = keyof typeof responseHeaders;

declare module 'fastify' {
  interface FastifyContextConfig {
    operation?: OperationDocument;
    /** Static and the same for everyone: answers without a token. */
    publicAsset?: true;
  }
}

/** One operation: its schema for Fastify, and its documentation for the OpenAPI document and the access rules. */
export function operation<const S extends OperationSchema>(
  schema: S,
  document: OperationDocument,
): { schema: S; config: { operation: OperationDocument }; logLevel?: 'warn' } {
  return { schema, config: { operation: document }, ...(document.polled ? { logLevel: 'warn' } : {}) };
}
