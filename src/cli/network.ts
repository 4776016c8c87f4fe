import { readFile } from 'node:fs/promises';
import { dirname, relative, resolve, sep } from 'node:path';
import type { z } from 'zod';
import { AppError } from '../base/index.ts';
import {
  defaultPreprocessing,
  inputSpecOf,
  preprocessingSchema,
  type InputSpec,
  type Preprocessing,
} from '../data/index.ts';
import { present } from '../base/index.ts';
import type { Graph } from '../graph/index.ts';
import { readFileMetadata } from '../lab/index.ts';
import { readModel, writeModel, type ModelProto } from '../onnx/index.ts';
import { importModel } from '../transform/index.ts';
import { UsageError } from './command.ts';

/** A network file as the commands work with it. */
export interface Network {
  readonly path: string;
  /** Self-contained: external data is inside. */
  readonly bytes: Uint8Array;
  readonly sizeBytes: number;
  readonly graph: Graph;
  readonly quantized: boolean;
  readonly inputs: readonly InputSpec[];
  /** What the file's metadata says, else the default. */
  readonly preprocessing: Preprocessing;
  readonly labels: readonly string[] | undefined;
}

const quantizedOperators: ReadonlySet<string> = new Set([
  'QuantizeLinear',
  'DequantizeLinear',
  'QLinearConv',
  'QLinearMatMul',
]);

/** @throws AppError of the model file group; UsageError when the file is not there */
export async function loadNetwork(path: string): Promise<Network> {
  const file = await readFileOrExplain(path);
  const { model, externalBytes } = await readWithExternalData(path, file);
  const graph = importModel(model);
  const metadata = readFileMetadata(graph);
  return {
    path,
    bytes: externalBytes === 0 ? file : writeModel(model),
    sizeBytes: file.length + externalBytes,
    graph,
    quantized: graph.nodes.some(({ opType }) => quantizedOperators.has(opType)),
    inputs: graph.inputs.map((name) => {
      const { dtype, shape } = present(graph.types.get(name), `type of '${name}'`);
      return inputSpecOf({ name, dtype, shape });
    }),
    preprocessing: metadata.preprocessing ?? defaultPreprocessing,
    labels: metadata.labels,
  };
}

/** Preprocessing from a JSON file. @throws UsageError that names the field */
export async function readPreprocessing(path: string): Promise<Preprocessing> {
  return readJsonFile(path, preprocessingSchema);
}

/** @throws UsageError that names the file and the field */
export async function readJsonFile<T extends z.ZodType>(path: string, schema: T): Promise<z.output<T>> {
  const text = Buffer.from(await readFileOrExplain(path)).toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${path} is not JSON: ${error instanceof Error ? error.message : String(error)}.`);
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues.map(
    ({ path: at, message }) => `${at.length > 0 ? at.join('.') : 'the document'}: ${message}`,
  );
  throw new UsageError(`${path}: ${issues.join('; ')}.`);
}

export async function readFileOrExplain(path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new UsageError(`Cannot read '${path}' (${code}).`);
  }
}

/** Reads a model whose tensors may lie in files beside it; names that lead out of its folder are refused. */
async function readWithExternalData(
  path: string,
  file: Uint8Array,
): Promise<{ model: ModelProto; externalBytes: number }> {
  const parts = new Map<string, Uint8Array>();
  for (;;) {
    try {
      const model = readModel(file, { externalData: parts });
      return { model, externalBytes: [...parts.values()].reduce((sum, { length }) => sum + length, 0) };
    } catch (error) {
      const location = missingPart(error, parts);
      if (location === undefined) throw error;
      parts.set(location, await readBeside(path, location));
    }
  }
}

function missingPart(error: unknown, parts: ReadonlyMap<string, Uint8Array>): string | undefined {
  if (!(error instanceof AppError) || error.code !== 'EXTERNAL_DATA_INVALID') return undefined;
  const { location } = error.params;
  return typeof location === 'string' && location !== '' && !parts.has(location) ? location : undefined;
}

async function readBeside(path: string, location: string): Promise<Uint8Array> {
  const folder = resolve(dirname(path));
  const file = resolve(folder, location);
  if (relative(folder, file).split(sep)[0] === '..')
    throw new AppError('EXTERNAL_DATA_INVALID', `External data '${location}' lies outside the model's folder.`);
  return readFileOrExplain(file);
}
