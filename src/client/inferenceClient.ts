import {
  decodeResponse,
  encodeRequest,
  JSON_LENGTH_HEADER,
  type DecodedResponse,
  type EncodeOptions,
} from './codec.ts';
import type { ProtocolTensor } from './datatypes.ts';

export interface ClientOptions {
  readonly token?: string;
  readonly fetch?: typeof fetch;
}

/** An answer that is not success, with the words of the server. */
export class InferenceClientError extends Error {
  override readonly name = 'InferenceClientError';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Client of the Open Inference Protocol over HTTP, with binary tensors. Works with any server that speaks it. */
export class InferenceClient {
  readonly #url: string;
  readonly #fetch: typeof fetch;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(url: string, options: ClientOptions = {}) {
    this.#url = url.replace(/\/+$/, '');
    this.#fetch = options.fetch ?? fetch;
    this.#headers = options.token === undefined ? {} : { authorization: `Bearer ${options.token}` };
  }

  async isReady(model?: string, version?: string): Promise<boolean> {
    const path = model === undefined ? '/v2/health/ready' : `${modelPath(model, version)}/ready`;
    return (await this.#request(path)).ok;
  }

  async metadata(model: string, version?: string): Promise<unknown> {
    return (await this.#checked(modelPath(model, version))).json();
  }

  async infer(
    model: string,
    inputs: Readonly<Record<string, ProtocolTensor>>,
    options: EncodeOptions & { readonly version?: string } = {},
  ): Promise<DecodedResponse> {
    const { body, headers } = encodeRequest(inputs, options);
    const response = await this.#checked(`${modelPath(model, options.version)}/infer`, {
      method: 'POST',
      body,
      headers,
    });
    return decodeResponse(new Uint8Array(await response.arrayBuffer()), response.headers.get(JSON_LENGTH_HEADER));
  }

  async #checked(
    path: string,
    init: { method?: string; body?: Uint8Array<ArrayBuffer>; headers?: Readonly<Record<string, string>> } = {},
  ) {
    const response = await this.#request(path, init);
    if (response.ok) return response;
    const text = await response.text();
    throw new InferenceClientError(response.status, errorText(text) ?? `${response.status} ${response.statusText}`);
  }

  #request(
    path: string,
    init: { method?: string; body?: Uint8Array<ArrayBuffer>; headers?: Readonly<Record<string, string>> } = {},
  ) {
    return this.#fetch(`${this.#url}${path}`, { ...init, headers: { ...this.#headers, ...init.headers } });
  }
}

function modelPath(model: string, version: string | undefined): string {
  const path = `/v2/models/${encodeURIComponent(model)}`;
  return version === undefined ? path : `${path}/versions/${encodeURIComponent(version)}`;
}

function errorText(body: string): string | undefined {
  try {
    return (JSON.parse(body) as { error?: string }).error;
  } catch {
    return undefined;
  }
}
