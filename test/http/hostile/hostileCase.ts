import type { InjectOptions } from 'fastify';
import type { ErrorCode } from '../../../src/base/index.ts';
import { multipart, octets, type Part } from '../../support/service.ts';

/** What is sent, and to whom. */
export type Sending =
  | { readonly kind: 'model'; readonly file: Buffer }
  | { readonly kind: 'version'; readonly parts: readonly Part[] }
  | { readonly kind: 'dataset'; readonly file: Buffer }
  | { readonly kind: 'quantize'; readonly parts: readonly Part[] }
  | { readonly kind: 'predict'; readonly file: Buffer; readonly type?: string }
  | { readonly kind: 'raw'; readonly request: InjectOptions };

export interface HostileCase {
  readonly group: string;
  readonly what: string;
  readonly send: Sending | (() => Promise<Sending>);
  /** Codes, one of which it must get: where a broken file is first noticed may move, that it is refused may not. */
  readonly answers: readonly ErrorCode[];
}

export const modelUpload = (file: Buffer): Sending => ({ kind: 'model', file });

export async function requestOf(sending: Sending): Promise<InjectOptions> {
  switch (sending.kind) {
    case 'model':
      return { method: 'POST', url: '/v1/models/hostile/versions', ...octets(sending.file) };
    case 'version':
      return { method: 'POST', url: '/v1/models/hostile/versions', ...(await multipart(sending.parts)) };
    case 'dataset':
      return { method: 'POST', url: '/v1/datasets', ...octets(sending.file) };
    case 'quantize':
      return { method: 'POST', url: '/v1/quantize', ...(await multipart(sending.parts)) };
    case 'predict':
      return {
        method: 'POST',
        url: '/v1/models/honest/predict',
        payload: sending.file,
        headers: { 'content-type': sending.type ?? 'image/png' },
      };
    case 'raw':
      return sending.request;
  }
}
