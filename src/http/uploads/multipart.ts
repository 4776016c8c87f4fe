import type { FastifyRequest } from 'fastify';
import type { MultipartFile } from '@fastify/multipart';
import type { z } from 'zod';
import { AppError } from '../../base/index.ts';
import { parseJson } from '../jsonBody.ts';
import { describe, type FieldError } from '../problem.ts';
import { tooLarge, type StagedFile, type StagingArea } from './staging.ts';

/** What a multipart body may hold. */
export interface PartRules {
  /** Parts that are staged on disk, with the largest size of each. */
  readonly files: Readonly<Record<string, number>>;
  /** Parts that are short texts; sent as a field or as a file. */
  readonly texts: readonly string[];
  readonly required: readonly string[];
  /** Prefix of file parts that may repeat, and their largest size: external data of a model. */
  readonly external?: number;
}

export interface Parts {
  readonly files: ReadonlyMap<string, StagedFile>;
  readonly texts: ReadonlyMap<string, Buffer>;
  /** By the name that the model refers to. */
  readonly external: ReadonlyMap<string, StagedFile>;
}

const MAX_TEXT_BYTES = 1_048_576;
const MAX_PARTS = 64;

/**
 * Reads a multipart body to its end. Nothing may be accepted before: a cut or broken body throws only then.
 *
 * @throws AppError UNSUPPORTED_MEDIA_TYPE, INVALID_MULTIPART, UNKNOWN_PART, MISSING_PART, UPLOAD_TOO_LARGE
 */
export async function readParts(request: FastifyRequest, area: StagingArea, rules: PartRules): Promise<Parts> {
  requireMultipart(request);
  const files = new Map<string, StagedFile>();
  const texts = new Map<string, Buffer>();
  const external = new Map<string, StagedFile>();
  const limits = {
    parts: MAX_PARTS,
    files: MAX_PARTS,
    fields: MAX_PARTS,
    fieldNameSize: 256,
    fieldSize: MAX_TEXT_BYTES,
    fileSize: Math.max(MAX_TEXT_BYTES, rules.external ?? 0, ...Object.values(rules.files)) + 1,
  };
  try {
    for await (const part of request.parts({ limits })) {
      const name = part.fieldname;
      if (texts.has(name) || files.has(name)) throw invalid(`Part '${name}' is there twice.`);
      if (part.type === 'field') {
        if (part.valueTruncated || part.fieldnameTruncated)
          throw tooLarge({ what: `part '${name}'`, maxBytes: MAX_TEXT_BYTES });
        if (!rules.texts.includes(name)) throw unknownPart(name, rules);
        texts.set(name, Buffer.from(String(part.value), 'utf8'));
      } else await readFilePart(part, { area, rules, files, texts, external });
    }
  } catch (error) {
    throw multipartError(error);
  }
  for (const name of rules.required) {
    if (!files.has(name) && !texts.has(name))
      throw new AppError('MISSING_PART', `Part '${name}' is missing; the body needs ${rules.required.join(', ')}.`, {
        part: name,
      });
  }
  return { files, texts, external };
}

async function readFilePart(
  part: MultipartFile,
  into: {
    area: StagingArea;
    rules: PartRules;
    files: Map<string, StagedFile>;
    texts: Map<string, Buffer>;
    external: Map<string, StagedFile>;
  },
): Promise<void> {
  const { area, rules } = into;
  const name = part.fieldname;
  if (rules.texts.includes(name)) {
    into.texts.set(name, await readText(part));
    return;
  }
  const maxBytes = Object.hasOwn(rules.files, name) ? rules.files[name] : undefined;
  if (maxBytes !== undefined) {
    into.files.set(name, await area.receive(part.file, { what: `part '${name}'`, maxBytes }));
    return;
  }
  const location = externalLocation(part);
  if (rules.external === undefined || location === undefined) throw unknownPart(name, rules);
  if (into.external.has(location)) throw invalid(`External data '${location}' is there twice.`);
  into.external.set(
    location,
    await area.receive(part.file, { what: `external data '${location}'`, maxBytes: rules.external }),
  );
}

/** `external:<location>`, or `external` with the location as the file's name. Only ever compared, never opened. */
function externalLocation(part: MultipartFile): string | undefined {
  if (part.fieldname.startsWith('external:')) return part.fieldname.slice('external:'.length) || undefined;
  return part.fieldname === 'external' && part.filename !== '' ? part.filename : undefined;
}

async function readText(part: MultipartFile): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of part.file as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_TEXT_BYTES) throw tooLarge({ what: `part '${part.fieldname}'`, maxBytes: MAX_TEXT_BYTES });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

export function requireMultipart(request: FastifyRequest): void {
  if (!request.isMultipart())
    throw new AppError(
      'UNSUPPORTED_MEDIA_TYPE',
      `Content type is '${request.headers['content-type'] ?? 'absent'}'; send multipart/form-data.`,
    );
}

/** busboy reports a broken body as a plain error without a code. */
export function multipartError(error: unknown): unknown {
  if (error instanceof AppError || !(error instanceof Error)) return error;
  const { code } = error as { code?: string };
  if (code === undefined || code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE')
    return new AppError(
      'INVALID_MULTIPART',
      `The multipart body is broken: ${error.message.replace(/\.$/, '')}.`,
      {},
      { cause: error },
    );
  return error;
}

function invalid(detail: string): AppError {
  return new AppError('INVALID_MULTIPART', detail);
}

function unknownPart(name: string, rules: PartRules): AppError {
  const allowed = [...Object.keys(rules.files), ...rules.texts, ...(rules.external === undefined ? [] : ['external'])];
  return new AppError('UNKNOWN_PART', `Part '${name}' is not known; allowed: ${allowed.join(', ')}.`, { part: name });
}

/**
 * A text part as JSON of a schema.
 *
 * @throws AppError INVALID_REQUEST with a pointer for each complaint
 */
export function parsePart<T extends z.ZodType>(parts: Parts, name: string, schema: T): z.infer<T> | undefined {
  const bytes = parts.texts.get(name);
  if (bytes === undefined) return undefined;
  return validate(parseJson(bytes, `part '${name}'`), name, schema);
}

export function validate<T extends z.ZodType>(value: unknown, name: string, schema: T): z.infer<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const errors = result.error.issues.map((issue): FieldError => ({
    in: 'body',
    pointer: `/${[name, ...issue.path].map((step) => String(step).replaceAll('~', '~0').replaceAll('/', '~1')).join('/')}`,
    code: issue.code,
    detail: issue.message,
  }));
  throw new AppError('INVALID_REQUEST', describe(errors), { errors });
}
