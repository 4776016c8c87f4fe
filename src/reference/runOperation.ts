import { invariant, present, unreachable } from '../base/index.ts';
import type {
  FloatOperation,
  FullyConnectedOperation,
  LayoutOperation,
  Operation,
  QuantizedGraph,
  QuantizedValue,
} from '../graph/index.ts';
import { tensor, type Tensor } from '../tensor/index.ts';
import { convInt8, convTransposeInt8, fullyConnectedFloat, fullyConnectedInt8 } from './operations/conv.ts';
import { binaryInt8, dequantizeInt8, quantizeInt8 } from './operations/elementwise.ts';
import { averagePoolInt8, maxPoolInt8 } from './operations/pool.ts';
import { concat } from './operators/select.ts';
import { runNode } from './runNode.ts';

/** Reads a value of the graph: uint8 where it is quantized. */
export type ReadValue = (name: string) => Tensor;

/**
 * Runs one operation of a quantized graph on one sample.
 *
 * @returns its outputs by name: one, but for float operations with several
 */
export function runOperation(graph: QuantizedGraph, operation: Operation, read: ReadValue): Map<string, Tensor> {
  if (operation.kind === 'float') return runFloat(operation, read);
  if (operation.kind === 'dequantize') {
    const from = quantizedValue(graph, operation.input);
    const reals = dequantizeInt8(bytesOf(read, operation.input), from);
    return new Map([[operation.output, tensor('float32', from.shape, reals)]]);
  }
  if (operation.kind === 'fullyConnected' && graph.values.get(operation.output)?.kind === 'float')
    return new Map([[operation.output, runFloatResult(graph, operation, read)]]);
  const to = quantizedValue(graph, operation.output);
  const bytes = runInteger(graph, operation, to, read);
  return new Map([[operation.output, tensor('uint8', to.shape, bytes)]]);
}

function runFloatResult(graph: QuantizedGraph, operation: FullyConnectedOperation, read: ReadValue): Tensor {
  const from = quantizedValue(graph, operation.input);
  const { shape } = present(graph.values.get(operation.output), operation.output);
  return tensor('float32', shape, fullyConnectedFloat(operation, bytesOf(read, operation.input), from));
}

type IntegerOperation = Exclude<Operation, { kind: 'float' | 'dequantize' }>;

function runInteger(
  graph: QuantizedGraph,
  operation: IntegerOperation,
  to: QuantizedValue,
  read: ReadValue,
): Uint8Array {
  const operands = (name: string) => ({ x: bytesOf(read, name), from: quantizedValue(graph, name), to });
  switch (operation.kind) {
    case 'conv':
      return convInt8(operation, operands(operation.input));
    case 'convTranspose':
      return convTransposeInt8(operation, operands(operation.input));
    case 'fullyConnected':
      return fullyConnectedInt8(operation, operands(operation.input));
    case 'add':
    case 'sub':
    case 'mul': {
      const [a, b] = operation.inputs;
      const values = [quantizedValue(graph, a), quantizedValue(graph, b), to] as const;
      return binaryInt8(operation, [bytesOf(read, a), bytesOf(read, b)], values);
    }
    case 'table':
      return bytesOf(read, operation.input).map((q) => operation.table[q]!);
    case 'maxPool':
      return maxPoolInt8(operation, operands(operation.input));
    case 'averagePool':
      return averagePoolInt8(operation, operands(operation.input));
    case 'concat': {
      const axis = new Map([['axis', operation.axis]]);
      const node = {
        name: operation.name,
        opType: 'Concat',
        domain: '',
        inputs: operation.inputs,
        outputs: [],
        attributes: axis,
      };
      const [joined] = concat(node, operation.inputs.map(read));
      return uint8Of(present(joined, 'concatenation'));
    }
    case 'layout':
      return runLayout(operation, to, read);
    case 'quantize': {
      const input = read(operation.input);
      invariant(input.dtype === 'float32', `quantize reads ${input.dtype}`);
      return quantizeInt8(input.data, to);
    }
    default:
      return unreachable(operation);
  }
}

/** The node itself on bytes; Pad without a constant fills with the zero point, which is real 0. */
function runLayout(operation: LayoutOperation, to: QuantizedValue, read: ReadValue): Uint8Array {
  const { node } = operation;
  const operands = node.inputs.map((name, index) => {
    if (index === 0) return read(operation.input);
    return name === '' ? undefined : read(name);
  });
  if (node.opType === 'Pad') operands[2] ??= tensor('uint8', [], Uint8Array.of(to.zeroPoint));
  return uint8Of(present(runNode(node, operands)[operation.outputIndex], `output of '${operation.name}'`));
}

function runFloat({ node }: FloatOperation, read: ReadValue): Map<string, Tensor> {
  const results = runNode(
    node,
    node.inputs.map((name) => (name === '' ? undefined : read(name))),
  );
  const named = node.outputs.map((name, index) => [name, results[index]] as const);
  return new Map(named.flatMap(([name, value]) => (name === '' || !value ? [] : [[name, value] as const])));
}

function quantizedValue(graph: QuantizedGraph, name: string): QuantizedValue {
  const value = present(graph.values.get(name), `value '${name}'`);
  invariant(value.kind === 'quantized', `value '${name}' is not quantized`);
  return value;
}

function uint8Of(value: Tensor): Uint8Array {
  invariant(value.dtype === 'uint8', `expected uint8, got ${value.dtype}`);
  return value.data;
}

function bytesOf(read: ReadValue, name: string): Uint8Array {
  return uint8Of(read(name));
}
