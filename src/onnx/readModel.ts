import { AppError } from '../base/index.ts';
import type { ExternalParts } from './externalData.ts';
import { readKeyValue } from './keyValue.ts';
import type { ReadLimits } from './limits.ts';
import type { GraphProto, ModelProto, OpsetImport } from './model.ts';
import { readGraph } from './readGraph.ts';
import { ReadBudget, tooComplex, WireReader } from './wire.ts';

export interface ReadModelOptions {
  /** Other parts of the same upload, by the exact name that the model refers to. */
  readonly externalData?: ExternalParts;
  readonly limits?: Partial<ReadLimits>;
}

/** Fields of ModelProto (onnx.proto3). */
const field = {
  irVersion: 1,
  producerName: 2,
  producerVersion: 3,
  domain: 4,
  modelVersion: 5,
  graph: 7,
  opsetImport: 8,
  metadataProps: 14,
  functions: 25,
} as const;

/**
 * Reads an ONNX file. Tensors are views of `bytes` where they can be, so `bytes` must not change afterwards.
 * Of a repeated singular field the last wins.
 *
 * @throws AppError MODEL_MALFORMED, MODEL_TOO_COMPLEX, MODEL_OUT_OF_SCOPE (functions, sparse tensors, element types),
 *   EXTERNAL_DATA_INVALID
 */
export function readModel(bytes: Uint8Array, options: ReadModelOptions = {}): ModelProto {
  const budget = new ReadBudget(options.limits);
  if (bytes.length > budget.limits.fileBytes) throw tooComplex('bytes', budget.limits.fileBytes);
  if (bytes.length === 0) throw new AppError('MODEL_MALFORMED', 'The file is not a valid ONNX model: it is empty.');
  return readFields(new WireReader(bytes, budget, 'ModelProto'), options.externalData ?? new Map());
}

function readFields(reader: WireReader, parts: ExternalParts): ModelProto {
  const text = { producerName: '', producerVersion: '', domain: '' };
  const numbers = { irVersion: 0, modelVersion: 0 };
  const opsetImports: OpsetImport[] = [];
  const metadata = new Map<string, string>();
  let graph: GraphProto | undefined;
  while (reader.next())
    switch (reader.field) {
      case field.irVersion:
        numbers.irVersion = reader.number();
        break;
      case field.modelVersion:
        numbers.modelVersion = reader.number();
        break;
      case field.producerName:
        text.producerName = reader.string();
        break;
      case field.producerVersion:
        text.producerVersion = reader.string();
        break;
      case field.domain:
        text.domain = reader.string();
        break;
      case field.graph:
        graph = readGraph(reader.message('GraphProto'), parts);
        break;
      case field.opsetImport:
        opsetImports.push(readOpsetImport(reader.message('OperatorSetIdProto')));
        break;
      case field.metadataProps: {
        const entry = reader.message('ModelProto.metadata_props');
        metadata.set(...readKeyValue(entry, reader.budget.limits.metadataBytes));
        break;
      }
      case field.functions:
        throw new AppError(
          'MODEL_OUT_OF_SCOPE',
          'The model defines functions of its own; export it with them inlined.',
        );
      default:
        reader.skip();
    }
  if (!graph) throw reader.malformed('no graph');
  return { ...numbers, ...text, opsetImports, graph, metadata };
}

function readOpsetImport(reader: WireReader): OpsetImport {
  let domain = '';
  let version = 0;
  while (reader.next())
    if (reader.field === 1) domain = reader.string();
    else if (reader.field === 2) version = reader.number();
    else reader.skip();
  return { domain: domain === 'ai.onnx' ? '' : domain, version };
}
