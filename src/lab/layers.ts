import { AppError, present } from '../base/index.ts';
import type { FloatExecutor, Graph, Node } from '../graph/index.ts';
import { planQuantization, type QuantizationPlan, type Recipe } from '../quant/index.ts';
import { elementCount, type Tensor, type TensorMap } from '../tensor/index.ts';
import { ErrorTally } from './outputError.ts';
import { qdqStructure, type QdqStructure, type QuantizedActivation } from './qdqStructure.ts';
import type { LayerReport } from './report.ts';
import { weightFigures } from './weightFigures.ts';

export interface LayerAnalysisOptions {
  /** As `prepareGraph` left it: corrected biases are right only in the quantized network. */
  readonly float: Graph;
  readonly quantized: Graph;
  readonly recipe: Recipe;
  readonly executor: FloatExecutor;
  /** Single samples; as many are taken as `sampleBudget` allows. */
  readonly samples: AsyncIterable<{ readonly feeds: TensorMap }>;
  /** The engine's kernel of each operation, by node name. */
  readonly kernels: ReadonlyMap<string, string>;
  readonly signal?: AbortSignal | undefined;
}

/** Values compared over all samples, on both sides: what the analysis may cost. */
const ELEMENT_BUDGET = 24_000_000;
const MAX_SAMPLES = 8;

/** One row a node of the float graph, activations that are fused into their producer aside. */
export async function analyzeLayers(options: LayerAnalysisOptions): Promise<LayerReport[]> {
  const { float, quantized, recipe, kernels } = options;
  const plan = planQuantization(float, recipe);
  const structure = qdqStructure(quantized, float);
  const rows = float.nodes.filter((node) => !plan.fused.has(node.name));
  const outputs = new Map(rows.map((node) => [node.name, finalOutput(node, float, plan)]));
  const activations = await compareActivations([...new Set(outputs.values())], structure, options);
  const quantizedNodes = new Map(quantized.nodes.map((node) => [node.name, node]));
  return rows.map((node): LayerReport => {
    const output = present(outputs.get(node.name), 'output of a row');
    const figures = activations.get(output);
    const weights = weightsOf(node, quantizedNodes.get(node.name), { float, structure, plan, recipe });
    const kernel = kernels.get(node.name);
    return {
      name: node.name,
      opType: node.opType,
      output,
      form: plan.integer.has(node.name) ? 'int8' : weights === undefined ? 'float' : 'weights',
      ...(kernel === undefined ? {} : { kernel }),
      ...(weights === undefined ? {} : { weights }),
      ...(figures?.activation === undefined ? {} : { activation: figures.activation }),
      ...(figures === undefined ? {} : { accumulatedSqnrDb: figures.accumulatedSqnrDb }),
    };
  });
}

/** The value a node ends in: behind the activations that are fused into it. */
function finalOutput(node: Node, graph: Graph, plan: QuantizationPlan): string {
  let output = node.outputs[0] ?? '';
  for (;;) {
    const reader = graph.nodes.find(({ name, inputs }) => plan.fused.get(name) === node && inputs[0] === output);
    if (reader === undefined) return output;
    output = reader.outputs[0] ?? '';
  }
}

interface WeightContext {
  readonly float: Graph;
  readonly structure: QdqStructure;
  readonly plan: QuantizationPlan;
  readonly recipe: Recipe;
}

function weightsOf(
  node: Node,
  quantizedNode: Node | undefined,
  { float, structure, plan, recipe }: WeightContext,
): LayerReport['weights'] {
  const layer = plan.layers.find((candidate) => candidate.node.name === node.name);
  const weights = layer && float.constants.get(layer.weights);
  const quantized = structure.constants.get(quantizedNode?.inputs[1] ?? '');
  if (layer === undefined || weights === undefined || quantized === undefined) return undefined;
  const bits = recipe.weights === 'none' ? 32 : recipe.weights.bits;
  return weightFigures(weights, quantized, { channelAxis: layer.weightAxis, bits });
}

interface ActivationFigures {
  readonly activation: LayerReport['activation'];
  readonly accumulatedSqnrDb: number | null;
}

/** Runs samples through the float network and the QDQ network side by side. */
async function compareActivations(
  values: readonly string[],
  structure: QdqStructure,
  { float, quantized, executor, samples, signal }: LayerAnalysisOptions,
): Promise<ReadonlyMap<string, ActivationFigures>> {
  const pairs = values
    .filter((value) => float.types.get(value)?.dtype === 'float32')
    .map((value) => ({ value, simulated: structure.activations.get(value)?.dequantized ?? value }))
    .filter(({ simulated }) => quantized.types.has(simulated));
  const tallies = new Map(pairs.map(({ value }) => [value, new ActivationTally(structure.activations.get(value))]));
  const elements = pairs.reduce((sum, { value }) => sum + sampleElements(float, value), 0);
  const wanted = Math.max(1, Math.min(MAX_SAMPLES, Math.floor(ELEMENT_BUDGET / Math.max(1, elements))));
  const exactSession = await executor.load(
    float,
    pairs.map(({ value }) => value),
  );
  const simulatedSession = await executor.load(
    quantized,
    pairs.map(({ simulated }) => simulated),
  );
  try {
    let count = 0;
    for await (const { feeds } of samples) {
      if (signal?.aborted === true) throw new AppError('CANCELLED', 'The analysis of layers was cancelled.');
      const exact = await exactSession.run(feeds);
      const simulated = await simulatedSession.run(feeds);
      for (const pair of pairs)
        tallies.get(pair.value)?.add(floatsOf(exact, pair.value), floatsOf(simulated, pair.simulated));
      if (++count >= wanted) break;
    }
    return count === 0 ? new Map() : new Map([...tallies].map(([value, tally]) => [value, tally.figures()]));
  } finally {
    await exactSession.close();
    await simulatedSession.close();
  }
}

function sampleElements(graph: Graph, value: string): number {
  return elementCount((graph.types.get(value)?.shape ?? []).map((dim) => Math.abs(dim)));
}

function floatsOf(values: TensorMap, name: string): Float32Array {
  const value: Tensor = present(values.get(name), `value '${name}'`);
  return value.dtype === 'float32' ? value.data : new Float32Array(0);
}

/** Error of one value: its own quantizer's on exact numbers, and all that has accumulated up to it. */
class ActivationTally {
  readonly #params: QuantizedActivation | undefined;
  readonly #local = new ErrorTally();
  readonly #accumulated = new ErrorTally();
  #clipped = 0;
  #count = 0;

  constructor(params: QuantizedActivation | undefined) {
    this.#params = params;
  }

  add(exact: Float32Array, simulated: Float32Array): void {
    this.#accumulated.addFloats(exact, simulated);
    if (this.#params === undefined) return;
    const { scale, zeroPoint, qmin, qmax } = this.#params;
    const rounded = new Float32Array(exact.length);
    // Half a step beyond the range is rounding, not clipping.
    const [lowest, highest] = [qmin - zeroPoint - 0.5, qmax - zeroPoint + 0.5];
    for (let i = 0; i < exact.length; i++) {
      const steps = (exact[i] ?? 0) / scale;
      if (steps < lowest || steps > highest) this.#clipped++;
      rounded[i] = Math.min(Math.max(Math.round(steps), qmin - zeroPoint), qmax - zeroPoint) * scale;
    }
    this.#local.addFloats(exact, rounded);
    this.#count += exact.length;
  }

  figures(): ActivationFigures {
    const accumulatedSqnrDb = this.#accumulated.figures().sqnrDb;
    if (this.#params === undefined) return { activation: undefined, accumulatedSqnrDb };
    const { scale, zeroPoint, qmin, qmax } = this.#params;
    return {
      accumulatedSqnrDb,
      activation: {
        scale,
        zeroPoint,
        min: (qmin - zeroPoint) * scale,
        max: (qmax - zeroPoint) * scale,
        localSqnrDb: this.#local.figures().sqnrDb,
        clippedShare: this.#count === 0 ? 0 : this.#clipped / this.#count,
      },
    };
  }
}
