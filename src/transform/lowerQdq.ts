import type { Graph, Node, QuantizedGraph } from '../graph/index.ts';
import { tensor, type Tensor } from '../tensor/index.ts';
import { expandQLinear } from './qdq/expandQLinear.ts';
import { Lowering, type Match, type Target } from './qdq/lowering.ts';
import { peelActivations, unbounded, type Peeled } from './qdq/clamp.ts';
import { matchConcat, matchLayout, matchRequantize, quantizedForm } from './qdq/matchLayout.ts';
import { matchBinary, matchConv, matchFullyConnected, matchPixelConv } from './qdq/matchLinear.ts';
import { matchAveragePool, matchMaxPool } from './qdq/matchPool.ts';
import { matchTable } from './qdq/matchTable.ts';
import { dequantizeConstant, inputName, isDequantize, isQuantize } from './qdq/parameters.ts';
import { quantizeByte } from './quantizedTable.ts';

/**
 * Lowers a QDQ or QLinear graph to integer operations. Between DequantizeLinear and QuantizeLinear, what the integer
 * operations know becomes one of them, with Relu and Clip as its clamp; everything else stays float, between
 * `dequantize` and `quantize`. A graph without quantization becomes float operations only.
 *
 * @throws QUANT_PARAMS_INVALID, ACCUMULATOR_OVERFLOW
 */
export function lowerQdq(graph: Graph): QuantizedGraph {
  const lowering = new Lowering(expandQLinear(graph));
  const plan = planLowering(lowering);
  emitPlan(lowering, plan);
  const { operations, values, constants, integers } = lowering;
  return { name: graph.name, inputs: graph.inputs, outputs: graph.outputs, operations, values, constants, integers };
}

interface Plan {
  /** Integer operations, by the QuantizeLinear that ends them. */
  readonly matches: ReadonlyMap<Node, Match>;
  /** QuantizeLinear whose bytes somebody reads. */
  readonly quantizers: ReadonlySet<Node>;
  /** Nodes that run in float; DequantizeLinear whose real numbers somebody reads are among them. */
  readonly floats: ReadonlySet<Node>;
  /** Those of `floats` whose sums are integers all the same: layers of quantized operands that return float. */
  readonly floatResults: ReadonlyMap<Node, Match>;
}

/** The activation that a QuantizeLinear makes, or undefined where it runs as a float node (per axis, 16 bits, …). */
function targetOf(lowering: Lowering, node: Node): Target | undefined {
  const output = node.outputs[0] ?? '';
  const params = isQuantize(node) ? lowering.integerParams(output) : undefined;
  return params && { output, params };
}

/**
 * Decides from the outputs back to the inputs: when a node is reached, everything that reads it has been decided. A
 * value that is needed in float is computed in float, also for its quantizers; one that only quantizers read becomes
 * an integer operation for each of them if all can.
 */
function planLowering(lowering: Lowering): Plan {
  const { graph } = lowering;
  const needed = new Set<string>(graph.outputs);
  const readBy = new Map<string, Node[]>();
  const matches = new Map<Node, Match>();
  const quantizers = new Set<Node>();
  const floats = new Set<Node>();
  const floatResults = new Map<Node, Match>();
  const use = (found: ReadonlyMap<Node, Match>): void => {
    for (const [quantize, match] of found) {
      matches.set(quantize, match);
      for (const { source } of match.uses) if (source !== undefined) needed.add(source);
    }
  };
  for (const node of [...graph.nodes].reverse()) {
    if (targetOf(lowering, node)) {
      if (!needed.has(node.outputs[0] ?? '')) continue;
      quantizers.add(node);
      const input = inputName(node, 0);
      readBy.set(input, [...(readBy.get(input) ?? []), node]);
      if (!lowering.origin(input)) needed.add(input);
      continue;
    }
    const inFloat = node.outputs.map((output, outputIndex) => {
      const readers = readBy.get(output) ?? [];
      const found = matchAll(lowering, node, outputIndex, readers);
      const requantized = found !== undefined && lowering.dequantized(output) !== undefined;
      if (found && (requantized || !needed.has(output))) use(found);
      return needed.has(output) || (readers.length > 0 && !found);
    });
    if (!inFloat.includes(true)) continue;
    floats.add(node);
    const match = matchFloatResult(lowering, node);
    if (match) {
      floatResults.set(node, match);
      for (const { source } of match.uses) if (source !== undefined) needed.add(source);
      continue;
    }
    for (const input of node.inputs) if (input !== '') needed.add(input);
  }
  return { matches, quantizers, floats, floatResults };
}

/** The integer operations that make one output for each of its quantizers; undefined if one of them cannot. */
function matchAll(
  lowering: Lowering,
  node: Node,
  outputIndex: number,
  readers: readonly Node[],
): ReadonlyMap<Node, Match> | undefined {
  if (readers.length === 0) return undefined;
  const found = new Map<Node, Match>();
  for (const quantize of readers) {
    const target = targetOf(lowering, quantize);
    const match = target && matchOutput(lowering, node, outputIndex, target);
    if (!match) return undefined;
    found.set(quantize, match);
  }
  return found;
}

function matchOutput(lowering: Lowering, node: Node, outputIndex: number, target: Target): Match | undefined {
  const value = node.outputs[outputIndex] ?? '';
  const direct = lowering.dequantized(value);
  if (direct) return direct.bytes ? undefined : matchRequantize(lowering, direct, target);
  const form = (name: string): ReturnType<typeof quantizedForm> => quantizedForm(lowering, name);
  const peeled = peelActivations(lowering, value);
  return (
    matchTable(lowering, value, target) ??
    (peeled && matchClamped(lowering, peeled, target)) ??
    matchMaxPool(lowering, node, target, form) ??
    matchConcat(lowering, node, target, form) ??
    matchLayout(lowering, node, outputIndex, target, form)
  );
}

/** The operations that end with a clamp; only convolutions have one a channel. */
function matchClamped(lowering: Lowering, { node, bounds }: Peeled, target: Target): Match | undefined {
  const form = (name: string): ReturnType<typeof quantizedForm> => quantizedForm(lowering, name);
  const conv = matchConv(lowering, node, bounds, target, form);
  if (conv || bounds.caps) return conv;
  return (
    matchFullyConnected(lowering, node, bounds, target, form) ??
    matchBinary(lowering, node, bounds, target, form) ??
    matchAveragePool(lowering, node, bounds, target, form)
  );
}

/** Real numbers at the accumulator's own scale. */
const REALS = { scale: 1, zeroPoint: 0, storedAs: 'uint8' } as const;

/** A fully connected layer of quantized operands whose result is read in float: summed in int32, scaled once. */
function matchFloatResult(lowering: Lowering, node: Node): Match | undefined {
  if (node.opType !== 'Gemm' && node.opType !== 'MatMul' && node.opType !== 'Conv') return undefined;
  const form = (name: string): ReturnType<typeof quantizedForm> => quantizedForm(lowering, name);
  const target = { output: node.outputs[0] ?? '', params: REALS };
  const match = node.opType === 'Conv' ? matchPixelConv : matchFullyConnected;
  return match(lowering, node, unbounded, target, form);
}

function emitPlan(lowering: Lowering, { matches, quantizers, floats, floatResults }: Plan): void {
  const { graph } = lowering;
  for (const input of graph.inputs) {
    const params = lowering.integerParams(input);
    if (params) lowering.addQuantized(input, lowering.shapeOf(input), params);
    else lowering.addFloat(input);
  }
  for (const node of graph.nodes) {
    const target = targetOf(lowering, node);
    if (target && quantizers.has(node)) emitQuantizer(lowering, node, target, matches.get(node));
    else if (!target && floats.has(node)) emitFloat(lowering, node, floatResults.get(node));
  }
  for (const output of graph.outputs) {
    const constant = lowering.constant(output);
    if (!constant) continue;
    lowering.constants.set(output, constant);
    lowering.addFloat(output);
  }
}

function emitQuantizer(lowering: Lowering, node: Node, target: Target, match: Match | undefined): void {
  const { params, output } = target;
  const input = inputName(node, 0);
  const key = `${input}|quantized|${params.scale}|${params.zeroPoint}`;
  const first = lowering.once(key, () => output);
  if (first !== output && !graphReturns(lowering, output)) {
    lowering.alias(output, lowering.resolve(first));
    return;
  }
  lowering.addQuantized(output, lowering.shapeOf(output), params);
  const constant = lowering.constants.get(input) ?? lowering.constant(input);
  if (match) match.emit();
  else if (constant) quantizeConstant(lowering, constant, target);
  else lowering.operations.push({ kind: 'quantize', name: node.name, input, output });
}

function quantizeConstant(lowering: Lowering, constant: Tensor, { output, params }: Target): void {
  const bytes = Uint8Array.from<number | bigint>(constant.data, (real) => quantizeByte(Number(real), params));
  lowering.constants.set(output, tensor('uint8', lowering.shapeOf(output), bytes));
}

function graphReturns(lowering: Lowering, value: string): boolean {
  return lowering.graph.outputs.includes(value);
}

function emitFloat(lowering: Lowering, node: Node, match: Match | undefined): void {
  const output = node.outputs[0] ?? '';
  if (match) {
    lowering.addFloat(output);
    match.emit();
    return;
  }
  if (isDequantize(node)) {
    if (emitWeights(lowering, node, output)) return;
    const form = lowering.dequantized(output);
    if (form) {
      const input = form.emit();
      lowering.addFloat(output);
      lowering.operations.push({ kind: 'dequantize', name: node.name, input, output });
      return;
    }
  }
  for (const input of node.inputs) {
    const constant = lowering.constant(input);
    if (constant) lowering.constants.set(input, constant);
  }
  for (const name of node.outputs) if (name !== '') lowering.addFloat(name);
  const outputs = node.outputs.filter((name) => name !== '');
  lowering.operations.push({ kind: 'float', name: node.name, node, outputs, output });
}

/** A dequantized constant is a constant: weight-only networks pay for it once. */
function emitWeights(lowering: Lowering, node: Node, output: string): boolean {
  const constant = lowering.constant(inputName(node, 0));
  const file = lowering.fileParams(node);
  if (!constant || !file) return false;
  lowering.constants.set(output, tensor('float32', constant.shape, dequantizeConstant(constant, file)));
  if (constant.dtype === 'int8' || constant.dtype === 'uint8')
    lowering.integers.set(output, { data: constant.data, ...file });
  lowering.addFloat(output);
  return true;
}
