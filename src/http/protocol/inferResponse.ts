import { AppError } from '../../base/index.ts';
import { executorOf, topK } from '../../serving/index.ts';
import type { VersionRecord } from '../../store/index.ts';
import type { Tensor, TensorMap } from '../../tensor/index.ts';
import { datatypeOf, jsonData, tensorBytes } from './datatypes.ts';
import type { InferRequest, RequestedOutput } from './inferRequest.ts';

export interface InferResponse {
  readonly bytes: Uint8Array;
  /** Bytes of JSON in front; absent when all of it is JSON. */
  readonly jsonLength: number | undefined;
}

/** Renders the outputs that were asked for: JSON, with the binary ones behind it in order. */
export function writeInferResponse(request: InferRequest, outputs: TensorMap, version: VersionRecord): InferResponse {
  const wanted: readonly RequestedOutput[] =
    request.outputs.length > 0
      ? request.outputs
      : version.summary.outputs.map(({ name }) => ({ name, binary: request.binaryByDefault, classification: 0 }));
  const tails: Uint8Array[] = [];
  const described = wanted.map((output) => {
    const value = outputs.get(output.name);
    if (value === undefined) throw new AppError('INTERNAL', 'An output is missing.');
    const rendered = output.classification > 0 ? classify(value, output, version.labels) : plain(value, output);
    if (rendered.tail === undefined) return rendered.json;
    tails.push(rendered.tail);
    return { ...rendered.json, parameters: { binary_data_size: rendered.tail.length } };
  });
  const json = Buffer.from(
    JSON.stringify({
      model_name: version.model,
      model_version: String(version.version),
      ...(request.id === undefined ? {} : { id: request.id }),
      parameters: { executor: executorOf(version) },
      outputs: described,
    }),
  );
  if (tails.length === 0) return { bytes: json, jsonLength: undefined };
  return { bytes: Buffer.concat([json, ...tails]), jsonLength: json.length };
}

interface Rendered {
  readonly json: Readonly<Record<string, unknown>>;
  readonly tail?: Uint8Array;
}

function plain(value: Tensor, { name, binary }: RequestedOutput): Rendered {
  const json = { name, datatype: datatypeOf(value.dtype), shape: value.shape };
  return binary ? { json, tail: tensorBytes(value) } : { json: { ...json, data: jsonData(value) } };
}

/** BYTES [batch, k] of `value:index[:label]`, the batch being dimension 0 and the classes all others. */
function classify(value: Tensor, output: RequestedOutput, labels: readonly string[] | undefined): Rendered {
  const [batch = 1] = value.shape;
  const all = Array.from(value.data as ArrayLike<number | bigint>, Number);
  const classes = all.length / batch;
  const k = Math.min(output.classification, classes);
  const strings: string[] = [];
  for (let sample = 0; sample < batch; sample++) {
    for (const { index, score } of topK(all.slice(sample * classes, (sample + 1) * classes), k)) {
      const label = labels?.[index];
      strings.push(`${score}:${index}${label === undefined ? '' : `:${label}`}`);
    }
  }
  const json = { name: output.name, datatype: 'BYTES', shape: [batch, k] };
  return output.binary ? { json, tail: bytesTensor(strings) } : { json: { ...json, data: strings } };
}

/** Each element is its length (uint32, little-endian) and its bytes. */
function bytesTensor(strings: readonly string[]): Uint8Array {
  return Buffer.concat(
    strings.flatMap((text) => {
      const bytes = Buffer.from(text, 'utf8');
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      return [length, bytes];
    }),
  );
}
