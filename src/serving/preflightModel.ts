import { AppError, InvariantError } from '../base/index.ts';
import type { Graph } from '../graph/index.ts';
import { goldenHash, readFileMetadata } from '../lab/index.ts';
import { readModel, writeModel, type ModelProto } from '../onnx/index.ts';
import { runQuantized } from '../reference/index.ts';
import type { Tensor } from '../tensor/index.ts';
import { importModel, lowerQdq, summarize } from '../transform/index.ts';
import type { Preflight } from './threads/protocol.ts';

/** Operators that only a quantized file has. */
const quantizedOperators: ReadonlySet<string> = new Set([
  'QuantizeLinear',
  'DequantizeLinear',
  'QLinearConv',
  'QLinearMatMul',
  'QLinearAdd',
]);

/**
 * Reads a model as far as serving it needs, without data: structure, operators, shapes; for a quantized one also the
 * integer form and the reference kernels' golden output.
 *
 * @throws AppError of the model file group
 */
export function preflight(bytes: Uint8Array, externalData: ReadonlyMap<string, Uint8Array>): Preflight {
  const model = readModel(bytes, { externalData });
  const graph = importModel(model);
  checkFinite(graph.constants);
  const kind = kindOf(model);
  return {
    kind,
    summary: summarize(graph),
    ...settingsOf(model),
    golden: kind === 'int8' ? goldenOf(graph) : undefined,
    selfContained: externalData.size === 0 ? undefined : writeModel(model),
    refusal: undefined,
  };
}

export function kindOf({ graph }: ModelProto): Preflight['kind'] {
  return graph.nodes.some((node) => quantizedOperators.has(node.opType)) ? 'int8' : 'fp32';
}

/** What the file says of how to use it. */
export function settingsOf(model: ModelProto): Pick<Preflight, 'preprocessing' | 'labels'> {
  const { preprocessing, labels } = readFileMetadata(model);
  return { preprocessing, labels };
}

/**
 * The file was made elsewhere: what the integer kernels cannot run is a fault of the file, however late it shows.
 */
function goldenOf(graph: Graph): string {
  try {
    const quantized = lowerQdq(graph);
    return goldenHash(quantized, (feeds) => runQuantized(quantized, feeds));
  } catch (error) {
    if (!(error instanceof InvariantError)) throw error;
    throw new AppError(
      'MODEL_INVALID',
      `The quantized network cannot be computed: ${error.message}.`,
      {},
      { cause: error },
    );
  }
}

/** @throws AppError MODEL_NOT_FINITE that names the tensor and the first bad value */
export function checkFinite(constants: Iterable<readonly [name: string, value: Tensor]>): void {
  for (const [name, { dtype, data }] of constants) {
    if (dtype !== 'float32' && dtype !== 'float64' && dtype !== 'float16') continue;
    const at = (data as Float32Array).findIndex((value) => !Number.isFinite(value));
    if (at >= 0)
      throw new AppError(
        'MODEL_NOT_FINITE',
        `Initializer '${name}' has element ${at} = ${data[at] ?? NaN}; all must be finite.`,
        { tensor: name },
      );
  }
}
