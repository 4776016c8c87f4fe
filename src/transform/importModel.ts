import { AppError } from '../base/index.ts';
import type { Graph } from '../graph/index.ts';
import type { ModelProto } from '../onnx/index.ts';
import { checkScope } from './import/canonical/index.ts';
import { finishGraph } from './import/finish.ts';
import { Importer, type NodeProblem } from './import/importer.ts';
import { readInputs, type InputShapes, type SourceInput } from './import/inputShapes.ts';
import { defaultImportLimits, type ImportLimits } from './import/settings.ts';
import { isConstantSource, readSource, type SourceGraph } from './import/source.ts';
import { freeProbes } from './import/value.ts';
import { checkWork } from './macs.ts';

export interface ImportOptions {
  /** Shapes of inputs by name, for files that leave more than the batch open; −1 is the free batch. */
  readonly inputShapes?: InputShapes;
  readonly limits?: Partial<ImportLimits>;
}

/**
 * A network of the file in canonical form: operators of `CANONICAL_OPSET`, every shape known, constants folded, the
 * batch free wherever the network treats samples one by one (also where the file says 1), else fixed as in the file.
 *
 * @throws AppError UNSUPPORTED_OPSET, MODEL_OUT_OF_SCOPE, MODEL_INVALID, SHAPE_MISMATCH, MODEL_NOT_FINITE,
 *   MODEL_TOO_COMPLEX; UNSUPPORTED_OPERATOR with every node that stands in the way in `params.nodes`
 */
export function importModel(model: ModelProto, options: ImportOptions = {}): Graph {
  const source = readSource(model);
  checkScope(source.nodes);
  const made = new Set(source.nodes.filter(isConstantSource).flatMap(({ outputs }) => outputs));
  const inputs = readInputs(model, source.initializers, made, options.inputShapes ?? {});
  const limits = { ...defaultImportLimits, ...options.limits };
  const attempt = (batch: 'free' | number): Graph => importWith(model, { source, inputs, limits, batch });
  if (!inputs.some(mayBeBatched)) return attempt(inputs[0]?.shape[0] ?? 1);
  try {
    return attempt('free');
  } catch (error) {
    // A network that cannot take several samples at once may still take one; what else is wrong will be said again.
    if (!(error instanceof AppError) || error.code === 'MODEL_TOO_COMPLEX') throw error;
    return attempt(inputs.find(mayBeBatched)?.shape[0] ?? 1);
  }
}

interface Attempt {
  readonly source: SourceGraph;
  readonly inputs: readonly SourceInput[];
  readonly limits: ImportLimits;
  readonly batch: 'free' | number;
}

/** Whether the first dimension can be the batch: open in the file, or 1 before others, or the first of an image. */
function mayBeBatched({ shape }: SourceInput): boolean {
  const [first, ...rest] = shape;
  return shape.length > 0 && (first === undefined || (rest.length > 0 && first === 1) || rest.length === 3);
}

function importWith(model: ModelProto, { source, inputs, limits, batch }: Attempt): Graph {
  const importer = new Importer({
    opset: source.opset,
    probes: batch === 'free' ? freeProbes : [batch],
    fileBatch: inputs.find(mayBeBatched)?.shape[0],
    limits,
    names: takenNames(model, source),
  });
  for (const input of inputs) {
    const shape = input.shape.map((size) => size ?? 1);
    importer.addInput(input.name, { dtype: input.dtype, shape }, mayBeBatched(input));
  }
  for (const [name, tensor] of source.initializers) importer.addConstant(name, tensor);
  for (const node of source.nodes) importer.import(node);
  if (importer.problems.length > 0) throw unsupportedNodes(importer.problems);
  const names = { inputs: inputs.map(({ name }) => name), outputs: source.outputs };
  const about = { name: model.graph.name, metadata: model.metadata, producer: model.producerName, opset: source.opset };
  const graph = finishGraph(importer, names, about);
  checkWork(graph, limits.steps);
  return graph;
}

function takenNames(model: ModelProto, source: SourceGraph): Set<string> {
  const { graph } = model;
  return new Set([
    ...graph.inputs.map(({ name }) => name),
    ...source.initializers.keys(),
    ...source.nodes.flatMap(({ name, outputs }) => [name, ...outputs]),
  ]);
}

/** How many nodes the sentence names; all are in the parameters. */
const namedNodes = 10;

function unsupportedNodes(problems: readonly NodeProblem[]): AppError {
  const named = problems.slice(0, namedNodes).map(({ name, opType, reason }) => `'${name}' (${opType}): ${reason}`);
  const rest = problems.length > namedNodes ? `; and ${problems.length - namedNodes} more` : '';
  return new AppError(
    'UNSUPPORTED_OPERATOR',
    `${problems.length === 1 ? 'A node is' : `${problems.length} nodes are`} not supported: ${named.join('; ')}${rest}.`,
    { nodes: problems },
  );
}
