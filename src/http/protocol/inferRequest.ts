import { AppError } from '../../base/index.ts';
import type { ModelSummary } from '../../store/index.ts';
import { bytesPerElement, elementCount, type Tensor, type TensorMap } from '../../tensor/index.ts';
import { parseJson } from '../jsonBody.ts';
import { shown } from './shown.ts';
import { checkShape, datatypeOf, dtypeOf, tensorFromBytes, tensorFromJson } from './datatypes.ts';

/** How one requested output comes back. */
export interface RequestedOutput {
  readonly name: string;
  readonly binary: boolean;
  /** Classes wanted; 0 is the tensor itself. */
  readonly classification: number;
}

export interface InferRequest {
  readonly id: string | undefined;
  readonly feeds: TensorMap;
  /** Empty: all outputs, each as `binaryByDefault` says. */
  readonly outputs: readonly RequestedOutput[];
  readonly binaryByDefault: boolean;
}

type Json = Readonly<Record<string, unknown>>;

const MAX_TENSORS = 64;

/**
 * Reads an inference request: JSON, or JSON followed by the binary tensors of the inputs that name a
 * `binary_data_size`, or (header length 0) one raw tensor for a network of one input.
 *
 * Source: Open Inference Protocol, inference_rest.md; Triton extension_binary_data.md, extension_classification.md.
 * @throws AppError INFERENCE_INVALID
 */
export function readInferRequest(body: Buffer, headerLength: string | undefined, summary: ModelSummary): InferRequest {
  const jsonLength = checkHeaderLength(headerLength, body.length);
  if (jsonLength === 0) return rawRequest(body, summary);
  const json = asObject(parse(body.subarray(0, jsonLength)), 'The request');
  const binary = new BinaryReader(body.subarray(jsonLength));
  const { id, parameters, inputs, outputs } = json;
  if (id !== undefined && (typeof id !== 'string' || id.length > 1_024))
    throw invalid("'id' must be a string of at most 1024 characters.");
  const feeds = readInputs(inputs, binary);
  binary.end();
  const binaryByDefault = booleanParameter(asParameters(parameters, 'The request'), 'binary_data_output') ?? false;
  return { id, feeds, outputs: readOutputs(outputs, summary, binaryByDefault), binaryByDefault };
}

function parse(bytes: Uint8Array): unknown {
  try {
    return parseJson(bytes, 'request');
  } catch (error) {
    throw error instanceof AppError ? new AppError('INFERENCE_INVALID', error.message) : error;
  }
}

function checkHeaderLength(header: string | undefined, total: number): number {
  if (header === undefined) return total;
  const length = /^[0-9]{1,15}$/.test(header) ? Number(header) : NaN;
  if (!(length <= total))
    throw invalid(`Inference-Header-Content-Length is '${header.slice(0, 40)}', but the body has ${total} bytes.`);
  return length;
}

/** Hands out the binary tensors in the order of the inputs. */
class BinaryReader {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  take(length: number, what: string): Uint8Array {
    const end = this.#offset + length;
    if (end > this.#bytes.length)
      throw invalid(`${what} needs ${length} bytes; ${this.#bytes.length - this.#offset} are left in the body.`);
    const taken = this.#bytes.subarray(this.#offset, end);
    this.#offset = end;
    return taken;
  }

  end(): void {
    if (this.#offset !== this.#bytes.length)
      throw invalid(`The body has ${this.#bytes.length - this.#offset} bytes more than its inputs describe.`);
  }
}

function readInputs(inputs: unknown, binary: BinaryReader): TensorMap {
  if (!Array.isArray(inputs) || inputs.length === 0 || inputs.length > MAX_TENSORS)
    throw invalid(`'inputs' must be an array of 1 to ${MAX_TENSORS} tensors.`);
  const feeds = new Map<string, Tensor>();
  for (const [index, entry] of (inputs as unknown[]).entries()) {
    const input = asObject(entry, `Input ${index}`);
    const name = nameOf(input, `Input ${index}`);
    if (feeds.has(name)) throw invalid(`Input '${name}' is there twice.`);
    feeds.set(name, readInput(input, `Input '${name}'`, binary));
  }
  return feeds;
}

function readInput(input: Json, what: string, binary: BinaryReader): Tensor {
  if (typeof input['datatype'] !== 'string') throw invalid(`${what} needs 'datatype', a string.`);
  const dtype = dtypeOf(input['datatype'], what);
  const shape = checkShape(input['shape'], what);
  const size = asParameters(input['parameters'], what)['binary_data_size'];
  if (size === undefined) return tensorFromJson(input['data'], dtype, shape, what);
  if (input['data'] !== undefined) throw invalid(`${what} has both 'data' and binary data.`);
  const needed = elementCount(shape) * bytesPerElement[dtype];
  if (size !== needed)
    throw invalid(
      `${what} has binary_data_size ${shown(size)}; ${input['datatype']} [${shape.join(', ')}] needs ${needed}.`,
    );
  return tensorFromBytes(binary.take(needed, what), dtype, shape);
}

function readOutputs(outputs: unknown, summary: ModelSummary, binaryByDefault: boolean): RequestedOutput[] {
  if (outputs === undefined) return [];
  if (!Array.isArray(outputs) || outputs.length > MAX_TENSORS)
    throw invalid(`'outputs' must be an array of at most ${MAX_TENSORS} entries.`);
  const names = new Set<string>();
  return (outputs as unknown[]).map((entry, index) => {
    const output = asObject(entry, `Output ${index}`);
    const name = nameOf(output, `Output ${index}`);
    if (!summary.outputs.some((known) => known.name === name))
      throw invalid(
        `Output '${name}' is unknown; the model has ${summary.outputs.map((known) => `'${known.name}'`).join(', ')}.`,
      );
    if (names.has(name)) throw invalid(`Output '${name}' is asked for twice.`);
    names.add(name);
    const parameters = asParameters(output['parameters'], `Output '${name}'`);
    return {
      name,
      binary: booleanParameter(parameters, 'binary_data') ?? binaryByDefault,
      classification: classificationParameter(parameters, name),
    };
  });
}

function classificationParameter(parameters: Json, name: string): number {
  const classes = parameters['classification'];
  if (classes === undefined) return 0;
  if (!Number.isInteger(classes) || (classes as number) < 1 || (classes as number) > 100_000)
    throw invalid(`Output '${name}' has classification ${shown(classes)}; it must be 1 to 100000.`);
  return classes as number;
}

/** The whole body is the one input; its one free dimension (or the batch) follows from the size. */
function rawRequest(body: Buffer, summary: ModelSummary): InferRequest {
  const [input] = summary.inputs;
  if (input === undefined || summary.inputs.length !== 1)
    throw invalid(`A raw request needs a network of one input; this one has ${summary.inputs.length}.`);
  const dtype = dtypeOf(datatypeOf(input.dtype), `Input '${input.name}'`);
  const fixed =
    input.shape.reduce((product, dim) => (dim === -1 ? product : product * dim), 1) * bytesPerElement[dtype];
  const free = body.length / fixed;
  const hasFree = input.shape.includes(-1);
  if (!Number.isInteger(free) || free < 1 || (!hasFree && free !== 1))
    throw invalid(
      `The raw input has ${body.length} bytes; ${input.dtype} [${input.shape.join(', ')}] needs ${hasFree ? 'a multiple of ' : ''}${fixed}.`,
    );
  const shape = input.shape.map((dim) => (dim === -1 ? free : dim));
  const feeds = new Map([[input.name, tensorFromBytes(body, dtype, shape)]]);
  return { id: undefined, feeds, outputs: [], binaryByDefault: true };
}

function asObject(value: unknown, what: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(`${what} must be a JSON object.`);
  return value as Json;
}

function nameOf(value: Json, what: string): string {
  const { name } = value;
  if (typeof name !== 'string' || name === '') throw invalid(`${what} needs 'name', a string.`);
  return name;
}

/** A flat map of string, number or boolean. */
function asParameters(value: unknown, what: string): Json {
  if (value === undefined) return {};
  const parameters = asObject(value, `'parameters' of ${what}`);
  for (const [name, item] of Object.entries(parameters)) {
    if (!['string', 'number', 'boolean'].includes(typeof item))
      throw invalid(`Parameter '${name.slice(0, 64)}' of ${what} must be a string, a number or a boolean.`);
  }
  return parameters;
}

function booleanParameter(parameters: Json, name: string): boolean | undefined {
  const value = parameters[name];
  if (value === undefined || typeof value === 'boolean') return value;
  throw invalid(`Parameter '${name}' must be true or false.`);
}

function invalid(detail: string): AppError {
  return new AppError('INFERENCE_INVALID', detail);
}
