import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../base/index.ts';
import type { ArtifactStore } from '../store/index.ts';

export interface Download {
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly contentType: string;
  /** Ours, made of checked names. */
  readonly fileName: string;
}

/** Sends an artifact: whole, one byte range of it (RFC 9110 section 14), or 304 when the client has it. */
export function sendArtifact(
  request: FastifyRequest,
  reply: FastifyReply,
  artifacts: ArtifactStore,
  file: Download,
): FastifyReply {
  const etag = `"sha256-${file.sha256}"`;
  reply
    .header('etag', etag)
    .header('accept-ranges', 'bytes')
    .header('cache-control', 'private, no-cache')
    .header('content-disposition', `attachment; filename="${file.fileName}"`);
  if (matches(request.headers['if-none-match'], etag)) return reply.code(304).send();
  const range = ifRangeHolds(request, etag) ? parseRange(request.headers.range, file.sizeBytes) : undefined;
  if (range === 'unsatisfiable') {
    reply.header('content-range', `bytes */${file.sizeBytes}`);
    throw new AppError(
      'RANGE_NOT_SATISFIABLE',
      `Range '${request.headers.range ?? ''}' lies outside the ${file.sizeBytes} bytes of the file.`,
    );
  }
  reply.type(file.contentType);
  if (range === undefined) {
    reply.header('content-length', file.sizeBytes);
    return reply.send(request.method === 'HEAD' ? '' : artifacts.stream(file.sha256));
  }
  reply
    .code(206)
    .header('content-range', `bytes ${range.start}-${range.end}/${file.sizeBytes}`)
    .header('content-length', range.end - range.start + 1);
  return reply.send(request.method === 'HEAD' ? '' : artifacts.stream(file.sha256, range));
}

function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag);
}

function ifRangeHolds(request: FastifyRequest, etag: string): boolean {
  const condition = request.headers['if-range'];
  return condition === undefined || condition === etag;
}

/** One range; several, or another unit, are ignored as the standard allows. Both ends inclusive. */
export function parseRange(
  header: string | undefined,
  size: number,
): { readonly start: number; readonly end: number } | 'unsatisfiable' | undefined {
  const match = /^bytes=([0-9]{0,15})-([0-9]{0,15})$/.exec(header ?? '');
  if (match === null) return undefined;
  const [, first = '', last = ''] = match;
  if (first === '' && last === '') return undefined;
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (first !== '' && last !== '' && Number(last) < Number(first)) return undefined;
  return start >= size || start > end ? 'unsatisfiable' : { start, end };
}
