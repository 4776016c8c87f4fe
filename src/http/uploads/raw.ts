import type { Readable } from 'node:stream';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { AppError } from '../../base/index.ts';
import { tooLarge, type StagedFile, type StagingArea } from './staging.ts';

/** Leaves a raw body as the stream it is; the handler stages it with a limit of its own. */
export function acceptRawStreams(app: FastifyInstance): void {
  app.addContentTypeParser('application/octet-stream', (_request, payload, done) => {
    done(null, payload);
  });
}

/**
 * Stages a raw `application/octet-stream` body.
 *
 * @throws AppError UNSUPPORTED_MEDIA_TYPE, UPLOAD_TOO_LARGE (by Content-Length at once, else when the limit is passed)
 */
export async function receiveRaw(
  request: FastifyRequest,
  area: StagingArea,
  options: { readonly what: string; readonly maxBytes: number },
): Promise<StagedFile> {
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/octet-stream')
    throw new AppError(
      'UNSUPPORTED_MEDIA_TYPE',
      `Content type is '${type ?? 'absent'}'; send application/octet-stream or multipart/form-data.`,
    );
  if (Number(request.headers['content-length'] ?? 0) > options.maxBytes) throw tooLarge(options);
  try {
    return await area.receive(request.body as Readable, options);
  } catch (error) {
    if (error instanceof AppError) throw error;
    if (isPrematureClose(error))
      throw new AppError(
        'INVALID_REQUEST',
        `The ${options.what} ended before its Content-Length.`,
        {},
        { cause: error },
      );
    throw error;
  }
}

function isPrematureClose(error: unknown): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    (error.code === 'ERR_STREAM_PREMATURE_CLOSE' || error.code === 'ECONNRESET')
  );
}
