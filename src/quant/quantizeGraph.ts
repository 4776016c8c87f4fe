import { AppError, present } from '../base/index.ts';
import type { Graph, Node, ValueType } from '../graph/index.ts';
import { tensor, type Tensor } from '../tensor/index.ts';
import { GraphBuilder } from './graphBuilder.ts';
import { firstInput, firstOutput, GraphIndex } from './graphIndex.ts';
import { planQuantization, type ActivationGroup, type PlannedLayer, type QuantizationPlan } from './plan.ts';
import { dequantize, quantParamsOf, type QuantizerSpec, type QuantParams, type Range } from './quantizer.ts';
import { quantizeBias, quantizeLayer } from './quantizeLayer.ts';
import type { Recipe } from './recipe.ts';

/** Range of each observed value. */
export type Ranges = ReadonlyMap<string, Range>;

export interface QuantizeGraphOptions {
  /** Keeps Relu and Clip that the clamp of the following QuantizeLinear makes superfluous. */
  readonly keepActivations?: boolean;
}

/**
 * Inserts QuantizeLinear and DequantizeLinear: the result is the QDQ form that every runtime understands, with the
 * same inputs, outputs and metadata. Scales and zero points are constants of equal shape and always present.
 *
 * @param graph   as `prepareGraph` returns it
 * @param ranges  as `calibrate` returns them; empty for weight-only recipes
 * @throws CALIBRATION_RANGE where a range is missing or not finite, MODEL_NOT_FINITE for NaN weights
 */
export function quantizeGraph(graph: Graph, ranges: Ranges, recipe: Recipe, options: QuantizeGraphOptions = {}): Graph {
  return new QdqWriter(graph, ranges, recipe, options).write();
}

export function activationSpec(recipe: Recipe): QuantizerSpec {
  const { symmetric, bits } = recipe.activations === 'none' ? { symmetric: false, bits: 8 } : recipe.activations;
  return { bits, signed: symmetric, symmetric, narrowRange: false };
}

/** The range of a group: the hull of its members', or what the recipe says. */
export function groupRange({ values, observed }: ActivationGroup, ranges: Ranges, recipe: Recipe): Range {
  const stated = values.find((value) => Object.hasOwn(recipe.overrides, value));
  if (stated !== undefined) return present(recipe.overrides[stated], 'override');
  let [min, max] = [0, 0];
  for (const value of observed) {
    const range = ranges.get(value);
    if (!range)
      throw new AppError('CALIBRATION_RANGE', `Value '${value}' has no range; calibration did not observe it.`, {
        tensor: value,
      });
    min = Math.min(min, range.min);
    max = Math.max(max, range.max);
  }
  return { min, max };
}

class QdqWriter {
  readonly #graph: Graph;
  readonly #index: GraphIndex;
  readonly #plan: QuantizationPlan;
  readonly #recipe: Recipe;
  readonly #builder: GraphBuilder;
  readonly #keepActivations: boolean;
  readonly #params = new Map<string, QuantParams>();
  readonly #scaleNames = new Map<string, readonly [scale: string, zeroPoint: string]>();
  /** Names of the dequantized values. */
  readonly #dequantized = new Map<string, string>();
  /** Names under which quantized values are computed, before their QuantizeLinear. */
  readonly #raw = new Map<string, string>();
  readonly #layers: ReadonlyMap<Node, PlannedLayer>;

  constructor(graph: Graph, ranges: Ranges, recipe: Recipe, options: QuantizeGraphOptions) {
    this.#graph = graph;
    this.#index = new GraphIndex(graph);
    this.#plan = planQuantization(graph, recipe);
    this.#recipe = recipe;
    this.#builder = new GraphBuilder(graph);
    this.#keepActivations = options.keepActivations ?? false;
    this.#layers = new Map(this.#plan.layers.map((layer) => [layer.node, layer]));
    const spec = activationSpec(recipe);
    for (const group of this.#plan.groups) this.#nameGroup(group, groupRange(group, ranges, recipe), spec);
  }

  #nameGroup(group: ActivationGroup, range: Range, spec: QuantizerSpec): void {
    const [first = ''] = group.values;
    const params = quantParamsOf(range, spec, `Value '${first}'`);
    const names = [this.#builder.fresh(`${first}/scale`), this.#builder.fresh(`${first}/zero_point`)] as const;
    this.#builder.addConstant(names[0], tensor('float32', [], Float32Array.of(params.scale)));
    const zeroPoint = spec.signed
      ? tensor('int8', [], Int8Array.of(params.zeroPoint))
      : tensor('uint8', [], Uint8Array.of(params.zeroPoint));
    this.#builder.addConstant(names[1], zeroPoint);
    for (const value of group.values) {
      this.#params.set(value, params);
      this.#scaleNames.set(value, names);
      const returned = this.#index.isOutput(value);
      this.#dequantized.set(value, returned ? value : this.#builder.fresh(`${value}/dequantized`));
      this.#raw.set(value, returned ? this.#builder.fresh(`${value}/float`) : value);
    }
  }

  write(): Graph {
    for (const input of this.#graph.inputs) this.#quantize(input);
    const skipped = new Set<Node>();
    for (const node of this.#graph.nodes) {
      if (skipped.has(node)) continue;
      const outputs = this.#outputsOf(node, skipped);
      const layer = this.#layers.get(node);
      const inputs = layer ? this.#layerInputs(layer) : this.#inputsOf(node);
      for (const output of outputs) if (output !== '') this.#copyType(output);
      this.#builder.nodes.push({ ...node, inputs, outputs: outputs.map((output) => this.#raw.get(output) ?? output) });
      for (const output of outputs) this.#quantize(output);
    }
    return this.#builder.build();
  }

  #copyType(value: string): void {
    this.#builder.types.set(this.#raw.get(value) ?? value, this.#index.type(value));
  }

  /** A node's outputs; the result of its fused activations where the quantizer's clamp does their work. */
  #outputsOf(node: Node, skipped: Set<Node>): readonly string[] {
    let output = firstOutput(node);
    const dropped: Node[] = [];
    for (;;) {
      const reader = this.#index.onlyConsumer(output);
      if (!reader || this.#plan.fused.get(reader.name) !== node) break;
      dropped.push(reader);
      output = firstOutput(reader);
    }
    const params = this.#params.get(output);
    const superfluous = params && dropped.every((activation) => this.#isSuperfluous(activation, params));
    if (dropped.length === 0 || !superfluous || this.#keepActivations) return node.outputs;
    for (const activation of dropped) skipped.add(activation);
    return [output];
  }

  /** Whether saturation to the quantized range already keeps a value within an activation's bounds. */
  #isSuperfluous(activation: Node, params: QuantParams): boolean {
    if (activation.opType === 'Min') return false;
    const bound = (at: number, absent: number): number => {
      const constant = this.#index.constant(activation.inputs[at] ?? '');
      return constant ? Number(constant.data[0]) : absent;
    };
    const min = activation.opType === 'Relu' ? 0 : bound(1, -Infinity);
    const max = activation.opType === 'Relu' ? Infinity : bound(2, Infinity);
    const tolerance = params.scale / 256;
    return dequantize(params.qmin, params) >= min - tolerance && dequantize(params.qmax, params) <= max + tolerance;
  }

  #inputsOf(node: Node): readonly string[] {
    const inputs = node.inputs.map((input) => this.#inputOf(node, input));
    const [input = '', weights = ''] = node.inputs;
    const params = this.#params.get(input);
    const floatLayer = ['Conv', 'ConvTranspose', 'Gemm'].includes(node.opType) && this.#index.constant(weights);
    return params && floatLayer ? inputs.with(0, this.#shielded(node, input, params)) : inputs;
  }

  /**
   * onnxruntime takes a layer with float weights between DequantizeLinear and QuantizeLinear for one whose weights
   * were forgotten, and quantizes them to int8 per tensor (its WeightBiasQuantization), which ruins them. A Clip to
   * the range that the input has anyway keeps such a layer float.
   */
  #shielded(node: Node, input: string, params: QuantParams): string {
    const builder = this.#builder;
    const output = builder.fresh(`${node.name}/input`);
    const limit = (name: string, q: number): string =>
      builder.addConstant(
        builder.fresh(`${node.name}/${name}`),
        tensor('float32', [], Float32Array.of(dequantize(q, params))),
      );
    builder.addNode('Clip', {
      name: builder.fresh(`${node.name}/Clip`),
      inputs: [this.#inputOf(node, input), limit('lowest', params.qmin), limit('highest', params.qmax)],
      output,
      type: this.#index.type(input),
    });
    return output;
  }

  /** What a node reads: real numbers within one table, dequantized ones everywhere else. */
  #inputOf(node: Node, input: string): string {
    if (this.#plan.chained.get(node.name)?.has(input)) return this.#raw.get(input) ?? input;
    const constant = this.#index.constant(input);
    if (constant && this.#isConstantOperand(node, constant)) return this.#constantOperand(node, input, constant);
    return this.#dequantized.get(input) ?? input;
  }

  /** Constant operands of Add, Sub, Mul that are quantized like an activation. */
  #isConstantOperand(node: Node, constant: Tensor): boolean {
    return (
      this.#plan.integer.has(node.name) &&
      !this.#plan.chained.has(node.name) &&
      ['Add', 'Sub', 'Mul', 'Sum'].includes(node.opType) &&
      constant.dtype === 'float32'
    );
  }

  #constantOperand(node: Node, input: string, constant: Tensor): string {
    const values = constant.data as Float32Array;
    const range = { min: values.reduce((a, b) => Math.min(a, b), 0), max: values.reduce((a, b) => Math.max(a, b), 0) };
    const params = quantParamsOf(range, { ...activationSpec(this.#recipe), bits: 8 }, `Constant '${input}'`);
    const signed = params.qmin < 0;
    const quantized = Array.from(values, (value) => {
      const q = Math.round(value / params.scale) + params.zeroPoint;
      return Math.min(Math.max(q, params.qmin), params.qmax);
    });
    const { builder, names } = this.#operandNames(node, input);
    const data = signed
      ? tensor('int8', constant.shape, Int8Array.from(quantized))
      : tensor('uint8', constant.shape, Uint8Array.from(quantized));
    const zero = signed ? tensor('int8', [], Int8Array.of(0)) : tensor('uint8', [], Uint8Array.of(params.zeroPoint));
    builder.addConstant(names.quantized, data);
    builder.addConstant(names.scale, tensor('float32', [], Float32Array.of(params.scale)));
    builder.addConstant(names.zeroPoint, zero);
    this.#dequantizeConstant(names, constant.shape, undefined);
    return names.dequantized;
  }

  #operandNames(node: Node, constant: string): { builder: GraphBuilder; names: ConstantNames } {
    const builder = this.#builder;
    const base = this.#index.consumers(constant).length > 1 ? `${constant}/${node.name}` : constant;
    const names = {
      quantized: builder.fresh(`${base}/quantized`),
      scale: builder.fresh(`${base}/scale`),
      zeroPoint: builder.fresh(`${base}/zero_point`),
      dequantized: builder.fresh(`${base}/dequantized`),
    };
    return { builder, names };
  }

  #dequantizeConstant(names: ConstantNames, shape: readonly number[], axis: number | undefined): void {
    this.#builder.addNode('DequantizeLinear', {
      name: this.#builder.fresh(`${names.dequantized}/DequantizeLinear`),
      inputs: [names.quantized, names.scale, names.zeroPoint],
      output: names.dequantized,
      type: { dtype: 'float32', shape },
      attributes: axis === undefined ? [] : [['axis', axis]],
    });
  }

  #layerInputs(layer: PlannedLayer): readonly string[] {
    const inputParams = this.#params.get(layer.input);
    const quantized = quantizeLayer(this.#graph, layer, this.#recipe, inputParams?.scale);
    const { builder, names } = this.#operandNames(layer.node, layer.weights);
    const { data, shape, scales, zeroPoints, axis } = quantized;
    const scaleShape = axis === undefined ? [] : [scales.length];
    builder.addConstant(names.quantized, tensor('int8', shape, data));
    builder.addConstant(names.scale, tensor('float32', scaleShape, scales));
    builder.addConstant(names.zeroPoint, tensor('int8', scaleShape, zeroPoints));
    this.#dequantizeConstant(names, shape, axis);
    const rest = layer.bias === undefined ? [] : [this.#bias(layer, layer.bias, quantized.scales, inputParams)];
    return [this.#inputOf(layer.node, firstInput(layer.node)), names.dequantized, ...rest];
  }

  /** int32 at scale inputScale · weightScale[c]; float where the input is. */
  #bias(layer: PlannedLayer, bias: string, weightScales: Float32Array, input: QuantParams | undefined): string {
    const constant = this.#index.constant(bias);
    if (!input || constant?.dtype !== 'float32') return bias;
    const { data, scales } = quantizeBias(constant.data, input.scale, weightScales);
    const { builder, names } = this.#operandNames(layer.node, bias);
    const perChannel = scales.length > 1;
    const scaleShape = perChannel ? [scales.length] : [];
    builder.addConstant(names.quantized, tensor('int32', [data.length], data));
    builder.addConstant(names.scale, tensor('float32', scaleShape, scales));
    builder.addConstant(names.zeroPoint, tensor('int32', scaleShape));
    this.#dequantizeConstant(names, [data.length], perChannel ? 0 : undefined);
    return names.dequantized;
  }

  /** Adds Q and DQ after a value that is quantized. */
  #quantize(value: string): void {
    const params = this.#params.get(value);
    const names = this.#scaleNames.get(value);
    if (!params || !names) return;
    const type = this.#index.type(value);
    const dequantized = this.#dequantized.get(value) ?? value;
    const quantized = this.#builder.fresh(`${value}/quantized`);
    const integer: ValueType = { dtype: params.qmin < 0 ? 'int8' : 'uint8', shape: type.shape };
    this.#builder.addNode('QuantizeLinear', {
      name: this.#builder.fresh(`${value}/QuantizeLinear`),
      inputs: [this.#clipped(value, params), ...names],
      output: quantized,
      type: integer,
    });
    this.#builder.addNode('DequantizeLinear', {
      name: this.#builder.fresh(`${value}/DequantizeLinear`),
      inputs: [quantized, ...names],
      output: dequantized,
      type,
    });
  }

  /** Fewer bits than a byte are simulated: what the file's type would not clip is clipped before. */
  #clipped(value: string, params: QuantParams): string {
    const raw = this.#raw.get(value) ?? value;
    if (this.#recipe.activations === 'none' || this.#recipe.activations.bits === 8) return raw;
    const limit = (name: string, q: number): string =>
      this.#builder.addConstant(
        this.#builder.fresh(`${value}/${name}`),
        tensor('float32', [], Float32Array.of(dequantize(q, params))),
      );
    const output = this.#builder.fresh(`${value}/clipped`);
    this.#builder.addNode('Clip', {
      name: this.#builder.fresh(`${value}/Clip`),
      inputs: [raw, limit('lowest', params.qmin), limit('highest', params.qmax)],
      output,
      type: this.#index.type(value),
    });
    return output;
  }
}

interface ConstantNames {
  readonly quantized: string;
  readonly scale: string;
  readonly zeroPoint: string;
  readonly dequantized: string;
}
