import type { RouteOptions } from 'fastify';
import { z } from 'zod';
import { errorCatalogue, fromProblem, type ErrorCode } from '../base/index.ts';
import { commonErrors } from './errorGroups.ts';
import { responseHeaders, type Content, type OperationDocument, type OperationSchema } from './operation.ts';
import { statusOf } from './problem.ts';
import { protocolStatus } from './protocol/errors.ts';
import { problemSchema, protocolErrorSchema } from './schemas/shared.ts';

type Json = { [key: string]: unknown };

/** A registered route that is documented. */
export interface DocumentedRoute {
  readonly method: string;
  readonly url: string;
  readonly schema: OperationSchema;
  readonly operation: OperationDocument;
}

/** The documented routes of one registration; HEAD is part of GET. */
export function documentedRoutes(route: RouteOptions): DocumentedRoute[] {
  const document = route.config?.operation;
  if (document === undefined) return [];
  const schema = (route.schema ?? {}) as OperationSchema;
  const methods = Array.isArray(route.method) ? route.method : [route.method];
  return methods
    .filter((method) => method !== 'HEAD')
    .map((method) => ({ method: method.toLowerCase(), url: route.url, schema, operation: document }));
}

/** The OpenAPI 3.1 document of all routes; its schemas are the ones that validate and serialize. */
export function openapiDocument(routes: readonly DocumentedRoute[], version: string): Json {
  const components = new Components();
  const paths: Record<string, Json> = {};
  for (const route of [...routes].sort((a, b) => a.url.localeCompare(b.url, 'en'))) {
    const path = route.url.replaceAll(/:([a-z]+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method]: describeOperation(route, components) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Octet',
      version,
      description:
        'Upload a float CNN, get an int8 endpoint. Errors under /v1 are RFC 9457 problem documents with a stable `code`; ' +
        'under /v2 they are `{"error": "..."}` with the code in the header `octet-error-code`.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: tags.map(([name, description]) => ({ name, description })),
    security: [{ token: [] }, {}],
    paths,
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'Needed beyond loopback' } },
      schemas: components.sorted(),
    },
  };
}

const tags = [
  ['models', 'Models, versions, aliases, files, reports'],
  ['datasets', 'Calibration and evaluation sets'],
  ['jobs', 'Quantization'],
  ['inference', 'Images in, classes out'],
  ['protocol', 'Open Inference Protocol (KServe V2, Triton)'],
  ['service', 'The service itself'],
] as const;

/** Collects named schemas; one that differs as input and output gets two names. */
class Components {
  readonly #schemas = new Map<string, Json>();

  schema(schema: z.ZodType, io: 'input' | 'output'): Json {
    const { $defs = {}, ...root } = z.toJSONSchema(schema, { io, target: 'draft-2020-12' }) as Json & {
      $defs?: Record<string, Json>;
    };
    delete root['$schema'];
    const rename = (id: string) => (io === 'input' ? `${id}Input` : id);
    for (const [id, definition] of Object.entries($defs)) this.#schemas.set(rename(id), rewrite(definition, rename));
    return rewrite(root, rename);
  }

  sorted(): Json {
    return Object.fromEntries([...this.#schemas].sort(([a], [b]) => a.localeCompare(b, 'en')));
  }
}

/** Points `#/$defs/X` at the component X. */
function rewrite(value: unknown, rename: (id: string) => string): Json {
  const walk = (item: unknown): unknown => {
    if (Array.isArray(item)) return item.map(walk);
    if (typeof item !== 'object' || item === null) return item;
    return Object.fromEntries(
      Object.entries(item).map(([key, child]) => {
        const id = key === '$ref' && typeof child === 'string' ? /^#\/\$defs\/(.*)$/.exec(child)?.[1] : undefined;
        return id === undefined ? [key, walk(child)] : [key, `#/components/schemas/${rename(id)}`];
      }),
    );
  };
  return walk(value) as Json;
}

function describeOperation(route: DocumentedRoute, components: Components): Json {
  const { operation, schema } = route;
  const requestBody = describeRequestBody(operation, schema, components);
  return {
    operationId: operation.operationId,
    tags: [operation.tag],
    summary: operation.summary,
    ...(operation.description === undefined ? {} : { description: operation.description }),
    ...(operation.open === true ? { security: [] } : {}),
    parameters: describeParameters(route, components),
    ...(requestBody === undefined ? {} : { requestBody }),
    responses: { ...describeAnswers(operation, schema, components), ...describeErrors(operation, components) },
  };
}

function describeParameters({ schema, url }: DocumentedRoute, components: Components): Json[] {
  const places = [
    ['path', schema.params],
    ['query', schema.querystring],
    ['header', schema.headers],
  ] as const;
  return places.flatMap(([place, object]) => {
    if (object === undefined) return [];
    return Object.entries(object.shape)
      .filter(([name]) => place !== 'path' || url.includes(`:${name}`))
      .map(([name, field]) => {
        const { description, ...plain } = components.schema(field as z.ZodType, 'input');
        const required = place === 'path' || !(field as z.ZodType).safeParse(undefined).success;
        return { name, in: place, required, ...(description === undefined ? {} : { description }), schema: plain };
      });
  });
}

function describeRequestBody(
  operation: OperationDocument,
  schema: OperationSchema,
  components: Components,
): Json | undefined {
  if (operation.requestBody !== undefined)
    return {
      required: operation.requestBody.required,
      content: describeContent(operation.requestBody.content, 'input', components),
    };
  if (schema.body === undefined) return undefined;
  return { required: true, content: { 'application/json': { schema: components.schema(schema.body, 'input') } } };
}

function describeContent(content: Content, io: 'input' | 'output', components: Components): Json {
  return Object.fromEntries(
    Object.entries(content).map(([type, schema]) => [
      type,
      schema === 'binary' ? {} : { schema: components.schema(schema, io) },
    ]),
  );
}

function describeAnswers(operation: OperationDocument, schema: OperationSchema, components: Components): Json {
  return Object.fromEntries(
    Object.entries(operation.answers).map(([status, answer]) => {
      const json = schema.response?.[Number(status)];
      const content =
        answer.content !== undefined
          ? describeContent(answer.content, 'output', components)
          : json === undefined
            ? undefined
            : { 'application/json': { schema: components.schema(json, 'output') } };
      const headers = Object.fromEntries(
        (answer.headers ?? []).map((name) => [
          name,
          { description: responseHeaders[name], schema: { type: 'string' } },
        ]),
      );
      return [
        status,
        {
          description: answer.description,
          ...(answer.headers === undefined ? {} : { headers }),
          ...(content === undefined ? {} : { content }),
        },
      ];
    }),
  );
}

/** One answer per status, listing its codes. */
function describeErrors(operation: OperationDocument, components: Components): Json {
  const byStatus = new Map<number, Set<ErrorCode>>();
  const isProtocol = operation.protocolErrors === true;
  for (const code of [...operation.errors, ...commonErrors]) {
    const status = isProtocol ? protocolStatus(errorCatalogue[code].kind) : statusOf(code);
    byStatus.set(status, (byStatus.get(status) ?? new Set()).add(code));
  }
  const schema = components.schema(isProtocol ? protocolErrorSchema : problemSchema, 'output');
  const type = isProtocol ? 'application/json' : 'application/problem+json';
  return Object.fromEntries(
    [...byStatus]
      .sort(([a], [b]) => a - b)
      .filter(([status]) => operation.answers[status] === undefined)
      .map(([status, codes]) => {
        const list = [...codes].sort();
        const description = list
          .map((code) => `\`${code}\`: ${fromProblem({ code, detail: '', params: {} }).title}`)
          .join('. ');
        return [
          String(status),
          { description: `${description}.`, 'x-error-codes': list, content: { [type]: { schema } } },
        ];
      }),
  );
}
