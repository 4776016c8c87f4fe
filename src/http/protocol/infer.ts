import { departureOf } from '../departure.ts';
import { inferenceErrors } from '../errorGroups.ts';
import { operation, type App } from '../operation.ts';
import { serverTiming } from '../routes/predict.ts';
import type { HttpServices } from '../services.ts';
import { bodyBytes, sendEncoded } from './body.ts';
import { readInferRequest, type InferRequest } from './inferRequest.ts';
import { writeInferResponse } from './inferResponse.ts';
import { protocolOperation, versioned } from './shared.ts';
import { inferRequest, inferResponse } from './schemas.ts';

const JSON_LENGTH_HEADER = 'inference-header-content-length';

export function inferRoutes(app: App, services: HttpServices): void {
  for (const { path, suffix, params } of versioned) {
    app.post(
      `${path}/infer`,
      operation(
        { params },
        protocolOperation({
          operationId: `infer${suffix}`,
          summary: 'Run the network on tensors',
          description:
            'JSON, or JSON and binary tensors behind it (Inference-Header-Content-Length), or with that header 0 one raw ' +
            'tensor. gzip and deflate are understood both ways. No Content-Type is needed.',
          requestBody: {
            required: true,
            content: { 'application/json': inferRequest, 'application/octet-stream': 'binary' },
          },
          answers: {
            200: {
              description: 'The outputs',
              content: { 'application/json': inferResponse, 'application/octet-stream': 'binary' },
              headers: ['Inference-Header-Content-Length', 'Server-Timing'],
            },
          },
          errors: [...inferenceErrors, 'UNSUPPORTED_MEDIA_TYPE'],
        }),
      ),
      async (request, reply) => {
        const body = await bodyBytes(request, services.limits.inferBytes);
        const header = request.headers[JSON_LENGTH_HEADER];
        let read: InferRequest | undefined;
        const served = await services.serving.serve(request.params.name, request.params.version, {
          protocol: 'v2',
          signal: departureOf(reply),
          async preprocess(version) {
            read = readInferRequest(body, header === undefined ? undefined : String(header), version.summary);
            return read.feeds;
          },
          postprocess: (outputs, version) => writeInferResponse(read as InferRequest, outputs, version),
        });
        const { bytes, jsonLength } = served.value;
        void reply.header('server-timing', serverTiming(served));
        if (jsonLength === undefined) void reply.type('application/json; charset=utf-8');
        else void reply.type('application/octet-stream').header(JSON_LENGTH_HEADER, jsonLength);
        return sendEncoded(request, reply, bytes);
      },
    );
  }
}
