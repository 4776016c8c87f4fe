import { elementsFromJson, elementsOf, isDatatype, type BytesTensor, type ProtocolTensor } from './datatypes.ts';

/** Header that says where the JSON ends and the binary tensors begin. */
export const JSON_LENGTH_HEADER = 'inference-header-content-length';

export interface EncodedRequest {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly headers: Readonly<Record<string, string>>;
}

export interface EncodeOptions {
  readonly id?: string | undefined;
  /** Output name to what is wanted of it; all tensors when absent. */
  readonly outputs?: Readonly<Record<string, { readonly classification?: number }>> | undefined;
}

/**
 * An inference request: JSON, then the tensors' bytes in order.
 *
 * Source: Triton, docs/protocol/extension_binary_data.md.
 */
export function encodeRequest(
  inputs: Readonly<Record<string, ProtocolTensor>>,
  options: EncodeOptions = {},
): EncodedRequest {
  const tails: Uint8Array[] = [];
  const described = Object.entries(inputs).map(([name, { datatype, shape, data }]) => {
    tails.push(new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength));
    return { name, datatype, shape, parameters: { binary_data_size: data.byteLength } };
  });
  const outputs = Object.entries(options.outputs ?? {}).map(([name, { classification }]) => ({
    name,
    parameters: classification === undefined ? { binary_data: true } : { binary_data: true, classification },
  }));
  const json = new TextEncoder().encode(
    JSON.stringify({
      ...(options.id === undefined ? {} : { id: options.id }),
      parameters: { binary_data_output: true },
      inputs: described,
      ...(outputs.length === 0 ? {} : { outputs }),
    }),
  );
  return {
    body: concat([json, ...tails]),
    headers: { 'content-type': 'application/octet-stream', [JSON_LENGTH_HEADER]: String(json.length) },
  };
}

export interface DecodedResponse {
  readonly model: string;
  readonly version: string;
  readonly id: string | undefined;
  readonly outputs: Readonly<Record<string, ProtocolTensor | BytesTensor>>;
}

interface ResponseJson {
  readonly model_name: string;
  readonly model_version?: string;
  readonly id?: string;
  readonly outputs: readonly {
    readonly name: string;
    readonly datatype: string;
    readonly shape: readonly number[];
    readonly parameters?: { readonly binary_data_size?: number };
    readonly data?: readonly (number | boolean | string)[];
  }[];
}

/** @param jsonLength value of the header, absent when the whole body is JSON */
export function decodeResponse(body: Uint8Array, jsonLength: string | null): DecodedResponse {
  const split = jsonLength === null ? body.length : Number(jsonLength);
  const json = JSON.parse(new TextDecoder().decode(body.subarray(0, split))) as ResponseJson;
  const outputs: Record<string, ProtocolTensor | BytesTensor> = {};
  let offset = split;
  for (const { name, datatype, shape, parameters, data } of json.outputs) {
    const size = parameters?.binary_data_size;
    const bytes = size === undefined ? undefined : body.subarray(offset, (offset += size));
    if (offset > body.length) throw new RangeError(`Output '${name}' is longer than the response.`);
    outputs[name] = decodeTensor(datatype, shape, bytes ?? data ?? []);
  }
  return { model: json.model_name, version: json.model_version ?? '', id: json.id, outputs };
}

function decodeTensor(
  datatype: string,
  shape: readonly number[],
  content: Uint8Array | readonly (number | boolean | string)[],
): ProtocolTensor | BytesTensor {
  if (datatype === 'BYTES')
    return { datatype, shape, data: content instanceof Uint8Array ? decodeStrings(content) : content.map(String) };
  if (!isDatatype(datatype)) throw new TypeError(`Datatype '${datatype}' is not known.`);
  const data =
    content instanceof Uint8Array
      ? elementsOf(datatype, content)
      : elementsFromJson(datatype, content as readonly (number | boolean)[]);
  return { datatype, shape, data } as ProtocolTensor;
}

/** Each element is its length (uint32, little-endian) and its bytes. */
function decodeStrings(bytes: Uint8Array): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const strings: string[] = [];
  for (let offset = 0; offset < bytes.length;) {
    const length = view.getUint32(offset, true);
    strings.push(new TextDecoder().decode(bytes.subarray(offset + 4, offset + 4 + length)));
    offset += 4 + length;
  }
  return strings;
}

function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
