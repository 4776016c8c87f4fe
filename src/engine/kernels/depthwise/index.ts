import type { ConvOperation } from '../../../graph/index.ts';
import { stepFunction, type KernelPlanner } from '../../plan/step.ts';
import { emitPaddedInput, paddedInput } from '../paddedInput.ts';
import { bytesOf, roundingOf } from '../requantize.ts';
import { columns3x3 } from './columns.ts';
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
    kernel: `conv.depthwise${kernelH}x${kernelW}`,
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

/** Each tile that reads padding left or right has code of its own: there must be few. */
const MOST_PADDING = 8;

function formOf({ weights, pads }: ConvOperation): DepthwiseForm {
  const [, , kernelH, kernelW] = weights.shape;
  return kernelH === 3 && kernelW === 3 && Math.max(...pads) <= MOST_PADDING ? columns3x3 : tapPairs;
}

/** Weights in the order of the form, then bias and multipliers of every stored channel. */
function packDepthwise(
  { weights }: ConvOperation,
  form: DepthwiseForm,
  stride: number,
  inputZeroPoint: number,
): Uint8Array[] {
  const [channels = 1, , kernelH = 1, kernelW = 1] = weights.shape;
  const taps = kernelH * kernelW;
  const terms = form.terms([kernelH, kernelW]);
  const packed = new Int16Array(stride * terms.length * 2);
  const bias = new Int32Array(stride);
  const multipliers = new Float32Array(stride);
  for (let c = 0; c < channels; c++) {
    const inBlock = c % form.channels;
    const block = (c - inBlock) * terms.length * 2;
    let sum = 0;
    terms.forEach((pair, term) =>
      pair.forEach((tap, side) => {
        if (tap === undefined) return;
        const weight = weights.data[c * taps + tap]! - weights.zeroPoints[c]!;
        sum += weight;
        packed[block + (term * form.channels + inBlock) * 2 + side] = weight;
      }),
    );
    bias[c] = weights.bias[c]! - inputZeroPoint * sum;
    multipliers[c] = weights.multipliers[c]!;
  }
  return [bytesOf(packed), bytesOf(bias), bytesOf(multipliers)];
}
