import { z } from 'zod';
import { errorCatalogue, type ErrorCode } from '../../base/index.ts';

export const timestamp = z.string().describe('RFC 3339, UTC');

export const sha256 = z.string().describe('sha-256 of the bytes, hex');

export const executorName = z
  .enum(['octet', 'float', 'onnxruntime'])
  .describe('octet: the int8 engine; float: the float executor; onnxruntime: nothing else can run it');

export const pageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(200).default(50).describe('Items on a page'),
  after: z.string().max(256).optional().describe('`next` of the page before'),
});

/** A page of a listing; `next` is absent on the last. */
export function page<T extends z.ZodType>(item: T) {
  return z.object({ items: z.array(item).readonly(), next: z.string().optional() });
}

const codes = Object.keys(errorCatalogue) as [ErrorCode, ...ErrorCode[]];

export const problemSchema = z
  .looseObject({
    type: z.string().describe('urn:octet:problem:…'),
    title: z.string(),
    status: z.int(),
    detail: z.string().describe('Names the thing, its value and what is allowed'),
    instance: z.string().optional().describe('urn:request:…, as in the log and the x-request-id header'),
    code: z.enum(codes),
    retryable: z.boolean().describe('Whether the same request may succeed later'),
    errors: z
      .array(z.object({ in: z.string(), pointer: z.string(), code: z.string(), detail: z.string() }))
      .optional()
      .describe('Each complaint about the request, by JSON pointer'),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem document' });

export const protocolErrorSchema = z
  .object({ error: z.string() })
  .meta({ id: 'ProtocolError', description: 'Error of the Open Inference Protocol; the code is in octet-error-code' });
