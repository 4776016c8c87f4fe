import { present } from '../base/index.ts';
import type { Graph, Node } from '../graph/index.ts';
import { planQuantization, type QuantizationPlan, type Recipe } from '../quant/index.ts';
import type { Tensor } from '../tensor/index.ts';
import type { ActivationFigures } from './activationTally.ts';
import { compareActivations, type CompareActivationsOptions } from './layerActivations.ts';
import { qdqStructure, type QuantizedConstant } from './qdqStructure.ts';
import { activationRemedies, weightRemedies, type Remedy } from './remedies.ts';
import type { LayerReport } from './report.ts';
import { hasWeakActivation, hasWeakWeights } from './weakness.ts';
import { weightFigures } from './weightFigures.ts';

/** `float` as `prepareGraph` left it: corrected biases are right only in the quantized network. */
export interface LayerAnalysisOptions extends CompareActivationsOptions {
  /** As in the file, to see what folding changed. */
  readonly imported: Graph;
  readonly recipe: Recipe;
  /** The engine's kernel of each operation, by node name. */
  readonly kernels: ReadonlyMap<string, string>;
}

/** A row with what could be done about its noise, where there is much of it; the best of each comes first. */
export interface LayerAnalysis {
  readonly layer: LayerReport;
  readonly weightRemedies: readonly Remedy[];
  readonly activationRemedies: readonly Remedy[];
  /** Other values decide its range too, as the inputs of one Concat do: it has no quantizer of its own. */
  readonly sharesRange: boolean;
}

/** One row a node of the float graph, activations that are fused into their producer aside. */
export async function analyzeLayers(options: LayerAnalysisOptions): Promise<LayerAnalysis[]> {
  const { float, recipe, kernels } = options;
  const plan = planQuantization(float, recipe);
  const structure = qdqStructure(options.quantized, float);
  const rows = float.nodes.filter((node) => !plan.fused.has(node.name));
  const outputs = new Map(rows.map((node) => [node.name, finalOutput(node, float, plan)]));
  const activations = await compareActivations([...new Set(outputs.values())], structure, options);
  const reads = readsOf(float, plan, outputs);
  const shared = new Set(plan.groups.filter(({ observed }) => observed.length > 1).flatMap(({ values }) => values));
  const weightsOf = weightFinder(options, plan, structure.constants);
  return rows.map((node): LayerAnalysis => {
    const output = present(outputs.get(node.name), 'output of a row');
    const found = weightsOf(node);
    const figures = activations.get(output);
    const kernel = kernels.get(node.name);
    return {
      layer: {
        name: node.name,
        opType: node.opType,
        output,
        reads: reads(node),
        shape: [...(float.types.get(output)?.shape ?? [])],
        form: plan.integer.has(node.name) ? 'int8' : found === undefined ? 'float' : 'weights',
        ...(kernel === undefined ? {} : { kernel }),
        ...(found === undefined ? {} : { weights: found.report }),
        ...(figures?.activation === undefined ? {} : { activation: figures.activation }),
        ...(figures === undefined ? {} : { accumulatedSqnrDb: figures.accumulatedSqnrDb }),
      },
      weightRemedies: found !== undefined && hasWeakWeights(found.report) ? weightRemedies(found, recipe) : [],
      activationRemedies: shared.has(output) ? [] : remediesOf(figures, recipe),
      sharesRange: shared.has(output),
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

/** For each row, the outputs of other rows and the inputs of the network that it reads. */
function readsOf(float: Graph, plan: QuantizationPlan, outputs: ReadonlyMap<string, string>): (node: Node) => string[] {
  const owners = new Map(float.inputs.map((name) => [name, name]));
  for (const node of float.nodes) {
    const owner = outputs.get((plan.fused.get(node.name) ?? node).name);
    if (owner !== undefined) for (const output of node.outputs) if (output !== '') owners.set(output, owner);
  }
  return (node) => [...new Set(node.inputs.flatMap((input) => owners.get(input) ?? []))];
}

interface LayerWeights {
  readonly tensor: Tensor;
  /** Counts output channels. */
  readonly channelAxis: number;
  readonly report: NonNullable<LayerReport['weights']>;
}

/** Finds the weights of a node, in the file, folded and quantized; undefined where the recipe leaves it without. */
function weightFinder(
  { imported, float, quantized, recipe }: LayerAnalysisOptions,
  plan: QuantizationPlan,
  constants: ReadonlyMap<string, QuantizedConstant>,
): (node: Node) => LayerWeights | undefined {
  const layers = new Map(plan.layers.map((layer) => [layer.node.name, layer]));
  const weightsIn = (graph: Graph): ReadonlyMap<string, string> =>
    new Map(graph.nodes.map((node) => [node.name, node.inputs[1] ?? '']));
  const [before, after] = [weightsIn(imported), weightsIn(quantized)];
  const bits = recipe.weights === 'none' ? 32 : recipe.weights.bits;
  return ({ name }) => {
    const layer = layers.get(name);
    const tensor = layer && float.constants.get(layer.weights);
    const constant = constants.get(after.get(name) ?? '');
    if (layer === undefined || tensor === undefined || constant === undefined) return undefined;
    const channelAxis = layer.weightAxis;
    const original = imported.constants.get(before.get(name) ?? '');
    return { tensor, channelAxis, report: weightFigures(tensor, constant, { channelAxis, bits, original }) };
  };
}

function remediesOf(figures: ActivationFigures | undefined, { activations }: Recipe): Remedy[] {
  const { activation, histogram } = figures ?? {};
  if (activation === undefined || histogram === undefined || activations === 'none') return [];
  return hasWeakActivation(activation) ? activationRemedies(histogram, activation, 2 ** activations.bits - 1) : [];
}
