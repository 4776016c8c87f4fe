import { promisify } from 'node:util';
import { deflate, gunzip, gzip, inflate } from 'node:zlib';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../base/index.ts';
import { tooLarge } from '../uploads/staging.ts';

const decoders = { gzip: promisify(gunzip), deflate: promisify(inflate) } as const;
const encoders = { gzip: promisify(gzip), deflate: promisify(deflate) } as const;

/** Answers smaller than this are sent as they are. */
const MIN_ENCODED_BYTES = 1_024;

/** Leaves every body as bytes, whatever its content type: clients of this protocol often send none. */
export function acceptAnyBody(app: FastifyInstance, maxBytes: number): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: maxBytes }, (_request, body, done) => {
    done(null, body);
  });
}

/**
 * The request's bytes with its Content-Encoding undone; never more than `maxBytes` after that.
 *
 * @throws AppError UNSUPPORTED_MEDIA_TYPE, UPLOAD_TOO_LARGE, INFERENCE_INVALID
 */
export async function bodyBytes(request: FastifyRequest, maxBytes: number): Promise<Buffer> {
  const body = request.body instanceof Buffer ? request.body : Buffer.alloc(0);
  const encoding = request.headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
  if (encoding === 'identity') return body;
  if (encoding !== 'gzip' && encoding !== 'deflate')
    throw new AppError(
      'UNSUPPORTED_MEDIA_TYPE',
      `Content encoding is '${encoding.slice(0, 40)}'; allowed: gzip, deflate, identity.`,
    );
  try {
    return await decoders[encoding](body, { maxOutputLength: maxBytes });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE')
      throw tooLarge({ what: 'decompressed request', maxBytes });
    throw new AppError('INFERENCE_INVALID', `The body is not valid ${encoding}.`);
  }
}

/** Sends bytes, compressed where the client accepts that and it is worth it. */
export async function sendEncoded(
  request: FastifyRequest,
  reply: FastifyReply,
  bytes: Uint8Array,
): Promise<FastifyReply> {
  const encoding = acceptedEncoding(request.headers['accept-encoding']);
  void reply.header('vary', 'accept-encoding');
  if (encoding === undefined || bytes.length < MIN_ENCODED_BYTES)
    return reply.send(Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength));
  return reply.header('content-encoding', encoding).send(await encoders[encoding](bytes, { level: 1 }));
}

function acceptedEncoding(header: string | string[] | undefined): 'gzip' | 'deflate' | undefined {
  const offers = String(header ?? '')
    .toLowerCase()
    .split(',')
    .map((offer) => offer.trim().split(';'))
    .filter(([, quality]) => !/^\s*q=0(\.0*)?\s*$/.test(quality ?? ''))
    .map(([name]) => name);
  return offers.includes('gzip') ? 'gzip' : offers.includes('deflate') ? 'deflate' : undefined;
}
