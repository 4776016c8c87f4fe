import { readModel, type ModelProto, type NodeProto } from '../../src/onnx/index.ts';

/** The peer is not at its best, so that a comparison would mean nothing. */
export class PeerError extends Error {
  override readonly name = 'PeerError';
}

/**
 * Proves that onnxruntime runs the QDQ file in integers: its optimized graph holds one QLinearConv for every convolution
 * between DequantizeLinear and QuantizeLinear nodes. A peer that fell back to float would flatter us.
 *
 * @throws PeerError that says how many are missing
 */
export function checkFusedConvolutions(quantized: Uint8Array, optimized: Uint8Array): { convolutions: number } {
  const expected = quantizedConvolutions(readModel(quantized));
  const found = readModel(optimized).graph.nodes.filter(({ opType }) => opType === 'QLinearConv').length;
  if (found !== expected)
    throw new PeerError(
      `onnxruntime's optimized graph has ${found} QLinearConv nodes for ${expected} quantized convolutions.`,
    );
  return { convolutions: found };
}

/** Activations that a quantized convolution takes in, as bounds of its output. */
const bounds: readonly string[] = ['Relu', 'Clip'];

/** Convolutions whose data and weights are dequantized and whose output is quantized, at once or behind a bound. */
function quantizedConvolutions({ graph }: ModelProto): number {
  const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const consumers = new Map<string, NodeProto[]>();
  for (const node of graph.nodes)
    for (const input of node.inputs) consumers.set(input, [...(consumers.get(input) ?? []), node]);
  const isQuantized = (outputs: readonly string[]): boolean =>
    outputs.some((output) =>
      consumers
        .get(output)
        ?.some(
          ({ opType, outputs: next }) => opType === 'QuantizeLinear' || (bounds.includes(opType) && isQuantized(next)),
        ),
    );
  const isDequantized = (value: string | undefined): boolean =>
    value !== undefined && producers.get(value)?.opType === 'DequantizeLinear';
  return graph.nodes.filter(
    ({ opType, inputs, outputs }) =>
      opType === 'Conv' && isDequantized(inputs[0]) && isDequantized(inputs[1]) && isQuantized(outputs),
  ).length;
}
