import helmet from '@fastify/helmet';
import multipart from '@fastify/multipart';
import rateLimit from '@fastify/rate-limit';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { AppError, fromProblem, present } from '../base/index.ts';
import { guard } from './access.ts';
import { parseJson } from './jsonBody.ts';
import { documentedRoutes, openapiDocument, type DocumentedRoute } from './openapiDocument.ts';
import type { App } from './operation.ts';
import { PROBLEM_TYPE, problemDocument, problemOf, RETRY_AFTER_SECONDS } from './problem.ts';
import { protocolPlugin } from './protocol/routes.ts';
import { datasetRoutes } from './routes/datasets.ts';
import { serviceRoutes } from './routes/engine.ts';
import { jobRoutes } from './routes/jobs.ts';
import { modelRoutes } from './routes/models.ts';
import { predictRoute } from './routes/predict.ts';
import { reportRoutes } from './routes/reports.ts';
import { uploadRoutes } from './routes/uploads.ts';
import { whitepaperRoutes } from './routes/whitepaper.ts';
import type { HttpServices } from './services.ts';
import { acceptRawStreams } from './uploads/raw.ts';

/** JSON bodies of /v1: names, a recipe, ids. */
const MAX_JSON_BYTES = 1_048_576;

/** Registers everything that is answered, but for the page. */
export async function registerHttp(instance: FastifyInstance, services: HttpServices): Promise<void> {
  const app = instance.withTypeProvider<ZodTypeProvider>();
  const routes: DocumentedRoute[] = [];
  app.addHook('onRoute', (route) => {
    routes.push(...documentedRoutes(route));
  });
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  problems(app);
  guard(instance, services.access);
  lifecycle(instance, services);
  await app.register(helmet, {
    contentSecurityPolicy: pagePolicy,
    crossOriginEmbedderPolicy: false,
    strictTransportSecurity: false,
  });
  await app.register(rateLimit, {
    global: false,
    errorResponseBuilder: (_request, { max }) =>
      new AppError('TOO_MANY_REQUESTS', `At most ${max} uploads and jobs a minute are allowed; try again later.`),
  });
  await app.register(multipart, { throwFileSizeLimit: true });
  parseJsonBodies(instance);

  await app.register(async (scope: App) => {
    acceptRawStreams(scope);
    uploadRoutes(scope, services);
    datasetRoutes(scope, services);
  });
  await app.register(async (scope: App) => {
    scope.addContentTypeParser(
      '*',
      { parseAs: 'buffer', bodyLimit: services.limits.imageBytes },
      (_request, body, done) => {
        done(null, body);
      },
    );
    predictRoute(scope, services);
  });
  modelRoutes(app, services);
  reportRoutes(app, services);
  jobRoutes(app, services);
  whitepaperRoutes(app, services);
  serviceRoutes(app, services);
  await app.register(async (scope: App) => protocolPlugin(scope, services));
  if (services.docs) await serveDocument(app, routes, services.version);
}

/** Same-origin scripts and styles only; nothing is ever loaded from another host. */
const pagePolicy = {
  useDefaults: false,
  directives: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    imgSrc: ["'self'", 'data:', 'blob:'],
    connectSrc: ["'self'"],
    fontSrc: ["'self'"],
    formAction: ["'self'"],
    baseUri: ["'none'"],
    frameAncestors: ["'none'"],
  },
};

function parseJsonBodies(app: FastifyInstance): void {
  app.removeContentTypeParser(['application/json', 'text/plain']);
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer', bodyLimit: MAX_JSON_BYTES },
    (_request, body, done) => {
      try {
        done(null, parseJson(body as Buffer, 'request body'));
      } catch (error) {
        done(error as Error);
      }
    },
  );
}

/** Every refusal and failure as a problem document. */
function problems(app: App): void {
  app.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error);
    const { kind, retryable } = fromProblem(problem);
    if (kind === 'internal') request.log.error({ err: error }, 'request failed');
    if (retryable) void reply.header('retry-after', RETRY_AFTER_SECONDS);
    // What is left of a refused upload is not read: the connection ends with the answer.
    if (kind === 'tooLarge') void reply.header('connection', 'close');
    const document = problemDocument(problem, request.id);
    return reply.code(document.status).type(PROBLEM_TYPE).send(JSON.stringify(document));
  });
  app.setNotFoundHandler((request) => {
    throw new AppError(
      'ROUTE_NOT_FOUND',
      `There is no ${request.method} ${request.url.split('?')[0]?.slice(0, 200) ?? ''}.`,
    );
  });
}

/** Request ids, metrics, and an orderly end. */
function lifecycle(app: FastifyInstance, services: HttpServices): void {
  app.addHook('onRequest', async (request, reply) => {
    void reply.header('x-request-id', request.id);
    if (services.stopping.aborted && request.routeOptions.config.operation?.open !== true)
      throw new AppError('SERVICE_STOPPING', 'The service is stopping; send the request to another one.');
  });
  app.addHook('onSend', async (_request, reply) => {
    // A busy keep-alive connection would otherwise hold the process open for its whole idle time.
    if (services.stopping.aborted) void reply.header('connection', 'close');
  });
  app.addHook('onResponse', async (request, reply) => {
    services.serving.metrics.http.observe(
      {
        http_request_method: request.method,
        http_route: request.routeOptions.url ?? '_unknown',
        http_response_status_code: String(reply.statusCode),
      },
      reply.elapsedTime / 1_000,
    );
  });
}

/** The one inline style of Swagger UI, which is put on an element as an attribute: by its hash, and on no other page. */
const DOCS_STYLE = "'unsafe-hashes' 'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='";

/** /openapi.json and the browsable /docs; its assets come from the package, not from the network. */
async function serveDocument(app: App, routes: readonly DocumentedRoute[], version: string): Promise<void> {
  let document: object | undefined;
  const build = () => (document ??= openapiDocument(routes, version));
  app.get('/openapi.json', async (_request, reply) =>
    reply.type('application/json; charset=utf-8').send(JSON.stringify(build())),
  );
  await app.register(swagger, { mode: 'static', specification: { document: present(build(), 'document') as never } });
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    transformStaticCSP: (policy) => policy.replace("style-src 'self'", `style-src 'self' ${DOCS_STYLE}`),
  });
}
