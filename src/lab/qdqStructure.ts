import type { Graph, Node } from '../graph/index.ts';
import type { Tensor } from '../tensor/index.ts';

/** A constant behind a DequantizeLinear. */
export interface QuantizedConstant {
  readonly data: Tensor;
  readonly scales: Float32Array;
  readonly zeroPoints: Tensor['data'] | undefined;
  /** Absent where one scale serves the whole tensor. */
  readonly axis: number | undefined;
}

/** A QuantizeLinear and the DequantizeLinear after it. */
export interface QuantizedActivation {
  /** The value that is quantized, by its name in the float graph. */
  readonly value: string;
  /** What stands for it in the QDQ graph. */
  readonly dequantized: string;
  readonly scale: number;
  readonly zeroPoint: number;
  readonly qmin: number;
  readonly qmax: number;
}

export interface QdqStructure {
  readonly constants: ReadonlyMap<string, QuantizedConstant>;
  /** By value name. */
  readonly activations: ReadonlyMap<string, QuantizedActivation>;
}

/** Finds the quantized constants and activations of a QDQ graph; names are matched with the float graph it came from. */
export function qdqStructure(quantized: Graph, float: Graph): QdqStructure {
  const producers = new Map<string, Node>();
  for (const node of quantized.nodes) for (const output of node.outputs) producers.set(output, node);
  const constants = new Map<string, QuantizedConstant>();
  const activations = new Map<string, QuantizedActivation>();
  for (const node of quantized.nodes) {
    if (node.opType !== 'DequantizeLinear') continue;
    const [input = '', scaleName = '', zeroName = ''] = node.inputs;
    const [output = ''] = node.outputs;
    const scales = quantized.constants.get(scaleName);
    if (scales?.dtype !== 'float32') continue;
    const zeroPoints = quantized.constants.get(zeroName)?.data;
    const data = quantized.constants.get(input);
    if (data !== undefined) {
      const axis = scales.data.length > 1 ? Number(node.attributes.get('axis') ?? 1) : undefined;
      constants.set(output, { data, scales: scales.data, zeroPoints, axis });
      continue;
    }
    const quantize = producers.get(input);
    if (quantize?.opType !== 'QuantizeLinear' || scales.data.length !== 1) continue;
    const value = valueOf(quantize, output, { producers, float });
    const signed = quantized.types.get(input)?.dtype === 'int8';
    activations.set(value, {
      value,
      dequantized: output,
      scale: scales.data[0] ?? 1,
      zeroPoint: Number(zeroPoints?.[0] ?? 0),
      qmin: signed ? -128 : 0,
      qmax: signed ? 127 : 255,
    });
  }
  return { constants, activations };
}

/** A returned value has another name before its quantizer; with fewer than 8 bits a Clip stands between. */
function valueOf(
  quantize: Node,
  dequantized: string,
  { producers, float }: { readonly producers: ReadonlyMap<string, Node>; readonly float: Graph },
): string {
  let [name = ''] = quantize.inputs;
  if (float.types.has(name)) return name;
  const producer = producers.get(name);
  if (producer?.opType === 'Clip') [name = ''] = producer.inputs;
  return float.types.has(name) ? name : dequantized;
}
