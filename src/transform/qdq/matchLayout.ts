import { numberAttribute, stringAttribute, type Node } from '../../graph/index.ts';
import { elementCount, tensor, type Tensor } from '../../tensor/index.ts';
import { quantizeByte } from '../quantizedTable.ts';
import type { Lowering, Match, QuantizedForm, Target } from './lowering.ts';
import { emitMaxPool, maxPoolWindow } from './matchPool.ts';
import { inputName, numbersOf, sameParams, type Params } from './parameters.ts';

/** Operators that only move bytes; their further inputs must be constants. */
const movers: ReadonlySet<string> = new Set([
  ...['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Transpose', 'Slice', 'Split', 'Pad', 'Gather', 'Resize'],
  ...['DepthToSpace', 'SpaceToDepth'],
]);

/** Whether a node moves bytes only, with everything but its first input constant. */
function movesBytes(lowering: Lowering, node: Node): boolean {
  if (node.domain !== '' || !movers.has(node.opType)) return false;
  if (!node.inputs.slice(1).every((name) => name === '' || lowering.constant(name))) return false;
  if (node.opType !== 'Resize') return true;
  const mapping = stringAttribute(node, 'coordinate_transformation_mode', 'half_pixel');
  return stringAttribute(node, 'mode', 'nearest') === 'nearest' && mapping !== 'tf_crop_and_resize';
}

/** The real number that a Pad node fills with; undefined for any other node and for pads that repeat the input. */
function padValue(lowering: Lowering, node: Node): number | undefined {
  if (node.opType !== 'Pad' || stringAttribute(node, 'mode', 'constant') !== 'constant') return undefined;
  const constant = lowering.constant(inputName(node, 2));
  return constant ? (numbersOf(constant)[0] ?? 0) : 0;
}

/** Writes a layout operation down: the node with byte operands, its other inputs copied to the graph's constants. */
function emitLayout(
  lowering: Lowering,
  node: Node,
  place: { input: string; output: string; outputIndex: number; params: Params },
): void {
  const { input, output, outputIndex, params } = place;
  const inputs = [input, ...node.inputs.slice(1)];
  const fill = padValue(lowering, node);
  if (fill !== undefined) {
    const byte = quantizeByte(fill, params);
    inputs[2] = lowering.once(`|pad|${byte}`, () => lowering.fresh(`pad/${byte}`));
    lowering.constants.set(inputs[2], tensor('uint8', [], Uint8Array.of(byte)));
  }
  for (const name of inputs.slice(1)) {
    const constant: Tensor | undefined = lowering.constant(name);
    if (constant) lowering.constants.set(name, constant);
  }
  const operand: Node = { ...node, inputs };
  lowering.operations.push({ kind: 'layout', name: node.name, input, output, node: operand, outputIndex });
}

export function matchLayout(
  lowering: Lowering,
  node: Node,
  outputIndex: number,
  target: Target,
  form: (value: string) => QuantizedForm | undefined,
): Match | undefined {
  const input = movesBytes(lowering, node) ? form(inputName(node, 0)) : undefined;
  if (!input || input.bytes) return undefined;
  const shape = lowering.shapeOf(node.outputs[outputIndex] ?? '');
  const scaleFirst = padValue(lowering, node) !== undefined || elementCount(shape) > elementCount(input.shape);
  return {
    uses: [input],
    emit: () => {
      if (scaleFirst) {
        const name = lowering.emitWith(input, target.params);
        emitLayout(lowering, node, { input: name, output: target.output, outputIndex, params: target.params });
        return;
      }
      const name = input.emit();
      lowering.emitVia(target, input.params, shape, (output) =>
        emitLayout(lowering, node, { input: name, output, outputIndex, params: input.params }),
      );
    },
  };
}

/** Concat of quantized values and constants; inputs with other parameters pass through a table. */
export function matchConcat(
  lowering: Lowering,
  node: Node,
  target: Target,
  form: (value: string) => QuantizedForm | undefined,
): Match | undefined {
  if (node.opType !== 'Concat' || node.domain !== '') return undefined;
  const forms = node.inputs.map(form);
  if (!forms.every((input) => input !== undefined)) return undefined;
  const rank = lowering.shapeOf(node.outputs[0] ?? '').length;
  const stated = numberAttribute(node, 'axis');
  const axis = stated < 0 ? stated + rank : stated;
  return {
    uses: forms,
    emit: () => {
      const inputs = forms.map((input) => lowering.emitWith(input, target.params));
      lowering.operations.push({ kind: 'concat', name: node.name, inputs, output: target.output, axis });
    },
  };
}

/**
 * The bytes behind a float value: dequantized directly, or moved since then by nodes that have no quantization after
 * them (a Flatten between DequantizeLinear and Gemm).
 */
export function quantizedForm(lowering: Lowering, value: string): QuantizedForm | undefined {
  const direct = lowering.dequantized(value);
  if (direct) return direct;
  const origin = lowering.origin(value);
  if (!origin) return undefined;
  const { node, outputIndex } = origin;
  const window = node.opType === 'MaxPool' ? maxPoolWindow(lowering, node) : undefined;
  if (!window && !movesBytes(lowering, node)) return undefined;
  const inner = quantizedForm(lowering, inputName(node, 0));
  if (!inner || inner.bytes) return undefined;
  const { params } = inner;
  const shape = lowering.shapeOf(value);
  const emit = (): string =>
    lowering.once(`${value}|moved`, () => {
      const output = lowering.fresh(`${value}/bytes`);
      const input = inner.emit();
      lowering.addQuantized(output, shape, params);
      if (window) emitMaxPool(lowering, node, window, input, output);
      else emitLayout(lowering, node, { input, output, outputIndex, params });
      return output;
    });
  return { params, shape, source: inner.source, emit };
}

/** A change of parameters with nothing in between. */
export function matchRequantize(lowering: Lowering, form: QuantizedForm, target: Target): Match {
  return {
    uses: [form],
    emit: () => {
      const input = form.emit();
      if (sameParams(form.params, target.params) && !lowering.graph.outputs.includes(target.output))
        lowering.alias(target.output, lowering.resolve(input));
      else lowering.emitRequantize(input, form.params, target);
    },
  };
}
