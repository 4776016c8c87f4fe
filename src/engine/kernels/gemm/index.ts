import type {
  Clamp,
  ConvOperation,
  FloatValue,
  FullyConnectedOperation,
  QuantizedValue,
} from '../../../graph/index.ts';
import { pairs, type DotStrategy } from '../../dot.ts';
import { CHANNEL_BLOCK, roundUp, type Layout } from '../../plan/layout.ts';
import type { KernelPlanner, PlanContext, WasmStep } from '../../plan/step.ts';
import { paddedInput } from '../paddedInput.ts';
import { bytesOf, roundingOf } from '../requantize.ts';
import { emitProduct, scratchOf, type Product, type Widening } from './emit.ts';
import { packWeights, weightBytesOf, type WeightAt } from './pack.ts';
import { isPointwise, windowRuns, type Geometry } from './window.ts';

/** Packed rows of a block stay below this, so that they share the cache with the weights. */
const BLOCK_BYTES = 192 * 1024;

/** Grouped convolutions up to this many groups run densely, with zero weights between groups. */
const DENSE_GROUPS = 8;

/** Dense convolution, grouped with few groups, and fully connected layers. */
export const planGemm: KernelPlanner = (operation, context) => {
  if (operation.kind === 'conv') return planConv(operation, context);
  if (operation.kind === 'fullyConnected') return planFullyConnected(operation, context);
  return undefined;
};

function planConv(operation: ConvOperation, context: PlanContext): WasmStep | undefined {
  const { weights, group } = operation;
  const [outChannels = 1, perGroup = 1, kernelH = 1, kernelW = 1] = weights.shape;
  if (group > DENSE_GROUPS) return undefined;
  const weightAt: WeightAt = (m, c, ky, kx) => {
    const inGroup = c - Math.floor((m * group) / outChannels) * perGroup;
    if (inGroup < 0 || inGroup >= perGroup) return undefined;
    return weights.data[((m * perGroup + inGroup) * kernelH + ky) * kernelW + kx];
  };
  return planProduct(operation, { ...operation, kernel: [kernelH, kernelW] }, weightAt, context);
}

function planFullyConnected(operation: FullyConnectedOperation, context: PlanContext): WasmStep | undefined {
  const { data, shape } = operation.weights;
  const [, depth = 1] = shape;
  const input = context.layouts.get(operation.input);
  if (input?.kind !== 'nhwc' || input.height * input.width !== 1 || input.channels !== depth) return undefined;
  const output = context.layouts.get(operation.output);
  if (output?.kind === 'nhwc' && output.height * output.width !== 1) return undefined;
  const geometry: Geometry = { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0] };
  return planProduct(operation, geometry, (n, k) => data[n * depth + k], context);
}

function planProduct(
  operation: ConvOperation | FullyConnectedOperation,
  geometry: Geometry,
  weightAt: WeightAt,
  context: PlanContext,
): WasmStep | undefined {
  const { weights } = operation;
  const input = context.layouts.get(operation.input);
  const output = context.layouts.get(operation.output);
  const from = context.graph.values.get(operation.input);
  const to = context.graph.values.get(operation.output);
  if (input?.kind !== 'nhwc' || from?.kind !== 'quantized' || !to) return undefined;
  const result = resultOf(to, output, operation.clamp);
  if (!result) return undefined;
  const symmetric = weights.zeroPoints.every((zero) => zero === 0);
  const dot = context.dot.plainWeights && !symmetric ? pairs : context.dot;
  const padded = paddedInput(input, geometry.pads);
  const { channels, channelStride: pixelBytes } = input;
  const image = { rowBytes: padded.width * pixelBytes, pixelBytes, channels };
  const runs = windowRuns(geometry, image);
  const depth = runs.reduce((sum, run) => sum + run.bytes, 0);
  const { height, width, outputStride, panels } = result;
  const pixels = height * width;
  const rows = Math.min(dot.rows, pixels);
  const inPlace = isPointwise(geometry) && dot.operandBytes === 1 && !dot.flipsSign;
  const rowBytes = inPlace ? pixelBytes : depth * dot.operandBytes;
  const blockPixels = choosePixels(pixels, rows, rowBytes);
  const weightBytes = weightBytesOf(weights, dot);
  const product: Product = {
    dot,
    widening: wideningOf(weightBytes, dot, blockPixels / rows),
    geometry,
    input,
    inputName: operation.input,
    inputZeroPoint: from.zeroPoint,
    outputName: operation.output,
    outputStride,
    bytes: result.bytes,
    rounding: roundingOf(weights, from.zeroPoint),
    runs,
    depth,
    inPlace,
    rowBytes,
    pixels,
    width,
    blockPixels,
    rows,
    panels,
    paddedBytes: padded.scratchBytes,
    packedBytes: inPlace ? 0 : roundUp(blockPixels * rowBytes + 64, 64),
    panelBytes: depth * CHANNEL_BLOCK * dot.operandBytes,
  };
  const packedZero = from.zeroPoint - (dot.flipsSign ? 128 : 0);
  const packed = packWeights(weights, weightAt, { ...image, runs, panels, weightBytes }, packedZero, dot);
  return {
    runs: 'wasm',
    operation,
    kernel: `${operation.kind}.gemm${rows}x${CHANNEL_BLOCK}.${dot.name}${result.bytes ? '' : '.float'}`,
    macs: pixels * weights.data.length,
    constants: [packed.panels, bytesOf(packed.bias), bytesOf(packed.multipliers)],
    scratchBytes: scratchOf(product).end,
    emit: (module, place) => emitProduct(module, product, place),
  };
}

/** A panel that several tiles read is widened once for all of them. */
function wideningOf(weightBytes: 1 | 2, dot: DotStrategy, tiles: number): Widening {
  if (weightBytes === dot.operandBytes) return 'none';
  return tiles > 1 ? 'byPanel' : 'onLoad';
}

/** As few blocks as fit the cache, of equal size, a multiple of the tile. */
function choosePixels(pixels: number, rows: number, rowBytes: number): number {
  const most = Math.max(rows, Math.floor(BLOCK_BYTES / rowBytes / rows) * rows);
  const blocks = Math.ceil(pixels / most);
  return Math.min(pixels, roundUp(Math.ceil(pixels / blocks), rows));
}

/** Where a product goes: pixels of bytes, or one row of float32. */
interface Result {
  readonly height: number;
  readonly width: number;
  readonly outputStride: number;
  readonly panels: number;
  readonly bytes: Product['bytes'];
}

function resultOf(to: QuantizedValue | FloatValue, layout: Layout | undefined, clamp: Clamp): Result | undefined {
  if (to.kind === 'float') {
    const [rows = 1, channels = 1, ...pixels] = to.shape;
    if (rows !== 1 || pixels.some((size) => size !== 1)) return undefined;
    const panels = Math.ceil(channels / CHANNEL_BLOCK);
    return { height: 1, width: 1, outputStride: 0, panels, bytes: undefined };
  }
  if (layout?.kind !== 'nhwc') return undefined;
  const { height, width, channelStride } = layout;
  const bytes = { zeroPoint: to.zeroPoint, clamp };
  return { height, width, outputStride: channelStride, panels: channelStride / CHANNEL_BLOCK, bytes };
}
