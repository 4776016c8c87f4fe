import { readModel, type ModelProto } from '../../src/onnx/index.ts';

/**
 * Proves that onnxruntime runs the QDQ file in integers: its optimized graph holds one QLinearConv for every convolution
 * between DequantizeLinear and QuantizeLinear nodes. A peer that fell back to float would flatter us.
 *
 * @throws Error that says how many are missing
 */
export function checkFusedConvolutions(quantized: Uint8Array, optimized: Uint8Array): { convolutions: number } {
  const expected = quantizedConvolutions(readModel(quantized));
  const found = readModel(optimized).graph.nodes.filter(({ opType }) => opType === 'QLinearConv').length;
  if (found !== expected)
    throw new Error(
      `onnxruntime's optimized graph has ${found} QLinearConv nodes for ${expected} quantized convolutions.`,
    );
  return { convolutions: found };
}

/** Convolutions whose data and weights are dequantized and whose output is quantized, through activations or at once. */
function quantizedConvolutions({ graph }: ModelProto): number {
  const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const consumers = new Map<string, string[]>();
  for (const { opType, inputs } of graph.nodes)
    for (const input of inputs) consumers.set(input, [...(consumers.get(input) ?? []), opType]);
  const isDequantized = (value: string | undefined): boolean =>
    value !== undefined && producers.get(value)?.opType === 'DequantizeLinear';
  return graph.nodes.filter(
    ({ opType, inputs, outputs }) =>
      opType === 'Conv' &&
      isDequantized(inputs[0]) &&
      isDequantized(inputs[1]) &&
      outputs.some((output) => consumers.get(output)?.some((consumer) => consumer === 'QuantizeLinear')),
  ).length;
}
