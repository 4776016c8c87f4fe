import { CANONICAL_OPSET, type Graph } from '../graph/index.ts';
import { macsOf } from './macs.ts';

export interface ValueSummary {
  readonly name: string;
  readonly dtype: string;
  /** −1 is the free batch. */
  readonly shape: readonly number[];
}

/** What a network is, in the shape that versions keep. */
export interface Summary {
  readonly inputs: readonly ValueSummary[];
  readonly outputs: readonly ValueSummary[];
  /** Nodes by operator type. */
  readonly operators: Readonly<Record<string, number>>;
  /** Elements of weights and biases, without statistics, scales and zero points. */
  readonly parameters: number;
  /** Multiply-accumulates of one sample. */
  readonly macs: number;
  readonly opset: number;
  readonly producer: string;
}

export function summarize(graph: Graph): Summary {
  const values = (names: readonly string[]): ValueSummary[] =>
    names.map((name) => ({
      name,
      dtype: graph.types.get(name)?.dtype ?? 'float32',
      shape: graph.types.get(name)?.shape ?? [],
    }));
  const operators: Record<string, number> = {};
  for (const { opType } of graph.nodes) operators[opType] = (operators[opType] ?? 0) + 1;
  return {
    inputs: values(graph.inputs),
    outputs: values(graph.outputs),
    operators: Object.fromEntries(Object.entries(operators).toSorted(([a], [b]) => (a < b ? -1 : 1))),
    parameters: countParameters(graph),
    macs: graph.nodes.reduce((sum, node) => sum + macsOf(graph, node), 0),
    opset: graph.opset ?? CANONICAL_OPSET,
    producer: graph.producer,
  };
}

/** Inputs that hold learned numbers; every other constant steers a node. */
const parameterInputs: Readonly<Record<string, readonly number[]>> = {
  Conv: [1, 2],
  ConvTranspose: [1, 2],
  Gemm: [1, 2],
  MatMul: [0, 1],
  BatchNormalization: [1, 2],
  InstanceNormalization: [1, 2],
  LayerNormalization: [1, 2],
  PRelu: [1],
  Add: [0, 1],
  Sub: [0, 1],
  Mul: [0, 1],
  Div: [0, 1],
  DequantizeLinear: [0],
  QLinearConv: [3, 8],
  QLinearMatMul: [0, 3],
  QGemm: [3, 6],
};

function countParameters(graph: Graph): number {
  const counted = new Set<string>();
  for (const node of graph.nodes)
    for (const index of parameterInputs[node.opType] ?? []) counted.add(node.inputs[index] ?? '');
  let count = 0;
  for (const name of counted) count += graph.constants.get(name)?.data.length ?? 0;
  return count;
}
