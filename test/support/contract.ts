import { fileURLToPath } from 'node:url';
import swagger from '@fastify/swagger';
import { Ajv2020 } from 'ajv/dist/2020.js';
import Fastify, { type LightMyRequestResponse } from 'fastify';
import { expect } from 'vitest';

interface ResponseObject {
  readonly description: string;
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly content?: Readonly<Record<string, { readonly schema?: object }>>;
  readonly 'x-error-codes'?: readonly string[];
}

interface OperationObject {
  readonly operationId: string;
  readonly responses: Readonly<Record<string, ResponseObject>>;
}

export interface OpenapiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, OperationObject>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

const file = fileURLToPath(new URL('../../openapi/openapi.yaml', import.meta.url));

/** The committed document, read as a user would. */
export async function readOpenapi(): Promise<OpenapiDocument> {
  const app = Fastify();
  await app.register(swagger, { mode: 'static', specification: { path: file, baseDir: '/' } });
  await app.ready();
  const document = app.swagger();
  await app.close();
  return document as unknown as OpenapiDocument;
}

export interface Exchange {
  readonly method: string;
  readonly url: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string | number | string[] | undefined>>;
  readonly body: Buffer;
}

export function exchangeOf(response: LightMyRequestResponse): Exchange {
  const { method = 'GET', url = '/' } = response.raw.req;
  return { method, url, status: response.statusCode, headers: response.headers, body: response.rawPayload };
}

/** Holds answers to the committed document, and remembers which operations were seen. */
export class Contract {
  readonly document: OpenapiDocument;
  readonly exercised = new Set<string>();
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true });
  readonly #paths: { readonly pattern: RegExp; readonly path: string }[];

  constructor(document: OpenapiDocument) {
    this.document = document;
    this.#ajv.addSchema(document, 'openapi');
    // Fixed paths before those with parameters, as the router has it.
    this.#paths = Object.keys(document.paths)
      .sort((a, b) => a.split('{').length - b.split('{').length)
      .map((path) => ({
        path,
        pattern: new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{[^}]+\}/g, '[^/]+')}$`),
      }));
  }

  /** Status, content type, headers, body and error code are all declared for this operation. */
  expect(exchange: Exchange): void {
    const { path, method, operation } = this.#operation(exchange);
    const what = `${exchange.method} ${exchange.url} -> ${exchange.status} ${exchange.body.toString('utf8', 0, 300)}`;
    this.exercised.add(operation.operationId);
    const response = operation.responses[String(exchange.status)];
    expect(response, `${what}: status is not declared`).toBeDefined();
    for (const name of Object.keys(response?.headers ?? {}).filter((header) => !optionalHeaders.has(header)))
      expect(exchange.headers[name.toLowerCase()], `${what}: header ${name}`).toBeDefined();
    if (exchange.method === 'HEAD') return;
    const type = String(exchange.headers['content-type'] ?? '').split(';')[0] ?? '';
    const types = Object.keys(response?.content ?? {});
    if (types.length === 0) expect(exchange.body.length, `${what}: no body is declared`).toBe(0);
    else expect(types, `${what}: content type`).toContain(type);
    if (response?.content?.[type]?.schema !== undefined && type.endsWith('json')) {
      const pointer = ['paths', path, method, 'responses', String(exchange.status), 'content', type, 'schema']
        .map(escapePointer)
        .join('/');
      this.#validate(pointer, JSON.parse(exchange.body.toString('utf8')), what);
    }
    const codes = response?.['x-error-codes'];
    if (codes !== undefined) expect(codes, `${what}: error code`).toContain(errorCode(exchange));
  }

  #validate(pointer: string, body: unknown, what: string): void {
    const validate = this.#ajv.compile({ $ref: `openapi#/${pointer}` });
    expect(validate(body), `${what}: ${this.#ajv.errorsText(validate.errors)}`).toBe(true);
  }

  #operation({ method, url }: Exchange) {
    const pathname = url.split('?')[0] ?? '';
    const found = this.#paths.find(({ pattern }) => pattern.test(pathname));
    const verb = method === 'HEAD' ? 'get' : method.toLowerCase();
    const operation = found === undefined ? undefined : this.document.paths[found.path]?.[verb];
    if (found === undefined || operation === undefined) throw new Error(`${method} ${url} is not documented`);
    return { path: found.path, method: verb, operation };
  }
}

/** Sent only where the content calls for them. */
const optionalHeaders = new Set(['Inference-Header-Content-Length']);

function errorCode({ headers, body }: Exchange): unknown {
  return headers['octet-error-code'] ?? (JSON.parse(body.toString('utf8')) as { code?: unknown }).code;
}

function escapePointer(step: string): string {
  return encodeURIComponent(step.replaceAll('~', '~0').replaceAll('/', '~1'));
}
