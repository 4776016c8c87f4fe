import type { ConvOperation } from '../../../graph/index.ts';
import { stepFunction, type KernelPlanner } from '../../plan/step.ts';
import { emitPaddedInput, paddedInput } from '../paddedInput.ts';
import { bytesOf, capsOf, roundingOf } from '../requantize.ts';
import { columns } from './columns.ts';
import type { DepthwiseForm } from './form.ts';
import { tapPairs } from './taps.ts';

/** Depthwise convolution, one filter a channel. */
export const planDepthwise: KernelPlanner = (operation, context) => {
  if (operation.kind !== 'conv') return undefined;
  const { weights, group } = operation;
  const [outChannels = 1, perGroup = 1, kernelH = 1, kernelW = 1] = weights.shape;
  if (perGroup !== 1 || group !== outChannels) return undefined;
  const input = context.layouts.get(operation.input);
  const output = context.layouts.get(operation.output);
  const from = context.graph.values.get(operation.input);
  const to = context.graph.values.get(operation.output);
  if (input?.kind !== 'nhwc' || output?.kind !== 'nhwc' || from?.kind !== 'quantized' || to?.kind !== 'quantized')
    return undefined;
  if (input.channelStride !== output.channelStride) return undefined;
  const form = formOf(operation);
  const border = form.reads === 'input' ? { pads: [0, 0, 0, 0] as const } : operation;
  const paddedBytes = paddedInput(input, border).scratchBytes;
  return {
    runs: 'wasm',
    operation,
    kernel: `conv.depthwise${kernelH}x${kernelW}.${form.name}`,
    macs: output.height * output.width * weights.data.length,
    constants: packDepthwise(operation, form, output.channelStride, from.zeroPoint),
    scratchBytes: paddedBytes + form.scratchBytes({ input }),
    units: output.height,
    emit: (module, place) =>
      stepFunction(module, (f, parameters) => {
        const source = emitPaddedInput(f, input, border, {
          arena: parameters.arena,
          source: place.address(operation.input),
          scratch: parameters.scratch,
          fill: from.zeroPoint,
        });
        form.emit(f, {
          ...{ operation, input, output, source },
          inputZeroPoint: from.zeroPoint,
          zeroPoint: to.zeroPoint,
          rounding: roundingOf(weights, from.zeroPoint),
          place,
          parameters,
          scratch: paddedBytes,
        });
      }),
  };
};

/** `columns` writes a tile's products out, and again for each tile that reads padding: there must be few of both. */
const LARGEST_FILTER = 7;
const MOST_PADDING = 8;

function formOf({ weights, pads }: ConvOperation): DepthwiseForm {
  const [, , kernelH = 1, kernelW = 1] = weights.shape;
  return Math.max(kernelH, kernelW) <= LARGEST_FILTER && Math.max(...pads) <= MOST_PADDING ? columns : tapPairs;
}

/** Weights in the order of the form, then bias, multipliers and, where there are any, caps of every stored channel. */
function packDepthwise(
  operation: ConvOperation,
  form: DepthwiseForm,
  stride: number,
  inputZeroPoint: number,
): Uint8Array[] {
  const { weights } = operation;
  const [channels = 1, , kernelH = 1, kernelW = 1] = weights.shape;
  const taps = kernelH * kernelW;
  const terms = form.terms(operation);
  const packed = new Int16Array(stride * terms.length * 2);
  const bias = new Int32Array(stride);
  const multipliers = new Float32Array(stride);
  for (let c = 0; c < channels; c++) {
    const inBlock = c % form.channels;
    const block = (c - inBlock) * terms.length * 2;
    const weightOf = (tap: number): number => weights.data[c * taps + tap]! - weights.zeroPoints[c]!;
    terms.forEach((pair, term) =>
      pair.forEach((tap, side) => {
        if (tap !== undefined) packed[block + (term * form.channels + inBlock) * 2 + side] = weightOf(tap);
      }),
    );
    let sum = 0;
    for (let tap = 0; tap < taps; tap++) sum += weightOf(tap);
    bias[c] = weights.bias[c]! - inputZeroPoint * sum;
    multipliers[c] = weights.multipliers[c]!;
  }
  return [bytesOf(packed), bytesOf(bias), bytesOf(multipliers), ...capsOf(operation.caps, stride)];
}
