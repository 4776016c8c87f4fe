import { z } from 'zod';
import type { FastifyRequest } from 'fastify';
import { AppError } from '../../base/index.ts';
import {
  classScores,
  executorOf,
  imageFeeds,
  isDistribution,
  softmax,
  topK,
  type Served,
  type StageTimes,
} from '../../serving/index.ts';
import type { VersionRecord } from '../../store/index.ts';
import type { TensorMap } from '../../tensor/index.ts';
import { departureOf } from '../departure.ts';
import { inferenceErrors } from '../errorGroups.ts';
import { modelName, versionSelector } from '../names.ts';
import { operation, type App } from '../operation.ts';
import { datatypeOf, jsonData } from '../protocol/datatypes.ts';
import { predictionSchema } from '../schemas/inference.ts';
import type { HttpServices } from '../services.ts';
import { multipartError } from '../uploads/multipart.ts';

const query = z.object({
  top_k: z.coerce.number().int().min(1).max(1_000).default(5).describe('Classes to return'),
  version: versionSelector.optional().describe('Version number or alias; absent: the live one'),
  raw: z.stringbool().default(false).describe('Return the raw outputs too'),
});

/** Content types that curl sends for `-T`, `--data-binary` and its like; the bytes decide what the image is. */
const imageTypes = /^(image\/[a-z0-9.+-]+|application\/octet-stream|application\/x-www-form-urlencoded)$/;

/** Parts that may hold the image. */
const imageParts = ['image', 'data', 'file'];

/** An image in, classes or raw outputs out. */
export function predictRoute(app: App, services: HttpServices): void {
  app.post(
    '/v1/models/:name/predict',
    operation(
      { params: z.object({ name: modelName }), querystring: query, response: { 200: predictionSchema } },
      {
        operationId: 'predict',
        tag: 'inference',
        summary: 'Classify an image, or run it through any network',
        description:
          "The image is the raw body (JPEG, PNG, WebP) or the multipart part `image`; it goes through the version's stored preprocessing. " +
          'A network whose only output is [batch, K] is a classifier: its scores are shown as they are when they already are a ' +
          'distribution (none negative, sum 1), else through softmax. Other networks answer with raw outputs.',
        requestBody: {
          required: true,
          content: {
            'image/jpeg': 'binary',
            'image/png': 'binary',
            'image/webp': 'binary',
            'application/octet-stream': 'binary',
            'multipart/form-data': z.object({ image: z.string().describe('The image file') }),
          },
        },
        answers: { 200: { description: 'The prediction', headers: ['Server-Timing'] } },
        errors: [
          ...inferenceErrors,
          'IMAGE_MALFORMED',
          'IMAGE_TOO_LARGE',
          'IMAGES_UNAVAILABLE',
          'PREPROCESSING_INVALID',
          'SAMPLE_MISMATCH',
          'INVALID_MULTIPART',
          'MISSING_PART',
          'UNKNOWN_PART',
          'UNSUPPORTED_MEDIA_TYPE',
        ],
      },
    ),
    async (request, reply) => {
      const image = await readImage(request, services.limits.imageBytes);
      const { top_k: k, version, raw } = request.query;
      const served = await services.serving.serve(request.params.name, version, {
        protocol: 'predict',
        signal: departureOf(reply),
        preprocess: (found) => imageFeeds(image, found),
        postprocess: (outputs, found) => interpret(outputs, found, { k, raw }),
      });
      return reply.header('server-timing', serverTiming(served)).send(present(served));
    },
  );
}

async function readImage(request: FastifyRequest, maxBytes: number): Promise<Uint8Array> {
  if (request.isMultipart()) return readImagePart(request, maxBytes);
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  if (type === undefined || !imageTypes.test(type))
    throw new AppError(
      'UNSUPPORTED_MEDIA_TYPE',
      `Content type is '${type ?? 'absent'}'; send the image as image/jpeg, image/png, image/webp, application/octet-stream or multipart/form-data.`,
    );
  if (!(request.body instanceof Uint8Array) || request.body.length === 0)
    throw new AppError('IMAGE_MALFORMED', 'The body is empty; send an image.');
  return request.body;
}

async function readImagePart(request: FastifyRequest, maxBytes: number): Promise<Uint8Array> {
  let image: Buffer | undefined;
  try {
    for await (const part of request.parts({ limits: { files: 1, fields: 0, parts: 2, fileSize: maxBytes } })) {
      if (part.type !== 'file' || !imageParts.includes(part.fieldname))
        throw new AppError('UNKNOWN_PART', `Part '${part.fieldname}' is not known; send the file as part 'image'.`, {
          part: part.fieldname,
        });
      image = await part.toBuffer();
    }
  } catch (error) {
    throw multipartError(error);
  }
  if (image === undefined) throw new AppError('MISSING_PART', "Part 'image' is missing.", { part: 'image' });
  return image;
}

interface Interpretation {
  readonly scores?: 'softmax' | 'network';
  readonly classes?: { index: number; label: string | undefined; score: number }[];
  readonly outputs?: { name: string; datatype: string; shape: readonly number[]; data: (number | boolean)[] }[];
}

function interpret(outputs: TensorMap, version: VersionRecord, options: { k: number; raw: boolean }): Interpretation {
  const [only] = outputs.size === 1 ? outputs.values() : [];
  const values = only === undefined ? undefined : classScores(only);
  const raw = values === undefined || options.raw ? { outputs: rawOutputs(outputs, version) } : {};
  if (values === undefined) return raw;
  const isNetwork = isDistribution(values);
  const best = topK(isNetwork ? values : softmax(values), options.k);
  const classes = best.map(({ index, score }) => ({ index, label: version.labels?.[index], score }));
  return { scores: isNetwork ? 'network' : 'softmax', classes, ...raw };
}

function rawOutputs(outputs: TensorMap, version: VersionRecord) {
  return version.summary.outputs.flatMap(({ name }) => {
    const output = outputs.get(name);
    if (output === undefined) return [];
    return [{ name, datatype: datatypeOf(output.dtype), shape: output.shape, data: jsonData(output) }];
  });
}

function present({ value, version, times, totalMs }: Served<Interpretation>) {
  return {
    model: version.model,
    version: version.version,
    kind: version.kind,
    executor: executorOf(version),
    ...value,
    timing: {
      queueMs: round(times.queue),
      preprocessMs: round(times.preprocess),
      computeMs: round(times.compute),
      postprocessMs: round(times.postprocess),
      totalMs: round(totalMs),
    },
  };
}

const round = (ms: number): number => Math.round(ms * 1_000) / 1_000;

/** W3C Server Timing: durations in milliseconds. */
export function serverTiming({ times, totalMs }: { readonly times: StageTimes; readonly totalMs: number }): string {
  const entries = [...Object.entries(times), ['total', totalMs] as const];
  return entries.map(([name, ms]) => `${name};dur=${ms.toFixed(3)}`).join(', ');
}
