import { AppError } from '../../base/index.ts';
import { numberAttribute, numbersAttribute, type Node } from '../../graph/index.ts';
import type { Shape } from '../../tensor/index.ts';
import { clampOf, type Bounds } from './clamp.ts';
import { windowOf, type Pair, type Window } from './geometry.ts';
import type { Lowering, Match, QuantizedForm, Target } from './lowering.ts';
import { inputName, numbersOf } from './parameters.ts';

/** MaxPool and GlobalMaxPool, whose second output nobody reads. */
export function maxPoolWindow(lowering: Lowering, node: Node): Window | undefined {
  const input = lowering.shapeOf(inputName(node, 0));
  if (node.domain !== '' || input.length !== 4) return undefined;
  if (node.opType === 'GlobalMaxPool') return wholeWindow(input);
  if (node.opType !== 'MaxPool') return undefined;
  const indices = node.outputs[1] ?? '';
  if (indices !== '' && (lowering.consumers(indices).length > 0 || lowering.graph.outputs.includes(indices)))
    return undefined;
  return windowOf(node, kernelOf(node), input, lowering.shapeOf(node.outputs[0] ?? ''));
}

/** Writes a MaxPool of `input` down. */
export function emitMaxPool(lowering: Lowering, node: Node, window: Window, input: string, output: string): void {
  const { kernel, strides, pads, dilations } = window;
  lowering.operations.push({ kind: 'maxPool', name: node.name, input, output, kernel, strides, pads, dilations });
}

export function matchMaxPool(
  lowering: Lowering,
  node: Node,
  target: Target,
  form: (value: string) => QuantizedForm | undefined,
): Match | undefined {
  if (node.opType !== 'MaxPool' && node.opType !== 'GlobalMaxPool') return undefined;
  const window = maxPoolWindow(lowering, node);
  const input = form(inputName(node, 0));
  if (!window || !input || input.bytes) return undefined;
  const shape = lowering.shapeOf(node.outputs[0] ?? '');
  return {
    uses: [input],
    emit: () => {
      const name = input.emit();
      lowering.emitVia(target, input.params, shape, (output) => emitMaxPool(lowering, node, window, name, output));
    },
  };
}

/**
 * AveragePool, GlobalAveragePool, and ReduceMean over height and width.
 *
 * @throws ACCUMULATOR_OVERFLOW for a window whose sum of bytes could leave int32
 */
export function matchAveragePool(
  lowering: Lowering,
  node: Node,
  bounds: Bounds,
  target: Target,
  form: (value: string) => QuantizedForm | undefined,
): Match | undefined {
  const input = form(inputName(node, 0));
  if (!input || input.bytes || input.shape.length !== 4 || node.domain !== '') return undefined;
  const found = averageWindow(lowering, node, input.shape);
  if (!found) return undefined;
  const { window, countIncludePad } = found;
  const { kernel, strides, pads } = window;
  const largest = kernel[0] * kernel[1] * Math.max(input.params.zeroPoint, 255 - input.params.zeroPoint);
  if (largest > 2 ** 31 - 1)
    throw new AppError(
      'ACCUMULATOR_OVERFLOW',
      `Node '${node.name}' (${node.opType}) sums ${kernel[0]} x ${kernel[1]} bytes; the sum can reach ${largest}, int32 holds up to 2147483647.`,
      { nodeName: node.name },
    );
  return {
    uses: [input],
    emit: () => {
      const clamp = clampOf(bounds, target.params);
      lowering.operations.push({
        ...{ kind: 'averagePool', name: node.name, input: input.emit(), output: target.output },
        ...{ kernel, strides, pads, countIncludePad, clamp },
      });
    },
  };
}

function averageWindow(
  lowering: Lowering,
  node: Node,
  input: Shape,
): { window: Window; countIncludePad: boolean } | undefined {
  if (node.opType === 'GlobalAveragePool') return { window: wholeWindow(input), countIncludePad: false };
  if (node.opType === 'ReduceMean') {
    const axes = lowering.constant(inputName(node, 1));
    const reduced = new Set((axes ? numbersOf(axes) : []).map((axis) => (axis < 0 ? axis + input.length : axis)));
    const spatial = reduced.size === 2 && reduced.has(2) && reduced.has(3);
    return spatial ? { window: wholeWindow(input), countIncludePad: false } : undefined;
  }
  if (node.opType !== 'AveragePool') return undefined;
  const window = windowOf(node, kernelOf(node), input, lowering.shapeOf(node.outputs[0] ?? ''));
  const countIncludePad = numberAttribute(node, 'count_include_pad', 0) !== 0;
  const dilated = window.dilations[0] !== 1 || window.dilations[1] !== 1;
  // Ceil mode's overhang is not counted though stated pads are: the operation knows one kind of pad only.
  const mixed = countIncludePad && (window.overhang[0] > 0 || window.overhang[1] > 0);
  return dilated || mixed ? undefined : { window, countIncludePad };
}

function kernelOf(node: Node): Pair {
  const [h = 1, w = 1] = numbersAttribute(node, 'kernel_shape', []);
  return [h, w];
}

function wholeWindow(input: Shape): Window {
  const kernel: Pair = [input[2] ?? 1, input[3] ?? 1];
  return { kernel, strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0], overhang: [0, 0] };
}
